"""The stages that carry a unit's start or end: whatever dies, each effect is there once.

submit-job begins the unit, store-redshift submits the load, and the last store ends the unit. Each
is killed before and after every outside call, and then repeated, or given up for end-unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_cloud import LEDGER_TABLE
from control_fakes import NOW, arn, claimed, client_error
from data_run import UNIT, DataRun, dataset
from job_fakes import FakeClock, FakeGlue, FakeRedshift, Fate, Killed

from contracts.base import Contract
from contracts.errors import NotConfigured, OwnershipLost
from contracts.job import Engine, JobKey, JobState, JobStatus
from contracts.ledger_items import OperationsItem, PoolItem, SpentItem
from contracts.messages import (
    EndAfterStore,
    EndUnit,
    StartUnit,
    StoreDynamodb,
    StoreFiles,
    StoreRedshift,
    SubmitJob,
)
from contracts.run import RowCounts, StageFailure, UnitStatus
from runs.unit.beginning import start_unit
from runtime import handler as runtime_handler
from steps import record_unit, store_dynamodb, store_files, store_redshift, submit_job

ALLOWANCE, USED = 81, 6
ROWS = RowCounts(rows_in=3, stored=3)
TARGETS = {
    "files": {"prefix": "sales/", "format": "csv"},
    "dynamodb": {"key": ["id"]},
    "redshift": {"table": "public.sales", "key": ["id"]},
}
FAILURE = StageFailure(stage="store-dynamodb", error_type="Runtime.ExitError", message="died")


class Deployed:
    """One run with a unit whose rows are transformed, and services that a fate hangs over."""

    def __init__(self, cloud: Any, clients: Any, context: Any, run_id: str) -> None:
        self.cloud, self.context, self.run_id, self.fate = cloud, context, run_id, Fate()
        self.clock = FakeClock(NOW)
        self.glue, self.redshift = FakeGlue(self.clock, "stack-clean-csv"), FakeRedshift(self.clock)
        claimed(cloud.ledger, run_id, runId=run_id, datasetName="sales")
        jobs = [{"stage": "clean", "glueJob": "clean-csv"}]
        contract = dataset(targets=TARGETS, jobs=jobs)
        self.run = DataRun(cloud, contract, run_id=run_id).lay_out("id\na\n")
        columns = "NULL::DECIMAL(10,2) AS amount, NULL::DATE AS seen_on, 'AT' AS country"
        self.run.put_part(f"SELECT id, {columns} FROM (VALUES ('a'), ('b'), ('c')) AS v(id)")
        _leave_the_pool(cloud)
        for service, client in (("glue", self.glue), ("redshift-data", self.redshift)):
            clients.use(service, self.fate.over(client))
        for service in ("dynamodb", "s3", "sns"):
            clients.use(service, self.fate.over(cloud.client(service)))

    def send(self, step: Any, message: Contract) -> dict[str, Any]:
        response: dict[str, Any] | None = step.handler(message.to_json(), self.context)
        return response or {}

    def _start(self) -> StartUnit:
        return StartUnit(
            run_id=self.run_id,
            unit_id=UNIT,
            run_attempt=1,
            execution_arn=arn(self.run_id),
            allowance=ALLOWANCE,
            reserved=150,
        )

    def begin(self) -> None:
        start_unit(self._start(), self.cloud.ledger, self.cloud.data_bucket, NOW)

    def _job(self, stage: str, engine: Engine, **fields: Any) -> SubmitJob:
        return SubmitJob(
            key=JobKey(run_id=self.run_id, unit_id=UNIT, stage=stage, attempt=1),
            engine=engine,
            callback_id="callback",
            run_attempt=1,
            retry=1,
            timeout_seconds=60,
            queue_seconds=86400,
            execution_arn=arn(self.run_id),
            **fields,
        )

    def submit(self, stage: str = "clean", **fields: Any) -> dict[str, Any]:
        message = self._job(stage, Engine.GLUE, **{"start": self._start(), **fields})
        return self.send(submit_job, message)

    def load(self, **fields: Any) -> dict[str, Any]:
        given = {"submit": self._job("store-redshift", Engine.REDSHIFT), **fields}
        message = StoreRedshift(run_id=self.run_id, unit_id=UNIT, rows=3, job_id="j1", **given)
        return self.send(store_redshift, message)

    def give_up(self, **more: Any) -> dict[str, Any]:
        """What the orchestrator sends once the last store has died as often as it may."""
        outcome = ended(
            self.run_id,
            UnitStatus.FAILED,
            failure=FAILURE,
            rows=RowCounts(),
            perhaps_ended=True,
            stored_in=("files", "redshift"),
            operations=12,
            repeats=6,
            **more,
        )
        return self.send(record_unit, outcome)

    def until(self, done: Callable[[Any], bool], step: Callable[[], Any]) -> dict[str, Any]:
        """Call again, as the orchestrator or the job watcher does, until the job is submitted."""
        for _ in range(10):
            self.clock.advance(100)
            response: dict[str, Any] = step()
            if done(response):
                return response
        raise AssertionError(f"it never came to that: {response}")

    # -- what there is

    def unit(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cloud.ledger.get_item(self.run_id, f"UNIT#{UNIT}")
        return found

    def count(self) -> OperationsItem:
        item = self.cloud.ledger.get_item(*OperationsItem.key_of(arn(self.run_id)))
        return OperationsItem.from_item(item)

    def news(self) -> set[tuple[str, str]]:
        """Ids and outcomes of what was published since the last look, repeats once."""
        published = [each for each in self.cloud.published() if each["runId"] == self.run_id]
        return {(each["eventId"], each["status"]) for each in published}


def _leave_the_pool(cloud: Any) -> None:
    """The load of a round before has its one place."""
    run_id, item = PoolItem.key_of("redshift")
    key = {"run_id": {"S": run_id}, "item": {"S": item}}
    cloud.client("dynamodb").delete_item(TableName=LEDGER_TABLE, Key=key)


Deploy = Callable[..., Deployed]
Rounds = Iterator[Deployed]
Store = Callable[..., dict[str, Any]]


def put(deployed: Deployed, expected: int = 3, files: int = 1, **end: Any) -> dict[str, Any]:
    message = StoreDynamodb(
        run_id=deployed.run_id,
        unit_id=UNIT,
        job_id="j1",
        files=files,
        end=EndAfterStore(outcome=ended(deployed.run_id, **end), rows=expected),
    )
    return deployed.send(store_dynamodb, message)


def write(deployed: Deployed, expected: int = 3, **end: Any) -> dict[str, Any]:
    message = StoreFiles(
        run_id=deployed.run_id,
        unit_id=UNIT,
        job_id="j1",
        rows=3,
        files=1,
        end=EndAfterStore(outcome=ended(deployed.run_id, **end), rows=expected),
    )
    return deployed.send(store_files, message)


STORES = (put, write)


def begun(store: Store, **end: Any) -> Callable[[Deployed], Any]:
    """The store of a unit that has begun, which nothing kills."""

    def step(deployed: Deployed) -> dict[str, Any]:
        doom = deployed.fate.decide
        deployed.fate.spare()
        deployed.begin()
        deployed.fate.names.clear()
        deployed.fate.decide = doom
        return store(deployed, **end)

    return step


def ended(run_id: str, status: UnitStatus = UnitStatus.STORED, **fields: Any) -> EndUnit:
    values: dict[str, Any] = {"rows": ROWS, "allowance": ALLOWANCE, "operations": USED, **fields}
    return EndUnit(
        run_id=run_id,
        unit_id=UNIT,
        run_attempt=1,
        execution_arn=arn(run_id),
        status=status,
        **values,
    )


@pytest.fixture
def deploy(cloud: Any, clients: Any, lambda_context: Any, monkeypatch: Any) -> Deploy:
    """Makes a run of its own for each round of a test."""

    def make(number: int = 1) -> Deployed:
        made = Deployed(cloud, clients, lambda_context, f"run-{number}")
        monkeypatch.setattr(runtime_handler, "_clock", made.clock)
        return made

    return make


def killed_everywhere(deploy: Deploy, step: Callable[[Deployed], Any], *, after: bool) -> Rounds:
    """A fresh run for each outside call of the step, which has died there."""
    for call in range(1, 60):
        deployed = deploy(call)
        deployed.fate.kill_at(call, after=after)
        try:
            step(deployed)
        except Killed:
            deployed.fate.spare()
            yield deployed
        else:
            if deployed.fate.calls < call:
                assert call > 4
                return  # it has no more calls


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
class TestKilledAtAnyOutsideCall:
    def test_a_unit_begins_once_and_has_one_job(self, deploy: Deploy, after: bool) -> None:
        for deployed in killed_everywhere(deploy, Deployed.submit, after=after):
            response = deployed.until(lambda said: "serviceId" in said["status"], deployed.submit)
            assert response["began"] == {"begin": True, "allowance": ALLOWANCE}
            assert [run["Id"] for run in deployed.glue.runs] == [response["status"]["serviceId"]]
            assert deployed.unit()["status"] == "RUNNING"
            assert deployed.count().committed == ALLOWANCE
            assert deployed.news() == {(f"{deployed.run_id}/{UNIT}/unit-started/1", "RUNNING")}

    def test_a_load_is_submitted_once(self, deploy: Deploy, after: bool) -> None:
        for deployed in killed_everywhere(deploy, Deployed.load, after=after):
            response = deployed.until(lambda said: "serviceId" in said["status"], deployed.load)
            (statement,) = deployed.redshift.statements
            assert statement["Id"] == response["status"]["serviceId"]
            (key,) = deployed.cloud.keys(f"runs/{deployed.run_id}/units/{UNIT}/load-")
            assert response["statementsUrl"].endswith(key)

    @pytest.mark.parametrize("store", STORES)
    def test_a_unit_ends_once_with_its_last_store(
        self, deploy: Deploy, store: Store, after: bool
    ) -> None:
        for deployed in killed_everywhere(deploy, begun(store), after=after):
            response = store(deployed, operations=USED + 2, repeats=2)
            assert (response["rows"], response["ended"]) == (3, True)
            assert deployed.unit()["status"] == "STORED"
            assert deployed.unit()["rows"]["stored"] == 3
            assert deployed.count().running == frozenset()
            assert USED <= deployed.count().committed <= 2 * (USED + 2)
            event = f"{deployed.run_id}/{UNIT}/unit-ended/1"
            assert (event, "STORED") in deployed.news()

    @pytest.mark.parametrize("store", STORES)
    def test_an_outcome_is_not_lost_if_the_last_store_never_returns(
        self, deploy: Deploy, store: Store, after: bool
    ) -> None:
        """It is the one that the store has recorded, or the failure; published, and counted."""
        outcomes = set()
        for deployed in killed_everywhere(deploy, begun(store), after=after):
            recorded = deployed.unit()["status"]
            response = deployed.give_up()
            outcome = deployed.unit()["status"]
            assert outcome == ("STORED" if recorded == "STORED" else "FAILED")
            assert response == ({"status": "STORED"} if recorded == "STORED" else {})
            assert ("failure" in deployed.unit()) is (outcome == "FAILED")
            assert deployed.count().running == frozenset()
            ends = {status for event, status in deployed.news() if "unit-ended" in event}
            assert ends == {outcome}
            outcomes.add(outcome)
        assert outcomes == {"STORED", "FAILED"}

    def test_what_it_cost_counts_whether_or_not_the_store_has_counted_it(
        self, deploy: Deploy, after: bool
    ) -> None:
        counts = {"counts_cost": True, "usage": {"operations": 1000}}
        for deployed in killed_everywhere(deploy, begun(put, **counts), after=after):
            deployed.give_up(**counts)
            found = deployed.cloud.ledger.get_item(*SpentItem.key_of(deployed.run_id, 1, 0))
            assert found is not None
            spent = SpentItem.from_item(found)
            assert (spent.counted, spent.nanodollars > 0) == ({UNIT}, True)


class TestBeginning:
    def test_a_unit_that_does_not_begin_has_no_job(self, deploy: Deploy) -> None:
        deployed = deploy()
        deployed.cloud.ledger.update(deployed.run_id, "RUN", {"stop_requested_at": "2026-11-20"})
        response = deployed.submit()
        assert (response["began"]["reason"], "status" in response) == ("STOPPED", False)
        assert deployed.glue.runs == []
        assert list(deployed.cloud.ledger.query(deployed.run_id, "JOB#")) == []

    def test_a_job_that_cannot_be_submitted_does_not_undo_the_beginning(
        self, deploy: Deploy
    ) -> None:
        deployed = deploy()
        response = deployed.submit(stage="polish")  # which the contract does not have
        assert response == {"began": {"begin": True, "allowance": ALLOWANCE}}
        assert deployed.unit()["status"] == "RUNNING"
        with pytest.raises(NotConfigured, match="no job polish"):
            deployed.submit(stage="polish", start=None)

    def test_without_a_start_the_response_is_the_jobs_status(self, deploy: Deploy) -> None:
        """As orchestrators of before, and the job watcher, read it."""
        response = deploy().submit(start=None)
        assert JobStatus.from_json(response).state is JobState.SUBMITTED

    def test_an_execution_that_lost_the_run_begins_and_submits_nothing(
        self, deploy: Deploy
    ) -> None:
        deployed = deploy()
        deployed.cloud.ledger.update(deployed.run_id, "RUN", {"run_attempt": 2})
        for step in (deployed.submit, deployed.load):
            with pytest.raises(OwnershipLost, match="attempt 2"):
                step()
        assert (deployed.glue.runs, deployed.redshift.statements) == ([], [])


class TestLoad:
    def test_one_that_cannot_be_submitted_is_prepared_all_the_same(
        self, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REDSHIFT_CLUSTER", "")
        deployed = deploy()
        response = deployed.load()
        assert (response["rows"], "status" in response) == (3, False)

    def test_an_orchestrator_of_before_submits_it_itself(self, deploy: Deploy) -> None:
        deployed = deploy()
        response = deployed.load(submit=None)
        assert (response["rows"], "status" in response) == (3, False)
        assert deployed.redshift.statements == []


class TestEnding:
    @pytest.mark.parametrize("store", STORES)
    def test_a_store_that_lacks_rows_does_not_end_the_unit(
        self, deploy: Deploy, store: Store
    ) -> None:
        deployed = deploy()
        deployed.begin()
        assert store(deployed, expected=4)["ended"] is False
        assert deployed.unit()["status"] == "RUNNING"

    @pytest.mark.parametrize("store", STORES)
    def test_an_end_that_cannot_be_recorded_is_left_to_end_unit(
        self, deploy: Deploy, clients: Any, store: Store
    ) -> None:
        deployed = deploy()
        deployed.begin()
        clients.break_once("sns", "publish", client_error("NotFound", 404), after=False)
        assert store(deployed)["ended"] is False
        deployed.send(record_unit, ended(deployed.run_id))
        assert deployed.unit()["status"] == "STORED"
        assert deployed.count().committed == USED

    @pytest.mark.parametrize("store", STORES)
    def test_an_execution_that_lost_the_run_does_not_end_the_unit(
        self, deploy: Deploy, store: Store
    ) -> None:
        deployed = deploy()
        deployed.begin()
        deployed.cloud.ledger.update(deployed.run_id, "RUN", {"run_attempt": 2})
        with pytest.raises(OwnershipLost, match="attempt 2"):
            store(deployed)
        assert deployed.unit()["status"] == "RUNNING"

    def test_rows_that_the_table_has_in_a_newer_version_are_counted(self, deploy: Deploy) -> None:
        newer = deploy(1)
        newer.run.started_at = "2026-11-21T08:00:00Z"
        newer.run.freeze()
        newer.begin()
        assert put(newer)["superseded"] == 0
        deployed = deploy(2)
        deployed.begin()
        put(deployed, rows=ROWS.model_copy(update={"superseded": 5}))  # of slices before
        assert deployed.unit()["rows"]["superseded"] == 5 + 3

    def test_a_slice_that_is_not_the_last_one_does_not_end_the_unit(self, deploy: Deploy) -> None:
        deployed = deploy()
        deployed.run.put_part(
            "SELECT 'x' || i AS id, NULL::DECIMAL(10,2) AS amount, NULL::DATE AS seen_on,"
            " 'AT' AS country FROM range(2000) AS t(i)",
            1,
        )
        deployed.begin()
        deployed.context.get_remaining_time_in_millis = lambda: 1
        response = put(deployed, files=2, expected=2003)
        assert response["nextRow"] > 0
        assert response["ended"] is False
        assert deployed.unit()["status"] == "RUNNING"

    def test_a_failure_that_nothing_has_stored_is_recorded(self, deploy: Deploy) -> None:
        deployed = deploy()
        deployed.begin()
        assert deployed.give_up() == {}
        assert deployed.unit()["failure"]["error_type"] == "Runtime.ExitError"
        assert deployed.unit()["stored_in"] == ["files", "redshift"]
