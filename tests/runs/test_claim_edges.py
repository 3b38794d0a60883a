"""Claims at their edges: runs that have failed, executions that were stopped, long values."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from control_fakes import NOW, Executions, arn, claimed, request
from noted_client import Noted

from contracts.errors import Conflict, RunConflict, TransientFailure
from contracts.messages import Claim, ClaimOutcome, ClaimRun
from contracts.run_request import RunRequest
from ledger.runs import find_run
from ledger.table import Written
from runs.claims import claim_run
from runs.executions import SETTLING


@pytest.fixture
def executions(clients: Any) -> Executions:
    fake = Executions()
    clients.use("lambda", fake)
    return fake


def claim(
    cloud: Any,
    execution: str,
    sent: RunRequest | None = None,
    by: str | None = None,
    at: datetime = NOW,
) -> Claim:
    message = ClaimRun(
        request=sent or request(),
        execution_arn=arn(execution),
        handed_over_by=arn(by) if by else None,
    )
    return claim_run(message, cloud.ledger, at)


def set_run(cloud: Any, **attributes: Any) -> None:
    cloud.ledger.update("r1", "RUN", attributes)


@pytest.mark.parametrize("execution", ["RUNNING", "STOPPED", "FAILED", None])
@pytest.mark.parametrize("claimant", ["one", "two"])
def test_a_failed_run_is_taken_over_whatever_its_execution_does(
    cloud: Any, executions: Executions, execution: str | None, claimant: str
) -> None:
    """Also by the execution that held it: its message came again."""
    claimed(cloud.ledger)
    set_run(cloud, status="FAILED")
    if execution:
        executions.status[arn("one")] = execution

    response = claim(cloud, claimant)

    assert (response.outcome, response.run_attempt) == (ClaimOutcome.TAKEN_OVER, 2)
    assert response.holder == arn(claimant)


def test_a_failed_run_is_taken_over_by_the_one_that_it_was_handed_to(
    cloud: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    executions.status[arn("one")] = "RUNNING"
    set_run(cloud, status="FAILED")

    response = claim(cloud, "long", by="one")

    assert (response.outcome, response.run_attempt) == (ClaimOutcome.TAKEN_OVER, 2)


@pytest.mark.parametrize("status", ["STOPPED", "SUCCEEDED"])
@pytest.mark.parametrize("claimant", ["one", "two"])
def test_a_run_that_ended_for_good_stays_so_though_it_was_to_stop(
    cloud: Any, status: str, claimant: str
) -> None:
    claimed(cloud.ledger)
    set_run(cloud, status=status, stop_requested_at="2026-11-20T08:00:00Z")
    assert claim(cloud, claimant).outcome is ClaimOutcome.ENDED


def test_each_attempt_names_the_stack_in_its_execution(cloud: Any, executions: Executions) -> None:
    claimed(cloud.ledger)
    first = find_run(cloud.ledger, "r1")
    assert first is not None
    assert (first.run_attempt, first.stack_named_attempt) == (1, 1)

    executions.status[arn("one")] = "TIMED_OUT"
    later = NOW + timedelta(hours=1)
    claim(cloud, "two", at=later)

    second = find_run(cloud.ledger, "r1")
    assert second is not None
    assert (second.run_attempt, second.stack_named_attempt) == (2, 2)
    assert (second.previous_holder, second.previous_timed_out) == (arn("one"), True)
    assert (second.active, second.claimed_at) == (first.active, first.claimed_at)
    assert second.updated_at == second.submitted_at != first.submitted_at


def test_a_settling_time_counts_from_the_last_change_of_the_holder(
    cloud: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    with pytest.raises(TransientFailure, match="not known yet"):
        claim(cloud, "two", at=NOW + SETTLING - timedelta(microseconds=1))
    assert claim(cloud, "two", at=NOW + SETTLING).outcome is ClaimOutcome.TAKEN_OVER
    assert executions.started == {}


@pytest.mark.parametrize(("length", "cut"), [(198, False), (199, True)])
def test_a_long_value_is_shown_by_its_first_200_characters(
    cloud: Any, length: int, *, cut: bool
) -> None:
    """With its two quotes."""
    query = "x" * length
    claimed(cloud.ledger, query=query)

    with pytest.raises(RunConflict) as caught:
        claim(cloud, "two", request(query="y"))

    (problem,) = caught.value.problems
    shown = f'"{query}…;' if cut else f'"{query}";'
    assert shown in problem.message
    assert "take another runId" in problem.message


def test_what_is_not_said_is_shown_as_nothing(cloud: Any) -> None:
    claimed(cloud.ledger)
    with pytest.raises(RunConflict) as caught:
        claim(cloud, "two", request(query="amount > 1"))
    (problem,) = caught.value.problems
    assert problem.message.startswith("the run with this id has nothing;")
    assert '"amount > 1"' in str(caught.value)


def test_a_repeated_claim_only_reads_and_looks_at_the_retried_run_no_more(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    """The retried run may have been taken over since."""
    claimed(cloud.ledger, "old", runId="old")
    cloud.ledger.update("old", "RUN", {"status": "FAILED"})
    first = claim(cloud, "one", request(retryOf="old"))
    executions.status[arn("old")] = "RUNNING"
    cloud.ledger.update("old", "RUN", {"status": "RUNNING"})
    dynamodb = Noted(cloud.client("dynamodb"))
    clients.use("dynamodb", dynamodb)

    assert claim(cloud, "one", request(retryOf="old")) == first
    assert dynamodb.calls == ["get_item"]


class Vanishing:
    """A ledger whose run is gone each time that one looks, though the write is refused."""

    def get_item(self, _run_id: str, _item: str) -> None:
        return None

    def put_if_absent(self, _item: dict[str, Any]) -> Written:
        return Written(False, None)


def test_a_run_that_was_removed_meanwhile_is_claimed_by_another_call() -> None:
    message = ClaimRun(request=request(), execution_arn=arn("one"))
    ledger: Any = Vanishing()
    with pytest.raises(Conflict, match="run r1 was removed while it was being claimed"):
        claim_run(message, ledger, NOW)
