"""`pipeline doctor` on backfills: those that nothing works on, and those that FAILED lately."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cli_world import EXECUTION_ARN, History, World

from cli.health.backfill_checks import backfills
from cli.health.diagnosis import Diagnosis, Health
from contracts.ledger_items import BackfillItem
from contracts.run_request import format_timestamp
from ledger.encoding import to_wire


def look(world: World, **more: Any) -> Diagnosis:
    known: dict[str, Any] = {
        "backfill_id": "november",
        "status": "RUNNING",
        "request": "{}",
        "states": "s..",
        "dataset_name": "orders",
        "execution_arn": EXECUTION_ARN,
    }
    item = BackfillItem(**{**known, **more}).to_item()
    world.deployment.client("dynamodb").put_item(TableName="ledger", Item=to_wire(item))
    (found,) = backfills(world.deployment)
    return found


def history(world: World, event: str, minutes: int) -> None:
    events = History()
    events.add(event, "execution", details={})
    events.events[0]["EventTimestamp"] = datetime.now(UTC) - timedelta(minutes=minutes)
    world.functions.histories[EXECUTION_ARN] = events


def test_there_are_none(world: World) -> None:
    (found,) = backfills(world.deployment)
    assert (found.health, found.found) == (Health.OK, "0 running")


@pytest.mark.parametrize(
    ("event", "minutes", "health"),
    [
        ("ChainedInvokeStarted", 600, Health.OK),
        ("ExecutionFailed", 5, Health.OK),  # the reaper has it go on
        ("ExecutionFailed", 30, Health.PROBLEM),
        ("ExecutionTimedOut", 30, Health.PROBLEM),
    ],
)
def test_one_whose_execution_has_ended(
    world: World, event: str, minutes: int, health: Health
) -> None:
    history(world, event, minutes)
    found = look(world)
    assert found.health is health
    assert (found.advice == "pipeline backfill resume november") == (health is Health.PROBLEM)


def test_one_whose_execution_is_gone(world: World) -> None:
    assert look(world).found == "RUNNING, but its execution is not there any more"


@pytest.mark.parametrize(("hours", "health"), [(1, Health.ATTENTION), (48, Health.OK)])
def test_one_that_failed(world: World, hours: int, health: Health) -> None:
    ended = format_timestamp(datetime.now(UTC) - timedelta(hours=hours))
    found = look(world, status="FAILED", ended_at=ended, reason="1 of 3 windows failed")
    assert found.health is health
    assert ("1 of 3 windows failed" in found.found) == (health is Health.ATTENTION)
