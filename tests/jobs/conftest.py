"""The S3 that job scripts find."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from job_scripts import BUCKET
from moto import mock_aws


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = _client()
        client.create_bucket(Bucket=BUCKET)
        yield client


@functools.cache
def _client() -> Any:
    """To make one costs more than what most tests do with it."""
    return boto3.client("s3")
