"""Records of runs that have ended leave the ledger in time, and never those of any other run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_cloud import Intercepted
from control_fakes import DATASET, NOW, Executions, arn, claimed, freeze_dataset, request
from job_fakes import Fate, Killed
from manifests import put_manifest

from contracts import layout
from contracts.errors import InvalidRequest, RunConflict
from contracts.ledger_items import RETENTION, UNANNOUNCED, DueItem, RunItem
from contracts.ledger_items.retention import MARGIN, MESSAGES
from contracts.manifest import ManifestEntry
from contracts.messages import (
    ClaimOutcome,
    ClaimRun,
    ListUrls,
    RecordRun,
    ResumeOutcome,
    StopOutcome,
    StopRun,
)
from contracts.run import RunStatus, UnitTotals
from contracts.run_request import RunRequest
from ledger import retention
from ledger.retention import LATER, Retention, RetentionIncomplete
from ledger.stop_decision import record_decision, take_back_decision
from runs.claims import claim_run
from runs.recording import Recording, record_run
from sources.requested import find_entries
from steps import reaper

DAYS = 30
DUE = NOW + timedelta(days=DAYS)
FILES_DAYS = 90
FORGOTTEN = DUE + timedelta(days=FILES_DAYS) + MARGIN
RECORDS = ("JOB#00000-000#clean#0001", "LOSSES#00001#00000", "UNIT#00000-000", "UNIT#00000-001")
COUNTED = ("get_item", "put_item", "put_object", "query", "update_item")


@pytest.fixture(autouse=True)
def executions(clients: Any) -> Executions:
    """The execution of every run here has ended."""
    fake = Executions()
    for name in ("one", "two", "three"):
        fake.status[arn(name)] = "SUCCEEDED"
    clients.use("lambda", fake)
    return fake


def end(
    cloud: Any,
    sent: RunRequest | None = None,
    *,
    days: float = DAYS,
    at: datetime = NOW,
    execution: str = "one",
    **fields: Any,
) -> None:
    message = RecordRun(
        request=sent or request(),
        execution_arn=arn(execution),
        **{"run_attempt": 1, "status": RunStatus.FAILED, "reason": "it failed", **fields},
    )
    settings = Recording(data_bucket=cloud.data_bucket, ledger_retention_days=str(days))
    record_run(message, settings, cloud.ledger, at)


def ended(cloud: Any, **fields: Any) -> None:
    """A run with records of all kinds that has ended."""
    claimed(cloud.ledger)
    for record in RECORDS:
        cloud.ledger.update("r1", record, {"status": "STORED"})
    end(cloud, **fields)


def expire(
    cloud: Any,
    at: datetime = DUE,
    *,
    days: int = DAYS,
    files_days: int = FILES_DAYS,
    may_go_on: Callable[[], bool] = lambda: True,
) -> int:
    return Retention(cloud.ledger, days, files_days, lambda: at, may_go_on).expire_due()


def records(cloud: Any, run_id: str = "r1") -> dict[str, Any]:
    """`expires_at` of a run's records, by sort key."""
    return {item["item"]: item.get("expires_at") for item in cloud.ledger.all_of(run_id)}


def expected(of_records: datetime = DUE, of_run: datetime = FORGOTTEN) -> dict[str, int]:
    """What `records` returns once all of them have expired."""
    of_all = dict.fromkeys(RECORDS, int(of_records.timestamp()))
    return of_all | {"RUN": int(of_run.timestamp())}


def run_item(cloud: Any, run_id: str = "r1") -> dict[str, Any]:
    found: dict[str, Any] = cloud.ledger.get_item(*RunItem.key_of(run_id))
    return found


def due_notes(cloud: Any) -> list[str]:
    """Those that something is left to do for."""
    return [item["item"] for item in cloud.ledger.all_of(RETENTION) if "expires_at" not in item]


def test_all_records_of_a_run_that_is_due_get_the_time_at_which_they_go(cloud: Any) -> None:
    ended(cloud)
    assert set(records(cloud).values()) == {None}

    assert expire(cloud) == 1

    assert records(cloud) == expected()
    assert run_item(cloud)["expired_at"] == "2026-12-20T08:15:00.123456Z"
    assert due_notes(cloud) == []
    assert expire(cloud) == 0


def test_a_run_that_is_not_due_stays(cloud: Any) -> None:
    ended(cloud)

    assert expire(cloud, DUE - timedelta(seconds=1)) == 0

    assert set(records(cloud).values()) == {None}
    assert due_notes(cloud) == ["2026-12-20T08:15:00.123456Z#r1"]


