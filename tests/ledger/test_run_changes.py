"""A run changes only while it is as it was read."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.ledger_items import RunItem
from contracts.run import RunStatus
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, held_as, stop_unchanged

AT, LATER = "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z"
HELD: dict[str, Any] = {"run_attempt": 2, "holder": "arn:two"}


@pytest.fixture
def run(cloud: Any) -> RunItem:
    run = RunItem(run_id="r1", status=RunStatus.RUNNING, **HELD)
    cloud.ledger.put_if_absent(run.to_item())
    return run


def test_an_unknown_run_is_not_found_and_not_made(cloud: Any) -> None:
    assert find_run(cloud.ledger, "r1") is None
    changed = change_run(cloud.ledger, "r1", RUN.status.exists(), status=RunStatus.FAILED)
    assert changed == (False, None)
    assert find_run(cloud.ledger, "r1") is None


def test_a_change_returns_the_run_as_it_is_then(cloud: Any, run: RunItem) -> None:
    done, changed = change_run(cloud.ledger, "r1", held_as(run), status=RunStatus.FAILED)
    assert done
    assert changed == find_run(cloud.ledger, "r1")
    assert changed is not None
    assert (changed.status, changed.holder) == (RunStatus.FAILED, "arn:two")


@pytest.mark.parametrize("meanwhile", [{"run_attempt": 3}, {"holder": "arn:three"}])
def test_a_run_that_changed_hands_meanwhile_stays_as_it_is(
    cloud: Any, run: RunItem, meanwhile: dict[str, Any]
) -> None:
    cloud.ledger.update("r1", "RUN", meanwhile)
    done, there = change_run(cloud.ledger, "r1", held_as(run), status=RunStatus.FAILED)
    assert not done
    assert there == find_run(cloud.ledger, "r1")
    assert there is not None
    assert there.status is RunStatus.RUNNING


@pytest.mark.parametrize(
    ("read", "now", "unchanged"),
    [
        (None, None, True),
        (None, AT, False),  # the decision came meanwhile
        (AT, AT, True),
        (AT, LATER, False),  # another one
        (AT, None, False),  # taken back
    ],
)
@pytest.mark.usefixtures("run")
def test_a_decision_to_stop_that_came_meanwhile_is_noticed(
    cloud: Any, read: str | None, now: str | None, *, unchanged: bool
) -> None:
    if now is not None:
        cloud.ledger.update("r1", "RUN", {"stop_requested_at": now})
    seen = RunItem(run_id="r1", status=RunStatus.RUNNING, stop_requested_at=read, **HELD)
    done, _ = change_run(cloud.ledger, "r1", stop_unchanged(seen), status=RunStatus.FAILED)
    assert done == unchanged


def test_that_no_decision_has_come_is_asked_by_its_absence() -> None:
    """Not by an empty value, which an absent attribute has in an emulator only."""
    unstopped = RunItem(run_id="r1", status=RunStatus.RUNNING, **HELD)
    assert stop_unchanged(unstopped) == RUN.stop_requested_at.not_exists()
