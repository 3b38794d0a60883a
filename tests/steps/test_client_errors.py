"""What botocore refuses before it sends anything: refusals, and no failures that pass."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)

from contracts.errors import REFUSED, InvalidInput, NotConfigured, TransientFailure
from runtime import clients


@pytest.mark.parametrize("bucket", ["a b", "arn:aws:s3:nowhere", ""])
def test_an_impossible_bucket_is_an_invalid_input(cloud: Any, bucket: str) -> None:
    with (
        pytest.raises(InvalidInput) as refused,
        clients.translated("reading the object"),
    ):
        cloud.client("s3").get_object(Bucket=bucket, Key="k")

    assert str(refused.value).startswith("reading the object: parameters: Parameter validation")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (ParamValidationError(report="no"), InvalidInput),
        (NoCredentialsError(), NotConfigured),
        (PartialCredentialsError(provider="env", cred_var="x"), NotConfigured),
        (NoRegionError(), NotConfigured),
        (InvalidRegionError(region_name="us east"), NotConfigured),
    ],
)
def test_what_is_refused_before_it_is_sent_is_no_failure_that_passes(
    error: BotoCoreError, ours: type[Exception]
) -> None:
    with pytest.raises(ours) as raised, clients.translated("listing"):
        raise error

    assert type(raised.value).__name__ in REFUSED
    assert str(raised.value).startswith("listing: ")


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://s3.eu-west-1.amazonaws.com"),
        ConnectTimeoutError(endpoint_url="https://x"),
        ReadTimeoutError(endpoint_url="https://x"),
    ],
)
def test_no_response_may_pass(error: BotoCoreError) -> None:
    """The name of a real endpoint, too, may not be resolved for a while."""
    with pytest.raises(TransientFailure), clients.translated("listing"):
        raise error


@pytest.mark.parametrize(
    ("variable", "value"), [("AWS_ENDPOINT_URL", "no-url"), ("AWS_REGION", "")]
)
def test_a_client_that_cannot_be_made_is_a_lack_of_the_deployment(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    if variable == "AWS_REGION":
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    clients.client.cache_clear()

    with pytest.raises(NotConfigured), clients.translated("listing"):
        clients.client("sqs").list_queues()
