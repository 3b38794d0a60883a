"""A run with units, a deployment with engines, and the functions that look after its jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from job_fakes import FakeClock, FakeDurable, FakeGlue, FakeRedshift, Fate

from contracts import layout
from contracts.dataset import Column, Dataset, DatasetSnapshot, JobStep, Source, Targets
from contracts.job import Engine, JobKey, JobStatus, job_attempt
from contracts.manifest import ManifestEntry, ManifestPart
from contracts.messages import SubmitJob
from steps.callbacks import Callbacks
from steps.cancel_job import cancelled
from steps.check_job import checked
from steps.job_ledger import JobLedger
from steps.job_record import JobRecord
from steps.job_watcher import Tally, Watcher
from steps.remote_jobs.base import RemoteJobs
from steps.remote_jobs.glue import GlueJobs
from steps.remote_jobs.redshift import RedshiftJobs, Warehouse
from steps.submit_job import Submitter

RUN_ID = "run-1"
UNIT = layout.unit_id(0, 0)
UNITS = 200
GLUE_JOB = "stack-clean-csv"
WAREHOUSE = Warehouse(
    cluster="warehouse",
    workgroup="",
    database="dev",
    secret_arn="arn:aws:secretsmanager:us-east-1:123456789012:secret:warehouse",
)


def snapshot(query: str | None = "amount > 10") -> DatasetSnapshot:
    return DatasetSnapshot(
        dataset=Dataset(
            name="sales",
            source=Source(prefix="landing/sales/"),
            columns=(Column(name="amount", type="integer"),),
            jobs=(
                JobStep(stage="clean", glue_job="clean-csv", arguments={"DEPTH": "2"}),
                JobStep(stage="enrich", glue_job="clean-csv"),
            ),
            targets=Targets.model_validate({"redshift": {"table": "sales", "key": ["amount"]}}),
        ),
        version="0123456789ab",
        query=query,
        index="sales",
        run_id=RUN_ID,
        run_started_at="2026-11-20T08:00:00Z",
        output_columns=(("amount", "integer"),),
    )


@dataclass
class World:
    cloud: Any
    clients: Any
    clock: FakeClock = field(default_factory=FakeClock)
    fate: Fate = field(default_factory=Fate)
    tokens: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.glue = FakeGlue(self.clock, GLUE_JOB)
        self.redshift = FakeRedshift(self.clock)
        self.durable = FakeDurable()
        dynamodb = self.fate.over(self.cloud.client("dynamodb"))
        self.clients.use("dynamodb", dynamodb)
        self.jobs = JobLedger(self.cloud.ledger)
        self.put_run()

    def put_run(self) -> None:
        put = self.cloud.put
        put(layout.dataset_snapshot_key(RUN_ID), json.dumps(snapshot().to_json()))
        entries = tuple(
            ManifestEntry(
                bucket=self.cloud.data_bucket,
                key=f"landing/sales/{position}.csv",
                size=1,
                etag="0" * 32,
                last_modified="2026-11-20T00:00:00Z",
            )
            for position in range(UNITS)
        )
        part = ManifestPart(run_id=RUN_ID, shard=0, entries=entries)
        put(layout.manifest_part_key(RUN_ID, 0), json.dumps(part.to_json()))
        load = {"statements": ["INSERT INTO sales SELECT 1"], "load_id": f"{RUN_ID}/{UNIT}"}
        put(layout.load_key(RUN_ID, UNIT), json.dumps(load))
        self.hold_run(1)

    def hold_run(self, run_attempt: int) -> None:
        """The run is held by its so many-th attempt."""
        self.cloud.ledger.update(RUN_ID, "RUN", {"run_attempt": run_attempt, "status": "RUNNING"})

    def adapter(self, engine: Engine) -> RemoteJobs:
        if engine is Engine.REDSHIFT:
            return RedshiftJobs(self.fate.over(self.redshift), WAREHOUSE)
        return GlueJobs(self.fate.over(self.glue), "stack-")

    def message(
        self,
        *,
        engine: Engine = Engine.GLUE,
        unit: str = UNIT,
        stage: str | None = None,
        run_attempt: int = 1,
        retry: int = 1,
        callback: str = "callback1",
        timeout_seconds: int = 900,
        input_url: str | None = None,
    ) -> SubmitJob:
        self.durable.make(callback)
        return SubmitJob(
            key=JobKey(
                run_id=RUN_ID,
                unit_id=unit,
                stage=stage or ("clean" if engine is Engine.GLUE else "store-redshift"),
                attempt=job_attempt(run_attempt, retry),
            ),
            engine=engine,
            callback_id=callback,
            run_attempt=run_attempt,
            retry=retry,
            timeout_seconds=timeout_seconds,
            input_url=input_url,
        )

    def submit(self, message: SubmitJob | None = None) -> JobStatus:
        message = message or self.message()
        submitter = Submitter(
            jobs=self.jobs,
            adapter=self.adapter(message.engine),
            data_bucket=self.cloud.data_bucket,
            clock=self.clock,
            tokens=lambda: f"{next(self.tokens):08x}",
        )
        return submitter.submit(message)

    def check(self, key: JobKey, callback: str = "callback2") -> JobStatus:
        self.durable.make(callback)
        record = self.jobs.await_by(self.jobs.get(key), callback)
        if not record.state.ended:
            record = checked(self.jobs, self.adapter(record.engine), record, self.clock)
        return record.status(self.clock())

    def cancel(self, key: JobKey, reason: str = "told to") -> JobStatus:
        record = self.jobs.get(key)
        if not record.state.ended:
            adapter = self.adapter(record.engine)
            record = cancelled(self.jobs, adapter, record, reason, self.clock)
        return record.status(self.clock())

    def watch(self) -> Tally:
        return Watcher(
            jobs=self.jobs,
            adapter=self.adapter,
            callbacks=Callbacks(self.fate.over(self.durable)),
            clock=self.clock,
        ).run()

    def record(self, message: SubmitJob | None = None) -> JobRecord:
        return self.jobs.get((message or self.message()).key)

    def item(self, message: SubmitJob | None = None) -> dict[str, Any]:
        key = (message or self.message()).key
        item: dict[str, Any] = self.cloud.ledger.get_item(key.run_id, key.item)
        return item

    def answers(self, callback: str = "callback1") -> list[JobStatus]:
        results = self.durable.callbacks[callback].results
        return [JobStatus.from_json(json.loads(result)) for result in results]

    def put_report(self, status: JobStatus) -> None:
        """What a Glue job leaves when it is through."""
        _, prefix = layout.split_s3_url(status.output_url)
        self.cloud.put(f"{prefix}report.json", "{}")
