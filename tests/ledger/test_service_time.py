"""The clock of a sandbox, corrected by the responses of the ledger's service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.hooks import HierarchicalEmitter

from runtime.service_time import ServiceClock, keep_time_by

TRUE = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)


def clock_ahead(seconds: float) -> ServiceClock:
    return ServiceClock(lambda: TRUE + timedelta(seconds=seconds))


@pytest.mark.parametrize("ahead", [-120, -5, 5, 120])
def test_a_wrong_clock_is_corrected_to_the_second(ahead: float) -> None:
    clock = clock_ahead(ahead)
    clock.heard(TRUE, 0.01)
    assert abs(clock() - TRUE) <= timedelta(seconds=1)


@pytest.mark.parametrize("ahead", [-3, 0, 3])
def test_one_that_is_right_within_seconds_is_better_than_the_header(ahead: float) -> None:
    clock = clock_ahead(ahead)
    clock.heard(TRUE, 0.01)
    assert clock() == TRUE + timedelta(seconds=ahead)


def test_a_slow_response_says_nothing() -> None:
    clock = clock_ahead(120)
    clock.heard(TRUE, 2.1)
    assert clock() == TRUE + timedelta(seconds=120)


def test_a_clock_that_was_set_right_is_believed_again() -> None:
    behind = [120.0]
    clock = ServiceClock(lambda: TRUE + timedelta(seconds=behind[0]))
    clock.heard(TRUE, 0.01)
    behind[0] = 0
    clock.heard(TRUE, 0.01)
    assert clock() == TRUE


def test_every_response_of_a_client_is_heard() -> None:
    client, clock = (
        SimpleNamespace(meta=SimpleNamespace(events=HierarchicalEmitter())),
        clock_ahead(120),
    )
    keep_time_by(client, clock)
    context: dict[str, Any] = {}
    parsed: dict[str, Any] = {"ResponseMetadata": {"HTTPHeaders": {}}}
    client.meta.events.emit("before-call.dynamodb.GetItem", context=context)
    client.meta.events.emit("after-call.dynamodb.GetItem", parsed=parsed, context=context)
    assert clock() == TRUE + timedelta(seconds=120), "no Date"
    parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = "Fri, 20 Nov 2026 08:15:00 GMT"
    client.meta.events.emit("after-call.dynamodb.GetItem", parsed=parsed, context=context)
    assert abs(clock() - TRUE) <= timedelta(seconds=1)
