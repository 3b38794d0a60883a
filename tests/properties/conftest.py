"""What the property tests run on: the step functions over one small AWS, and how many examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from aws_cloud import _environment, cloud
from hypothesis import HealthCheck, settings

__all__ = ["_environment", "cloud"]

# The cloud is made once a test; its examples keep apart by run and index. The same examples each
# time, so that a failure is one of the change at hand; `make test-properties` draws new ones.
_COMMON = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Those that go through several stages and runs are slower: they divide the number, see `fewer`.
settings.register_profile("check", _COMMON, max_examples=25, derandomize=True)
settings.register_profile("explore", _COMMON, max_examples=400, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
