"""A run that retries another takes its place, in one transaction with its claim."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from aws_cloud import LEDGER_TABLE
from control_fakes import LOST_RESPONSE, NOW, Executions, arn, claimed, client_error, request

from contracts.errors import Conflict, InvalidRequest, RunConflict, TransientFailure
from contracts.messages import Claim, ClaimOutcome, ClaimRun, RecordRun, StopOutcome, StopRun
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from ledger.stop_decision import record_decision
from runs.claims import claim_run
from runs.executions import SETTLING
from runs.recording import Recording, record_run

OLD = request(runId="old")
RETRY = request(retryOf="old")


@pytest.fixture
def executions(clients: Any) -> Executions:
    fake = Executions()
    clients.use("lambda", fake)
    return fake


@pytest.fixture(autouse=True)
def old(cloud: Any, executions: Executions) -> None:
    """A run that has failed, and whose message would start it again."""
    claimed(cloud.ledger, "old", runId="old")
    executions.status[arn("old")] = "SUCCEEDED"
    set_old(cloud, status="FAILED")


def set_old(cloud: Any, **attributes: Any) -> None:
    cloud.ledger.update("old", "RUN", attributes)


def claim(cloud: Any, execution: str, sent: RunRequest = RETRY, by: str | None = None) -> Claim:
    handed_over_by = arn(by) if by else None
    message = ClaimRun(request=sent, execution_arn=arn(execution), handed_over_by=handed_over_by)
    return claim_run(message, cloud.ledger, NOW)


def item(cloud: Any, run_id: str = "old") -> dict[str, Any]:
    found: dict[str, Any] = cloud.ledger.get_item(run_id, "RUN")
    return found


def record(cloud: Any, *, refused: bool, run_attempt: int = 1, execution: str = "one") -> None:
    message = RecordRun(
        request=RETRY,
        run_attempt=run_attempt,
        execution_arn=arn(execution),
        status=RunStatus.FAILED,
        reason="datasets/orders.yaml: columns[2].type: is not a type",
        refused=refused,
    )
    record_run(message, Recording(data_bucket=cloud.data_bucket), cloud.ledger, NOW)


@pytest.mark.parametrize("status", ["FAILED", "STOPPED", "SUCCEEDED", "SKIPPED", "RUNNING"])
def test_the_claim_of_a_retry_supersedes_the_run_and_leaves_its_status(
    cloud: Any, status: str
) -> None:
    """RUNNING: its execution has ended without an outcome."""
    set_old(cloud, status=status)

    response = claim(cloud, "one")

    assert (response.outcome, response.run_attempt) == (ClaimOutcome.CLAIMED, 1)
    assert item(cloud, "r1")["request"] == RETRY.canonical()
    old = item(cloud)
    assert (old["status"], old["superseded_by"]) == (status, "r1")
    assert old["superseded_at"] == "2026-11-20T08:15:00.123456Z"


@pytest.mark.parametrize("status", ["FAILED", "STOPPED", "RUNNING", "CLAIMED"])
@pytest.mark.parametrize("by", [None, "old"])
def test_the_message_of_a_superseded_run_starts_nothing(
    cloud: Any, status: str, by: str | None
) -> None:
    set_old(cloud, status=status)
    claim(cloud, "one")
    before = item(cloud)

    response = claim(cloud, "two", OLD, by=by)

    assert (response.outcome, response.superseded_by) == (ClaimOutcome.ENDED, "r1")
    assert item(cloud) == before


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"dataset_name": "other"}, RETRY),
        ({"status": "RUNNING"}, RETRY),
        ({"superseded_by": "another"}, RETRY),
        ({"status": "FAILED"}, request(retryOf="nobody")),
    ],
)
def test_a_refused_retry_leaves_the_run_as_it_was(
    cloud: Any, executions: Executions, change: dict[str, Any], sent: RunRequest
) -> None:
    executions.status[arn("old")] = "RUNNING"
    set_old(cloud, **change)
    before = item(cloud)

    with pytest.raises(InvalidRequest):
        claim(cloud, "one", sent)

    assert item(cloud) == before
    assert cloud.ledger.get_item("r1", "RUN") is None


def test_who_retries_a_superseded_run_is_named_the_one_to_retry(cloud: Any) -> None:
    claim(cloud, "one")

    with pytest.raises(InvalidRequest, match="run r1 has superseded; to retry that one, name r1"):
        claim(cloud, "two", request(runId="r2", retryOf="old"))


def test_a_message_that_names_the_id_of_another_run_supersedes_nothing(cloud: Any) -> None:
    claimed(cloud.ledger, "one")
    before = item(cloud)

    with pytest.raises(RunConflict, match="retryOf"):
        claim(cloud, "two")

    assert item(cloud) == before


def test_of_two_retries_at_once_one_supersedes_the_run(cloud: Any, clients: Any) -> None:
    other = request(runId="r2", retryOf="old")
    clients.meanwhile("dynamodb", "transact_write_items", lambda: claim(cloud, "two", other))

    with pytest.raises(Conflict):
        claim(cloud, "one")

    assert item(cloud)["superseded_by"] == "r2"
    assert cloud.ledger.get_item("r1", "RUN") is None
    with pytest.raises(InvalidRequest, match="r2 has superseded"):
        claim(cloud, "one")


def test_of_two_deliveries_of_a_retry_one_is_the_holder(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    executions.status[arn("two")] = "RUNNING"
    clients.meanwhile("dynamodb", "transact_write_items", lambda: claim(cloud, "two"))

    assert claim(cloud, "one").outcome is ClaimOutcome.LIVE
    assert item(cloud)["superseded_by"] == "r1"


def test_a_run_that_its_message_starts_just_now_is_not_superseded(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    executions.status[arn("again")] = "RUNNING"
    clients.meanwhile("dynamodb", "transact_write_items", lambda: claim(cloud, "again", OLD))

    with pytest.raises(Conflict):
        claim(cloud, "one")

    assert "superseded_by" not in item(cloud)
    with pytest.raises(InvalidRequest, match="has not ended"):
        claim(cloud, "one")


def test_a_run_that_is_superseded_just_now_is_not_started(cloud: Any, clients: Any) -> None:
    clients.meanwhile("dynamodb", "update_item", lambda: claim(cloud, "one"))

    with pytest.raises(Conflict):
        claim(cloud, "again", OLD)

    assert claim(cloud, "again", OLD).outcome is ClaimOutcome.ENDED
    assert item(cloud)["run_attempt"] == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_claim_that_was_broken_off_is_made_by_the_next_call(
    cloud: Any, clients: Any, after: bool
) -> None:
    clients.break_once("dynamodb", "transact_write_items", LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        claim(cloud, "one")
    both = ("superseded_by" in item(cloud), cloud.ledger.get_item("r1", "RUN") is not None)
    assert both == (after, after)

    assert claim(cloud, "one").outcome is ClaimOutcome.CLAIMED
    assert item(cloud)["superseded_by"] == "r1"


@pytest.mark.parametrize(
    ("code", "error"), [("TransactionConflict", Conflict), ("ValidationError", Exception)]
)
def test_a_transaction_that_was_cancelled_for_another_reason_is_an_error(
    cloud: Any, clients: Any, code: str, error: type[Exception]
) -> None:
    cancelled = client_error("TransactionCanceledException")
    cancelled.response["CancellationReasons"] = [{"Code": "None"}, {"Code": code}]
    clients.break_once("dynamodb", "transact_write_items", cancelled, after=False)

    with pytest.raises(error, match="TransactionCanceledException"):
        claim(cloud, "one")

    assert "superseded_by" not in item(cloud)


class TestARetryThatIsRefusedLater:
    """Its contract turned out to be broken: then its message goes to the dead-letter queue."""

    def test_the_run_is_as_it_was(self, cloud: Any) -> None:
        before = item(cloud)
        claim(cloud, "one")

        record(cloud, refused=True)
        record(cloud, refused=True)

        assert item(cloud) == before
        assert item(cloud, "r1")["status"] == "FAILED"

    def test_its_message_starts_it_again(self, cloud: Any) -> None:
        claim(cloud, "one")
        record(cloud, refused=True)

        assert claim(cloud, "two", OLD).outcome is ClaimOutcome.TAKEN_OVER

    def test_a_retry_that_failed_for_another_reason_still_supersedes_it(self, cloud: Any) -> None:
        claim(cloud, "one")

        record(cloud, refused=False)

        assert item(cloud)["superseded_by"] == "r1"

    def test_another_runs_mark_stays(self, cloud: Any) -> None:
        claim(cloud, "one")
        set_old(cloud, superseded_by="r2")

        record(cloud, refused=True)

        assert item(cloud)["superseded_by"] == "r2"

    def test_replayed_the_retry_supersedes_it_again(self, cloud: Any) -> None:
        claim(cloud, "one")
        record(cloud, refused=True)

        response = claim(cloud, "two")

        assert (response.outcome, response.run_attempt) == (ClaimOutcome.TAKEN_OVER, 2)
        assert response.holder == arn("two")
        assert item(cloud)["superseded_by"] == "r1"

    def test_replayed_it_is_refused_while_the_run_is_running(
        self, cloud: Any, executions: Executions
    ) -> None:
        claim(cloud, "one")
        record(cloud, refused=True)
        executions.status[arn("two")] = "RUNNING"
        claim(cloud, "two", OLD)
        retry = item(cloud, "r1")

        with pytest.raises(InvalidRequest, match="has not ended"):
            claim(cloud, "three")

        assert item(cloud, "r1") == retry

    def test_of_two_replays_one_takes_it_over(
        self, cloud: Any, clients: Any, executions: Executions
    ) -> None:
        claim(cloud, "one")
        record(cloud, refused=True)
        executions.status[arn("two")] = "RUNNING"
        clients.meanwhile("dynamodb", "transact_write_items", lambda: claim(cloud, "two"))

        with pytest.raises(Conflict):
            claim(cloud, "three")

        assert claim(cloud, "three").outcome is ClaimOutcome.LIVE
        assert item(cloud, "r1")["run_attempt"] == 2


def test_a_retry_whose_execution_broke_is_taken_over_and_still_supersedes(
    cloud: Any, executions: Executions
) -> None:
    claim(cloud, "one")
    executions.status[arn("one")] = "TIMED_OUT"

    assert claim(cloud, "two").outcome is ClaimOutcome.TAKEN_OVER
    assert item(cloud)["superseded_by"] == "r1"


def test_a_retry_that_an_earlier_release_claimed_supersedes_when_it_is_taken_over(
    cloud: Any, executions: Executions
) -> None:
    claim(cloud, "one")
    cloud.ledger.update("old", "RUN", {}, ("superseded_by", "superseded_at"))
    executions.status[arn("one")] = "FAILED"

    assert claim(cloud, "two").run_attempt == 2
    assert item(cloud)["superseded_by"] == "r1"


def test_a_retry_that_was_removed_from_the_ledger_is_claimed_anew(cloud: Any) -> None:
    """The run that it retries still says which run superseded it."""
    claim(cloud, "one")
    cloud.client("dynamodb").delete_item(
        TableName=LEDGER_TABLE, Key={"run_id": {"S": "r1"}, "item": {"S": "RUN"}}
    )
    before = item(cloud)

    assert claim(cloud, "two").outcome is ClaimOutcome.CLAIMED
    assert item(cloud, "r1")["holder"] == arn("two")
    assert item(cloud) == before


def test_an_execution_that_is_not_known_yet_keeps_its_run_from_being_superseded(
    cloud: Any, executions: Executions
) -> None:
    set_old(cloud, status="RUNNING")
    del executions.status[arn("old")]

    with pytest.raises(InvalidRequest, match="has not ended"):
        claim(cloud, "one")

    message = ClaimRun(request=RETRY, execution_arn=arn("one"))
    later = claim_run(message, cloud.ledger, NOW + SETTLING + timedelta(seconds=1))
    assert later.outcome is ClaimOutcome.CLAIMED


def test_there_is_nothing_to_stop_about_a_superseded_run(cloud: Any) -> None:
    claim(cloud, "one")
    before = item(cloud)

    outcome, run = record_decision(StopRun(run_id="old"), cloud.ledger, NOW)

    assert outcome is StopOutcome.ENDED
    assert run is not None
    assert run.superseded_by == "r1"
    assert item(cloud) == before


def test_an_earlier_release_can_read_a_superseded_run(cloud: Any) -> None:
    """It knows these values of a status only, and no other attribute matters to it."""
    claim(cloud, "one")

    assert item(cloud)["status"] in ("CLAIMED", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED")
    assert json.loads(item(cloud)["request"]) == OLD.to_json()