def test_without_the_parameter_nothing_is_noted_and_nothing_expires(cloud: Any) -> None:
    ended(cloud, days=0)
    assert due_notes(cloud) == []
    assert cloud.keys("runs/r1/results") == []

    ended_before = NOW + timedelta(days=3650)
    assert expire(cloud, ended_before, days=0) == 0
    assert expire(cloud, ended_before, days=1) == 0  # an end that was not noted


def test_a_note_of_another_parameter_expires_nothing_once_that_is_taken_back(cloud: Any) -> None:
    ended(cloud)
    assert expire(cloud, days=0) == 0
    assert set(records(cloud).values()) == {None}


def test_a_run_without_units_has_a_results_document_too_before_it_is_noted(cloud: Any) -> None:
    ended(cloud)
    assert cloud.read_json(layout.results_key("r1"))["status"] == "FAILED"
    assert run_item(cloud)["results_url"] == f"s3://{cloud.data_bucket}/runs/r1/results.json"


def test_a_run_ends_whatever_number_the_parameter_is(cloud: Any) -> None:
    claimed(cloud.ledger)
    end(cloud, days=7.5)
    assert run_item(cloud)["status"] == "FAILED"
    assert due_notes(cloud) == ["2026-11-28T08:15:00.123456Z#r1"]


def test_no_document_no_note(cloud: Any, clients: Any) -> None:
    clients.break_once("s3", "put_object", Killed(), after=False)  # type: ignore[arg-type]
    with pytest.raises(Killed):
        ended(cloud)
    assert due_notes(cloud) == []


def test_a_longer_retention_holds_for_runs_that_have_ended(cloud: Any) -> None:
    ended(cloud)

    assert expire(cloud, days=60) == 0

    assert set(records(cloud).values()) == {None}
    assert due_notes(cloud) == ["2027-01-19T08:15:00.123456Z#r1"]
    assert expire(cloud, NOW + timedelta(days=60), days=60) == 1


def test_its_id_is_taken_for_as_long_as_messages_and_files_of_it_may_be_there(cloud: Any) -> None:
    ended(cloud)
    expire(cloud, files_days=3)
    assert records(cloud) == expected(of_run=DUE + MESSAGES + MARGIN)


def test_two_notes_of_one_run_expire_it_once(cloud: Any) -> None:
    ended(cloud)
    claim_run(ClaimRun(request=request(), execution_arn=arn("two")), cloud.ledger, NOW)
    end(cloud, at=NOW + timedelta(hours=1), execution="two", run_attempt=2)
    assert len(due_notes(cloud)) == 2
    late = DUE + timedelta(days=3)

    assert expire(cloud, late) == 1

    assert records(cloud) == expected(late, late + (FORGOTTEN - DUE))
    assert due_notes(cloud) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"run_id": RETENTION, "item": "2026-11-01T00:00:00.000000Z#r0", "expires_at": "soon"},
        {"run_id": RETENTION, "item": "1#r0"},
        {"run_id": "r0", "item": "RUN", "status": "UNHEARD-OF"},
    ],
)
def test_one_that_cannot_be_expired_holds_up_no_other(cloud: Any, broken: dict[str, Any]) -> None:
    cloud.ledger.put_if_absent(broken)
    cloud.ledger.put_if_absent(DueItem.at(NOW, "r0").to_item())
    ended(cloud)

    with pytest.raises(RetentionIncomplete, match=r"1 left: #retention/\S+#r0: "):
        expire(cloud)

    assert records(cloud) == expected()


