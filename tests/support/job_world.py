"""A run with units, a deployment with engines, and the functions that look after its jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from emr_fakes import CLUSTER, INSTANCE, FakeEmr, FakeSsm
from job_fakes import FakeClock, FakeDurable, FakeGlue, FakeRedshift, Fate
from manifests import put_manifest
from serverless_fakes import APPLICATION, ROLE_ARN, FakeServerless

from contracts import layout
from contracts.dataset import Column, Dataset, DatasetSnapshot, JobStep, Source, Targets
from contracts.job import Engine, JobKey, JobStatus, job_attempt
from contracts.ledger_items import JobItem, PoolItem, QuotaItem
from contracts.manifest import ManifestEntry
from contracts.messages import SubmitJob
from remote_jobs.callbacks import Callbacks
from remote_jobs.checking import check
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.engines.emr import EmrJobs
from remote_jobs.engines.emr_serverless import EmrServerlessJobs
from remote_jobs.engines.emr_ssm import EmrSsmJobs
from remote_jobs.engines.glue import GlueJobs
from remote_jobs.engines.lambda_functions import LambdaJobs
from remote_jobs.engines.redshift import RedshiftJobs, Warehouse
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.dispatcher import Dispatcher, SubmissionsLeft
from remote_jobs.pools.limits import Limit
from remote_jobs.pools.queue import JobQueue
from remote_jobs.pools.store import Pools
from remote_jobs.quota import RequestBudget
from remote_jobs.record import JobRecord
from remote_jobs.stopper import JobStopper
from remote_jobs.submission import Submitter
from remote_jobs.tally import Tally
from remote_jobs.watcher import Watcher
from steps.cancel_job import cancelled

RUN_ID = "run-1"
UNIT = layout.unit_id(0, 0)
UNITS = 200
GLUE_JOB = "stack-clean-csv"
EMR_ENGINES = (Engine.EMR, Engine.EMR_SSM, Engine.EMR_SERVERLESS)
SERVICES = tuple(engine for engine in Engine if not engine.invoked)  # engines that can be asked
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:enrich-sales"
CLUSTER_ENGINES = (Engine.EMR, Engine.EMR_SSM)
STAGES = {  # of the contract, by engine
    Engine.GLUE: "clean",
    Engine.EMR: "on-emr",
    Engine.EMR_SSM: "through-ssm",
    Engine.EMR_SERVERLESS: "serverless",
    Engine.REDSHIFT: "store-redshift",
    Engine.LAMBDA: "by-function",
}
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
                *(
                    JobStep(
                        stage=STAGES[engine],
                        engine=engine,
                        script="jobs/enrich.py",
                        spark_arguments=("--conf", "spark.x=1 2"),
                    )
                    for engine in EMR_ENGINES
                ),
                JobStep(
                    stage=STAGES[Engine.LAMBDA],
                    engine=Engine.LAMBDA,
                    function="enrich-sales",
                    arguments={"--DEPTH": "2"},
                ),
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
    """Its parts.

    Attributes:
        stops_after: how many looks it takes until a job that was asked to stop has stopped.
    """

    cloud: Any
    clients: Any
    clock: FakeClock = field(default_factory=FakeClock)
    fate: Fate = field(default_factory=Fate)
    tokens: Iterator[int] = field(default_factory=lambda: count(1))
    stops_after: float = 1

    def __post_init__(self) -> None:
        self.places = 1000  # of every pool
        self.remaining = 100.0  # seconds of a wake, after it has checked the jobs
        self.before_submission: Exception | None = None  # of a dispatched job
        self.slept = 0
        self.elapsed = 0.0  # by the stopwatch of submit-job
        self.glue = FakeGlue(self.clock, GLUE_JOB)
        self.redshift = FakeRedshift(self.clock)
        self.emr = FakeEmr(self.clock)
        self.ssm = FakeSsm(self.clock, self.emr)
        self.serverless = FakeServerless(self.clock)
        self.durable = FakeDurable()
        dynamodb = self.fate.over(self.cloud.client("dynamodb"))
        self.clients.use("dynamodb", dynamodb)
        self.jobs = JobLedger(self.cloud.ledger)
        self.pools = Pools(self.cloud.ledger, sleep=lambda _seconds: None)
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
        put_manifest(put, RUN_ID, entries)
        load = {"statements": ["INSERT INTO sales SELECT 1"], "load_id": f"{RUN_ID}/{UNIT}"}
        put(layout.load_key(RUN_ID, UNIT), json.dumps(load))
        self.hold_run(1)

    def hold_run(self, run_attempt: int) -> None:
        """The run is held by its so many-th attempt."""
        self.cloud.ledger.update(RUN_ID, "RUN", {"run_attempt": run_attempt, "status": "RUNNING"})

    def adapter(self, engine: Engine) -> RemoteJobs:
        over = self.fate.over
        if engine is Engine.REDSHIFT:
            return RedshiftJobs(over(self.redshift), WAREHOUSE)
        if engine is Engine.EMR:
            return EmrJobs(over(self.emr), CLUSTER, self.cloud.code_bucket)
        if engine is Engine.EMR_SSM:
            return EmrSsmJobs(
                over(self.ssm),
                over(self.emr),
                instance=INSTANCE,
                cluster=CLUSTER,
                code_bucket=self.cloud.code_bucket,
                stopwatch=lambda: 0.0,
                clock=self.clock,
            )
        if engine is Engine.EMR_SERVERLESS:
            return EmrServerlessJobs(
                over(self.serverless), APPLICATION, ROLE_ARN, self.cloud.code_bucket
            )
        if engine is Engine.LAMBDA:
            return LambdaJobs((FUNCTION,), self.clock)
        return GlueJobs(over(self.glue), "stack-")

    def started(self, engine: Engine) -> list[str]:
        """The engine's ids of all that was ever submitted to it."""
        if engine is Engine.REDSHIFT:
            return [statement["Id"] for statement in self.redshift.statements]
        if engine is Engine.EMR:
            return [step["Id"] for step in self.emr.steps]
        if engine is Engine.EMR_SSM:
            return [command["CommandId"] for command in self.ssm.commands]
        if engine is Engine.EMR_SERVERLESS:
            return [run["id"] for run in self.serverless.runs]
        if engine is Engine.LAMBDA:  # what the orchestrator was asked to invoke
            return [item["job_id"] for item in self.cloud.ledger.query(RUN_ID, "JOB#")]
        return [run["Id"] for run in self.glue.runs]

    def client(self, service: str) -> Any:
        """What the functions get as their client of a service."""
        return {
            "glue": self.glue,
            "emr": self.emr,
            "ssm": self.ssm,
            "redshift-data": self.redshift,
            "emr-serverless": self.serverless,
            "lambda": self.durable,
        }[service]

    def service(self, engine: Engine) -> Any:
        """Whom the engine's jobs are submitted to."""
        services = {
            Engine.GLUE: self.glue,
            Engine.EMR: self.emr,
            Engine.EMR_SSM: self.ssm,
            Engine.EMR_SERVERLESS: self.serverless,
            Engine.REDSHIFT: self.redshift,
        }
        return services[engine]

    def finish(self, engine: Engine) -> None:
        """Let the job that was submitted last succeed, as far as its service is concerned."""
        if engine is Engine.EMR_SSM:  # the command, and then its step
            self.ssm.run()
            self.watch()
            self.emr.finish()
        else:
            self.service(engine).finish()

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
        execution_arn: str | None = None,
        **more: Any,
    ) -> SubmitJob:
        self.durable.make(callback)
        return SubmitJob(
            key=JobKey(
                run_id=RUN_ID,
                unit_id=unit,
                stage=stage or STAGES[engine],
                attempt=job_attempt(run_attempt, retry),
            ),
            engine=engine,
            callback_id=callback,
            run_attempt=run_attempt,
            retry=retry,
            timeout_seconds=timeout_seconds,
            input_url=input_url,
            execution_arn=execution_arn,
            **more,
        )

    def submit(self, message: SubmitJob | None = None) -> JobStatus:
        message = message or self.message()
        return self.submitter(message.engine).submit(message)

    def refill_submissions(self, engine: Engine) -> None:
        """As if enough time had passed for the engine to take more submissions."""
        if quota := self.adapter(engine).submissions:
            self.cloud.ledger.update(*QuotaItem.key_of(quota.name), {"tokens": quota.burst})

    def submitter(self, engine: Engine) -> Submitter:
        return Submitter(
            jobs=self.jobs,
            adapter=self.adapter(engine),
            data_bucket=self.cloud.data_bucket,
            queue=JobQueue(self.pools, self.limit_of),
            clock=self.clock,
            tokens=lambda: f"{next(self.tokens):08x}",
            stopwatch=lambda: self.elapsed,
        )

    def submit_queued(self, key: JobKey) -> None:
        """What the watcher invokes when it is the job's turn."""
        if self.before_submission:
            raise self.before_submission
        self.submitter(self.jobs.get(key).engine).submit_queued(key)

    def limit_of(self, _pool: PoolItem) -> Limit:
        return Limit(self.places, "test")

    def check(self, key: JobKey, callback: str = "callback2") -> JobStatus:
        self.durable.make(callback)
        record = self.jobs.await_by(self.jobs.get(key), callback)
        return check(self.jobs, self.adapter, record, self.clock).status(self.clock())

    def cancel(self, key: JobKey, reason: str = "as requested") -> JobStatus:
        stopper = JobStopper(self.jobs, self.adapter, self.sleep, self.clock)
        return cancelled(stopper, self.jobs.get(key), reason).status(self.clock())

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.slept += 1
        if self.slept >= self.stops_after:
            self.finish_stopping()

    def finish_stopping(self) -> None:
        for run in self.glue.runs:
            if run["JobRunState"] == "STOPPING":
                run["JobRunState"] = "STOPPED"
        for step in self.emr.steps:
            if step["Status"]["State"] == "CANCEL_PENDING":
                step["Status"]["State"] = "CANCELLED"
        for run in self.serverless.runs:
            if run["state"] == "CANCELLING":
                run["state"] = "CANCELLED"

    def watch(self) -> Tally:
        tally = Watcher(
            jobs=self.jobs,
            adapter=self.adapter,
            callbacks=Callbacks(self.fate.over(self.durable)),
            clock=self.clock,
        ).run()
        Dispatcher(
            jobs=self.jobs,
            pools=self.pools,
            limit_of=self.limit_of,
            submit=self.submit_queued,
            remaining=lambda: self.remaining,
            may_submit=SubmissionsLeft(RequestBudget(self.cloud.ledger, self.clock), self.adapter),
            clock=self.clock,
        ).run(tally)
        return tally

    def record(self, message: SubmitJob | None = None) -> JobRecord:
        return self.jobs.get((message or self.message()).key)

    def item(self, message: SubmitJob | None = None) -> dict[str, Any]:
        key = (message or self.message()).key
        item: dict[str, Any] = self.cloud.ledger.get_item(*JobItem.key_of(key))
        return item

    def responses(self, callback: str = "callback1") -> list[JobStatus]:
        results = self.durable.callbacks[callback].results
        return [JobStatus.from_json(json.loads(result)) for result in results]

    def put_report(self, status: JobStatus) -> None:
        """What a job leaves when it is through."""
        _, prefix = layout.split_s3_url(status.output_url)
        self.cloud.put(f"{prefix}report.json", "{}")
