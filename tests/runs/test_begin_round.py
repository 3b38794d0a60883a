"""A run's next attempt in the execution that holds it."""

from __future__ import annotations

from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW, arn, claimed

from contracts.errors import OwnershipLost, TransientFailure
from contracts.messages import BeginRound, Round
from runs.long.rounds import begin_round
from steps.record_unit import handler

HOLDER = arn("one")


def message(**fields: Any) -> BeginRound:
    values: dict[str, Any] = {"run_attempt": 1, "execution_arn": HOLDER, "wait_seconds": 60}
    return BeginRound(run_id="r1", units=3, **{**values, **fields})


@pytest.fixture
def run(cloud: Any) -> Any:
    claimed(cloud.ledger)
    return cloud


def item(cloud: Any) -> dict[str, Any]:
    found: dict[str, Any] = cloud.ledger.get_item("r1", "RUN")
    return found


def test_the_run_waits_as_its_next_attempt(run: Any) -> None:
    begun = begin_round(message(), run.ledger, NOW)

    assert begun.run_attempt == 2
    assert begun.until is not None
    assert (begun.until - NOW).total_seconds() == 60
    assert (item(run)["run_attempt"], item(run)["holder"]) == (2, HOLDER)
    assert item(run)["waits_until"] == "2026-11-20T08:16:00.123456Z"
    assert item(run)["waiting_units"] == 3


@pytest.mark.parametrize("after", [False, True])
def test_a_step_that_broke_off_makes_one_attempt(
    run: Any, clients: Any, lambda_context: Any, after: bool
) -> None:
    clients.break_once("dynamodb", "update_item", LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        handler(message().to_json(), lambda_context)

    responses = [handler(message().to_json(), lambda_context) for _ in range(2)]

    assert [response["runAttempt"] for response in responses] == [2, 2]
    assert item(run)["run_attempt"] == 2


def test_a_run_that_is_to_stop_has_no_further_attempt(run: Any) -> None:
    run.ledger.update("r1", "RUN", {"stop_requested_at": "2026-11-20T08:00:00Z"})
    assert begin_round(message(), run.ledger, NOW) == Round()
    assert item(run)["run_attempt"] == 1


@pytest.mark.parametrize("changed", [{"holder": arn("two"), "run_attempt": 2}, {"run_attempt": 3}])
def test_an_execution_that_lost_the_run_makes_none(run: Any, changed: dict[str, Any]) -> None:
    run.ledger.update("r1", "RUN", changed)
    with pytest.raises(OwnershipLost):
        begin_round(message(), run.ledger, NOW)
    assert "waits_until" not in item(run)