class TestNeverARunThatIsNotOver:
    def test_one_that_is_running_again_loses_its_expiry(self, cloud: Any) -> None:
        ended(cloud)
        claim = claim_run(ClaimRun(request=request(), execution_arn=arn("two")), cloud.ledger, NOW)
        assert claim.outcome is ClaimOutcome.TAKEN_OVER

        assert expire(cloud) == 0
        assert set(records(cloud).values()) == {None}
        assert due_notes(cloud) == []  # its next end is noted anew

        later = NOW + timedelta(days=1)
        end(cloud, at=later, execution="two", run_attempt=2)
        assert expire(cloud) == 0
        assert expire(cloud, later + timedelta(days=DAYS)) == 1

    def test_one_that_ran_again_is_due_by_its_last_end(self, cloud: Any) -> None:
        ended(cloud)
        claim_run(ClaimRun(request=request(), execution_arn=arn("two")), cloud.ledger, NOW)
        later = NOW + timedelta(days=1)
        end(cloud, at=later, execution="two", run_attempt=2)
        assert len(due_notes(cloud)) == 2

        assert expire(cloud) == 0

        assert set(records(cloud).values()) == {None}
        assert expire(cloud, later + timedelta(days=DAYS)) == 1

    def test_one_that_is_resumed_loses_it(self, cloud: Any) -> None:
        claimed(cloud.ledger)
        end(cloud, status=RunStatus.STOPPED)
        assert take_back_decision("r1", cloud.ledger, DUE)[0] is ResumeOutcome.RESUMED

        assert expire(cloud) == 0

        assert set(records(cloud).values()) == {None}
        (note,) = due_notes(cloud)
        assert note.startswith((DUE + LATER).isoformat()[:19])

    def test_one_whose_end_is_still_to_be_announced_waits(self, cloud: Any) -> None:
        ended(cloud)
        cloud.ledger.update("r1", "RUN", RunItem.changes(reaped=UNANNOUNCED).values)
        assert expire(cloud) == 0
        assert set(records(cloud).values()) == {None}

    def test_one_that_is_being_retried_waits_for_the_retry(self, cloud: Any) -> None:
        ended(cloud)
        retry = request(runId="r2", retryOf="r1")
        claim_run(ClaimRun(request=retry, execution_arn=arn("two")), cloud.ledger, NOW)

        assert expire(cloud) == 0
        assert set(records(cloud).values()) == {None}

        end(cloud, retry, execution="two")
        assert expire(cloud, DUE + LATER + timedelta(hours=1)) == 2
        assert set(records(cloud).values()) != {None}

    @pytest.mark.parametrize("change", [{"holder": arn("two")}, {"superseded_by": "r2"}])
    def test_one_that_changes_just_then_is_left_alone(
        self, cloud: Any, clients: Any, change: dict[str, Any]
    ) -> None:
        ended(cloud)

        def first(_: dict[str, Any]) -> None:
            if changes:
                cloud.ledger.update("r1", "RUN", changes.pop())

        changes = [change]
        clients.use("dynamodb", Intercepted(cloud.client("dynamodb"), "update_item", first, None))
        assert expire(cloud) == 0
        assert set(records(cloud).values()) == {None}


