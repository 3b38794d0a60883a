from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW, Executions, arn, claimed, client_error, request
from noted_client import Noted

from contracts.base import canonical_json
from contracts.errors import Conflict, InvalidRequest, RunConflict, Throttled, TransientFailure
from contracts.messages import START_FLOW, UNIT_FLOW, Claim, ClaimOutcome, ClaimRun
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from runs import claims
from runs.claims import claim_run
from runs.executions import SETTLING
from steps.claim_run import handler


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


def test_a_new_run_is_claimed_and_its_end_frozen_to_the_millisecond(cloud: Any) -> None:
    response = claim(cloud, "one")

    assert response == Claim(
        outcome=ClaimOutcome.CLAIMED,
        run_attempt=1,
        end_date_time=NOW.replace(microsecond=123000),
        holder=arn("one"),
        status=RunStatus.CLAIMED,
        start_flow=START_FLOW,
        unit_flow=UNIT_FLOW,
    )
    run = cloud.ledger.get_item("r1", "RUN")
    assert run["request"] == request().canonical()
    assert run["dataset_name"] == "orders"
    assert run["claim_day"] == run["claimed_at"][:10] == NOW.date().isoformat()
    assert run["claimed"] == f"{run['claimed_at']}#r1"


def test_the_requests_own_end_is_stored(cloud: Any) -> None:
    response = claim(cloud, "one", request(endDateTime="2026-11-05"))

    assert response.end_date_time == datetime(2026, 11, 5, tzinfo=UTC)


def test_a_repeated_claim_keeps_attempt_and_end(cloud: Any) -> None:
    first = claim(cloud, "one")
    message = ClaimRun(request=request(), execution_arn=arn("one"))

    again = claim_run(message, cloud.ledger, NOW + timedelta(hours=1))

    assert again == first


def test_a_claim_whose_response_was_lost_is_found_again(cloud: Any, clients: Any) -> None:
    clients.break_once("dynamodb", "put_item", LOST_RESPONSE, after=True)
    with pytest.raises(TransientFailure):
        claim(cloud, "one")

    assert claim(cloud, "one").outcome is ClaimOutcome.CLAIMED


def test_a_claim_that_failed_before_the_write_is_simply_made(cloud: Any, clients: Any) -> None:
    clients.break_once("dynamodb", "put_item", LOST_RESPONSE, after=False)
    with pytest.raises(TransientFailure):
        claim(cloud, "one")

    assert claim(cloud, "two").holder == arn("two")


def test_of_two_that_claim_at_once_one_gets_the_run(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    executions.status[arn("two")] = "RUNNING"
    clients.meanwhile("dynamodb", "put_item", lambda: claim(cloud, "two"))

    assert claim(cloud, "one").outcome is ClaimOutcome.LIVE
    assert cloud.ledger.get_item("r1", "RUN")["holder"] == arn("two")


@pytest.mark.parametrize("status", ["RUNNING", "PAUSING", "PAUSED"])
def test_a_run_whose_execution_lives_is_left_alone(
    cloud: Any, executions: Executions, status: str
) -> None:
    claimed(cloud.ledger)
    executions.status[arn("one")] = status

    response = claim(cloud, "two")

    assert (response.outcome, response.holder) == (ClaimOutcome.LIVE, arn("one"))


@pytest.mark.parametrize("status", ["SUCCEEDED", "SKIPPED"])
@pytest.mark.parametrize("execution", ["one", "two"])
def test_a_run_that_has_ended_well_starts_nothing(cloud: Any, status: str, execution: str) -> None:
    claimed(cloud.ledger)
    set_run(cloud, status=status)

    response = claim(cloud, execution)

    assert (response.outcome, response.status) == (ClaimOutcome.ENDED, status)


def test_a_run_whose_execution_a_person_stopped_is_left_to_the_reaper(
    cloud: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    set_run(cloud, status="RUNNING")
    before = cloud.ledger.get_item("r1", "RUN")
    executions.status[arn("one")] = "STOPPED"

    with pytest.raises(TransientFailure, match="the reaper decides"):
        claim(cloud, "two")

    assert cloud.ledger.get_item("r1", "RUN") == before


@pytest.mark.parametrize("status", ["CLAIMED", "RUNNING", "FAILED"])
@pytest.mark.parametrize("execution", ["STOPPED", "TIMED_OUT", "FAILED", "SUCCEEDED"])
def test_a_run_that_is_to_stop_is_not_taken_over(
    cloud: Any, executions: Executions, status: str, execution: str
) -> None:
    claimed(cloud.ledger)
    set_run(cloud, status=status, stop_requested_at="2026-11-20T08:00:00Z")
    executions.status[arn("one")] = execution

    assert claim(cloud, "two").outcome is ClaimOutcome.ENDED


def test_a_decision_while_a_run_is_being_taken_over_stands(
    cloud: Any, executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed(cloud.ledger)
    set_run(cloud, status="RUNNING")
    executions.status[arn("one")] = "TIMED_OUT"
    asked = claims.execution_status

    def decide_meanwhile(execution: str) -> str:
        set_run(cloud, status="RUNNING", stop_requested_at="2026-11-20T08:00:00Z")
        return asked(execution)

    monkeypatch.setattr(claims, "execution_status", decide_meanwhile)
    with pytest.raises(Conflict):
        claim(cloud, "two")
    assert claim(cloud, "two").outcome is ClaimOutcome.ENDED


def test_a_run_that_is_to_stop_is_still_its_holders_to_end(
    cloud: Any, executions: Executions
) -> None:
    """Its execution, or the one it hands over to, records the end."""
    claimed(cloud.ledger)
    set_run(cloud, status="RUNNING", stop_requested_at="2026-11-20T08:00:00Z")
    executions.status[arn("one")] = "RUNNING"

    assert claim(cloud, "one").outcome is ClaimOutcome.CLAIMED
    assert claim(cloud, "two", by="one").outcome is ClaimOutcome.CLAIMED


def test_a_run_that_is_taken_over_waits_anew(cloud: Any, executions: Executions) -> None:
    claimed(cloud.ledger)
    moment = "2026-11-20T08:00:00Z"
    set_run(cloud, waiting_for="a marker", waiting_since=moment, waiting_until=moment)
    executions.status[arn("one")] = "FAILED"

    assert claim(cloud, "two").outcome is ClaimOutcome.TAKEN_OVER
    item = cloud.ledger.get_item("r1", "RUN")
    assert not {name for name in item if name.startswith("waiting")}


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "SUCCEEDED", None])
def test_a_run_whose_execution_is_over_is_taken_over(
    cloud: Any, executions: Executions, status: str | None
) -> None:
    claimed(cloud.ledger)
    set_run(cloud, status="RUNNING")
    if status:
        executions.status[arn("one")] = status

    response = claim(cloud, "two", at=NOW if status else NOW + SETTLING)

    assert response.outcome is ClaimOutcome.TAKEN_OVER
    assert response.run_attempt == 2
    assert response.status is RunStatus.CLAIMED
    assert response.previous_timed_out == (status == "TIMED_OUT")
    assert cloud.ledger.get_item("r1", "RUN")["holder"] == arn("two")


def test_an_execution_that_is_not_known_just_after_a_hand_over_is_not_taken_for_gone(
    cloud: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    claim(cloud, "long", by="one", at=NOW + timedelta(hours=1))
    soon = NOW + timedelta(hours=1) + SETTLING - timedelta(seconds=1)

    with pytest.raises(TransientFailure, match="not known yet"):
        claim(cloud, "two", at=soon)
    assert cloud.ledger.get_item("r1", "RUN")["holder"] == arn("long")

    executions.status[arn("long")] = "RUNNING"
    assert claim(cloud, "two", at=soon).outcome is ClaimOutcome.LIVE


def test_a_run_whose_execution_is_not_known_yet_cannot_be_retried(
    cloud: Any, executions: Executions
) -> None:
    claimed(cloud.ledger, "old", runId="old")

    with pytest.raises(InvalidRequest, match="not ended"):
        claim(cloud, "one", request(retryOf="old"))

    later = claim(cloud, "one", request(retryOf="old"), at=NOW + SETTLING)
    assert later.outcome is ClaimOutcome.CLAIMED
    assert not executions.started


def test_a_failed_run_is_taken_over_though_its_batch_goes_on(
    cloud: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    executions.status[arn("one")] = "RUNNING"
    ended = {"reason": "unit 1", "results_url": "s3://b/k", "warehouse_error": "no table"}
    set_run(cloud, status="FAILED", reaped="announced", **ended)

    response = claim(cloud, "two")

    assert (response.outcome, response.run_attempt) == (ClaimOutcome.TAKEN_OVER, 2)
    run = cloud.ledger.get_item("r1", "RUN")
    assert not {*ended, "reaped"} & set(run)


def test_a_taking_over_whose_response_was_lost_is_found_again(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    executions.status[arn("one")] = "TIMED_OUT"
    clients.break_once("dynamodb", "update_item", LOST_RESPONSE, after=True)
    with pytest.raises(TransientFailure):
        claim(cloud, "two")

    response = claim(cloud, "two")

    assert (response.run_attempt, response.holder) == (2, arn("two"))
    assert response.previous_timed_out


def test_of_two_that_take_over_one_is_reported_to_look_again(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    executions.status |= {arn("one"): "FAILED", arn("three"): "RUNNING"}
    clients.meanwhile("dynamodb", "update_item", lambda: claim(cloud, "three"))

    with pytest.raises(Conflict):
        claim(cloud, "two")
    assert claim(cloud, "two").outcome is ClaimOutcome.LIVE


def test_a_run_that_succeeds_while_it_is_looked_at_is_not_taken_over(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    executions.status[arn("one")] = "SUCCEEDED"
    clients.meanwhile("dynamodb", "update_item", lambda: set_run(cloud, status="SUCCEEDED"))

    with pytest.raises(Conflict):
        claim(cloud, "two")
    assert claim(cloud, "two").outcome is ClaimOutcome.ENDED


def test_a_run_is_handed_over_to_the_long_execution(cloud: Any) -> None:
    claimed(cloud.ledger)

    response = claim(cloud, "long", by="one")

    assert (response.outcome, response.run_attempt) == (ClaimOutcome.CLAIMED, 1)
    assert response.holder == arn("long")
    assert claim(cloud, "long", by="one") == response


def test_a_late_long_execution_leaves_a_run_that_was_taken_over(
    cloud: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    executions.status |= {arn("one"): "TIMED_OUT", arn("two"): "RUNNING"}
    claim(cloud, "two")

    assert claim(cloud, "long", by="one").outcome is ClaimOutcome.LIVE


def test_the_same_id_with_other_content_is_refused_with_every_difference(cloud: Any) -> None:
    claimed(cloud.ledger, query="amount > 1")

    with pytest.raises(RunConflict) as caught:
        claim(cloud, "two", request(startDateTime="2026-11-02", maxConcurrency=3))

    assert {problem.path for problem in caught.value.problems} == {
        "maxConcurrency",
        "query",
        "startDateTime",
    }
    text = str(caught.value)
    assert '"2026-11-01T00:00:00Z"' in text
    assert '"2026-11-02T00:00:00Z"' in text
    assert "amount > 1" in text


def test_equal_numbers_written_differently_are_the_same_request(cloud: Any) -> None:
    first = claim(cloud, "one", request(toleratedFailurePercentage=0))

    assert claim(cloud, "one", request(toleratedFailurePercentage=0.0)) == first


def test_a_default_that_an_earlier_release_wrote_out_is_no_other_content(cloud: Any) -> None:
    first = claim(cloud, "one")
    written = {**request().to_json(), "maxConcurrency": 1, "toleratedFailurePercentage": 0}
    set_run(cloud, request=canonical_json(written))

    assert claim(cloud, "one") == first


def test_a_run_of_before_priorities_is_one_of_normal_priority(cloud: Any) -> None:
    first = claim(cloud, "one")

    assert claim(cloud, "one", request(priority="normal")) == first
    with pytest.raises(RunConflict, match='priority: the run with this id has "normal"'):
        claim(cloud, "two", request(priority="high"))


@pytest.mark.parametrize(
    ("retried", "reason"),
    [
        (None, "names no run"),
        ({"dataset_name": "other", "status": "FAILED"}, "another dataset, other"),
        ({"status": "RUNNING"}, "not ended"),
    ],
)
def test_only_an_ended_run_of_the_dataset_can_be_retried(
    cloud: Any, executions: Executions, retried: dict[str, Any] | None, reason: str
) -> None:
    executions.status[arn("old")] = "RUNNING"
    if retried is not None:
        claimed(cloud.ledger, "old", runId="old")
        cloud.ledger.update("old", "RUN", retried)

    with pytest.raises(InvalidRequest, match=reason) as caught:
        claim(cloud, "one", request(retryOf="old"))

    assert [problem.path for problem in caught.value.problems] == ["retryOf"]
    assert cloud.ledger.get_item("r1", "RUN") is None


@pytest.mark.parametrize("status", ["FAILED", "RUNNING"])
def test_a_run_that_ended_or_was_stopped_can_be_retried(
    cloud: Any, executions: Executions, status: str
) -> None:
    claimed(cloud.ledger, "old", runId="old")
    executions.status[arn("old")] = "STOPPED"
    cloud.ledger.update("old", "RUN", {"status": status})

    assert claim(cloud, "one", request(retryOf="old")).outcome is ClaimOutcome.CLAIMED


def test_a_throttled_service_is_asked_again_later(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    executions.status[arn("one")] = "RUNNING"
    clients.break_once(
        "lambda",
        "get_durable_execution",
        client_error("TooManyRequestsException", 429),
        after=False,
    )

    with pytest.raises(Throttled):
        claim(cloud, "two")


@pytest.mark.usefixtures("cloud")
def test_the_handler_speaks_json(lambda_context: Any) -> None:
    event = ClaimRun(request=request(), execution_arn=arn("one")).to_json()

    response = handler(event, lambda_context)

    assert response is not None
    assert response["outcome"] == "CLAIMED"
    assert response["runAttempt"] == 1


def test_a_first_claim_takes_two_requests(cloud: Any, clients: Any) -> None:
    dynamodb = Noted(cloud.client("dynamodb"))
    clients.use("dynamodb", dynamodb)

    claimed(cloud.ledger)

    assert dynamodb.calls == ["get_item", "put_item"]


RELATIVE = {"startDateTime": "yesterday", "endDateTime": "today", "zone": "Europe/Berlin"}
YESTERDAY = datetime(2026, 11, 18, 23, tzinfo=UTC)
TODAY = datetime(2026, 11, 19, 23, tzinfo=UTC)


def test_a_relative_range_is_fixed_by_the_first_claim(cloud: Any, executions: Executions) -> None:
    first = claim(cloud, "one", request(**RELATIVE))
    assert (first.start_date_time, first.end_date_time) == (YESTERDAY, TODAY)
    run = cloud.ledger.get_item("r1", "RUN")
    assert run["request"] == request(**RELATIVE).canonical()
    assert run["as_of"] == "2026-11-20T08:15:00.123000Z"

    executions.status[arn("one")] = "FAILED"
    later = claim(cloud, "two", request(**RELATIVE), at=NOW + timedelta(days=2))
    assert later.outcome is ClaimOutcome.TAKEN_OVER
    assert (later.start_date_time, later.end_date_time) == (YESTERDAY, TODAY)


def test_a_relative_range_is_relative_to_what_was_said_or_to_the_sending(cloud: Any) -> None:
    sent_at = NOW - timedelta(days=1)
    message = ClaimRun(request=request(**RELATIVE), execution_arn=arn("one"), sent_at=sent_at)
    assert claim_run(message, cloud.ledger, NOW).end_date_time == TODAY - timedelta(days=1)

    said = request(**RELATIVE, asOf="2026-11-10T12:00:00Z", runId="r2")
    message = ClaimRun(request=said, execution_arn=arn("one"), sent_at=sent_at)
    assert claim_run(message, cloud.ledger, NOW).end_date_time == datetime(
        2026, 11, 9, 23, tzinfo=UTC
    )


def test_the_execution_that_it_is_handed_to_claims_with_the_fixed_range(cloud: Any) -> None:
    asked = request(**RELATIVE)
    first = claim(cloud, "one", asked)

    fixed = asked.with_range(first.start_date_time, first.end_date_time)

    assert claim(cloud, "long", fixed, by="one").outcome is ClaimOutcome.CLAIMED


def test_a_relative_range_that_holds_no_time_is_refused(cloud: Any) -> None:
    with pytest.raises(InvalidRequest, match="is not after 2026-11-20T00:00:00Z") as refused:
        claim(cloud, "one", request(startDateTime="today", endDateTime="yesterday"))
    assert "as of 2026-11-20T08:15:00.123000Z" in str(refused.value)
    assert cloud.ledger.get_item("r1", "RUN") is None