class TestOnceExpired:
    """As long as records are there, they are not used, as if they were gone."""

    @pytest.fixture(autouse=True)
    def expired(self, cloud: Any) -> None:
        ended(cloud)
        expire(cloud)

    def test_its_message_starts_nothing(self, cloud: Any) -> None:
        message = ClaimRun(request=request(), execution_arn=arn("two"))
        assert claim_run(message, cloud.ledger, DUE).outcome is ClaimOutcome.ENDED
        assert run_item(cloud)["holder"] == arn("one")

    def test_only_what_recognizes_its_message_stays(self, cloud: Any) -> None:
        item = run_item(cloud)
        assert item.keys() - RunItem.OF_A_TOMBSTONE == {"run_id", "item", "expires_at"}
        held = RunItem.from_item(item)
        assert held.requested == request()
        assert held.results_url == f"s3://{cloud.data_bucket}/runs/r1/results.json"
        assert not {"reason", "outcome", "findings", "next_steps", "rows"} & item.keys()
        assert held.units == UnitTotals()  # by which an expected day is found to be stored

    def test_its_message_meets_no_leftovers_whatever_goes_first(self, cloud: Any) -> None:
        """DynamoDB removes what has expired in any order."""
        later = FORGOTTEN - timedelta(seconds=1)
        for gone in (("RUN",), RECORDS[2:], RECORDS[:2]):
            self.removed_by_ttl(cloud, later, only=gone)
            message = ClaimRun(request=request(), execution_arn=arn("two"))
            assert claim_run(message, cloud.ledger, later).outcome is ClaimOutcome.ENDED
        assert records(cloud).keys() == {"RUN"}

        self.removed_by_ttl(cloud, FORGOTTEN)
        assert records(cloud) == {}
        claim = claim_run(message, cloud.ledger, FORGOTTEN)
        assert (claim.outcome, claim.run_attempt) == (ClaimOutcome.CLAIMED, 1)

    def test_another_message_under_its_id_is_refused(self, cloud: Any) -> None:
        other = request(query="amount > 1")
        with pytest.raises(RunConflict, match="take another runId"):
            claim_run(ClaimRun(request=other, execution_arn=arn("two")), cloud.ledger, DUE)

    def test_it_cannot_be_retried(self, cloud: Any) -> None:
        retry = ClaimRun(request=request(runId="r2", retryOf="r1"), execution_arn=arn("two"))
        with pytest.raises(InvalidRequest, match="has expired from the ledger"):
            claim_run(retry, cloud.ledger, DUE)
        self.removed_by_ttl(cloud, FORGOTTEN)
        with pytest.raises(InvalidRequest, match="one that has expired"):
            claim_run(retry, cloud.ledger, DUE)

    def test_it_can_be_neither_stopped_nor_resumed(self, cloud: Any) -> None:
        stop = StopRun(run_id="r1")
        assert record_decision(stop, cloud.ledger, DUE)[0] is StopOutcome.UNKNOWN
        assert take_back_decision("r1", cloud.ledger, DUE)[0] is ResumeOutcome.UNKNOWN

    def test_a_retry_that_lists_only_now_does_not_process_everything_again(
        self, cloud: Any
    ) -> None:
        snapshot = freeze_dataset(cloud.data_bucket, "r2", DATASET)
        entry = ManifestEntry(
            bucket=cloud.data_bucket,
            key="landing/orders/a.csv",
            size=1,
            etag="e",
            last_modified=NOW,
        )
        put_manifest(cloud.put, "r1", (entry,))
        message = ListUrls(
            request=request(runId="r2", retryOf="r1"),
            run_attempt=2,
            execution_arn=arn("two"),
            end_date_time=NOW,
            units_per_shard=300,
        )
        with pytest.raises(InvalidRequest, match="has expired from the ledger"):
            find_entries(message, snapshot, cloud.data_bucket, cloud.ledger)

    def test_a_later_attempt_of_its_retry_is_taken_over(self, cloud: Any) -> None:
        retry = request(runId="r2", retryOf="r1")
        run = RunItem(
            run_id="r2",
            status=RunStatus.FAILED,
            holder=arn("two"),
            request=retry.canonical(),
            dataset_name="orders",
            end_date_time="2026-11-20T08:00:00Z",
        )
        cloud.ledger.put_if_absent(run.to_item())
        again = ClaimRun(request=retry, execution_arn=arn("three"))
        assert claim_run(again, cloud.ledger, DUE).outcome is ClaimOutcome.TAKEN_OVER

    @staticmethod
    def removed_by_ttl(cloud: Any, at: datetime, only: Sequence[str] = (*RECORDS, "RUN")) -> None:
        """What DynamoDB does to what has expired by then."""
        for sort_key, expires_at in records(cloud).items():
            if sort_key in only and expires_at is not None and expires_at <= at.timestamp():
                key = {"run_id": {"S": "r1"}, "item": {"S": sort_key}}
                cloud.client("dynamodb").delete_item(TableName="ledger", Key=key)


class TestBrokenOff:
    def test_it_goes_on_where_the_time_was_up(
        self, cloud: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "AT_ONCE", 2)
        ended(cloud)
        looks = itertools.count(1)
        assert expire(cloud, may_go_on=lambda: next(looks) <= 2) == 0
        marked = {sort for sort, at in records(cloud).items() if at}
        assert marked == set(RECORDS[:2])  # not the run's own, by which the others are found
        assert run_item(cloud)["expired_at"]

        assert expire(cloud) == 1
        assert None not in records(cloud).values()

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("call", range(1, 12))
    def test_killed_at_any_outside_call_a_repeat_comes_to_the_same_end(
        self, cloud: Any, clients: Any, call: int, after: bool
    ) -> None:
        claimed(cloud.ledger)
        for record in RECORDS:
            cloud.ledger.update("r1", record, {"status": "STORED"})
        fate = Fate()
        for service in ("dynamodb", "s3"):
            clients.use(service, fate.over(cloud.client(service)))
        fate.kill_at(call, after=after)

        for step in (lambda: end(cloud), lambda: expire(cloud)):
            try:
                step()
            except Killed:
                step()

        assert records(cloud) == expected()
        assert run_item(cloud)["status"] == "FAILED"
        assert due_notes(cloud) == []
        assert cloud.keys("runs/r1/results") == ["runs/r1/results.json"]
        assert fate.calls >= call, "there are fewer calls than are tried here"


def test_the_sweep_expires_what_is_due(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, lambda_context: Any
) -> None:
    claimed(cloud.ledger)
    end(cloud)
    monkeypatch.setenv("LEDGER_RETENTION_DAYS", str(DAYS))
    monkeypatch.setenv("RUN_FILES_RETENTION_DAYS", "199.5")
    monkeypatch.setattr(reaper, "utc_now", lambda: DUE)

    reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)

    assert records(cloud)["RUN"] == int((DUE + timedelta(days=200) + MARGIN).timestamp())
