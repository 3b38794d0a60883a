"""Real steps and the real watcher over a small AWS (moto) and a Glue whose time is the test's."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

import pytest
from aws_cloud import DATA_BUCKET, LEDGER_TABLE, REGION, Clients, _make_tables
from aws_durable_execution_sdk_python import state
from job_fakes import FakeClock, FakeGlue
from moto import mock_aws

from benchmarks.jobs.meter import Meter
from benchmarks.jobs.ways import POLL_SECONDS, RUN_ID, STAGE
from contracts import layout
from contracts.dataset import Column, Dataset, DatasetSnapshot, JobStep, Source, Targets
from contracts.job import Engine, JobKey, JobState, JobStatus
from contracts.manifest import ManifestEntry, ManifestPart, ManifestSummary
from ledger.table import Ledger
from remote_jobs.callbacks import Callbacks
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.dispatcher import Dispatcher
from remote_jobs.pools.limits import CurrentPoolsFile, Limits
from remote_jobs.pools.store import Pools
from remote_jobs.watcher import Watcher
from runtime import clients as aws
from runtime.handler import metrics, settings_from_environment, use_clock, utc_now
from sources import frozen

GLUE_JOB: Final = "stack-clean-csv"


class TimedGlue(FakeGlue):
    """Every run takes as long as requested, on a clock that is passed in."""

    def __init__(self, clock: FakeClock, duration: timedelta, meter: Meter) -> None:
        super().__init__(clock, GLUE_JOB)
        self._duration, self._meter = duration, meter

    def get_job(self, **request: Any) -> Any:
        script = {"Name": "pythonshell", "ScriptLocation": "s3://code-bucket/jobs/clean_csv.py"}
        return self._call(
            "GetJob", request, lambda **_: {"Job": {"Command": script, **self.definition}}
        )

    def _call(self, operation: str, request: dict[str, Any], run: Any) -> Any:
        self._meter.request("engine")
        for known in self.runs:
            over = self._clock() >= known["StartedOn"] + self._duration
            known["JobRunState"] = "SUCCEEDED" if over else "RUNNING"
        return super()._call(operation, request, run)


class Durable:
    """Lambda's callback API: the runner's own callback, and those of jobs that only stand by."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.runner: Any = None
        self.callback_completed = False

    def await_invocations(self, ended: int) -> None:
        """Wait until the runner has ended so many invocations of the orchestrator.

        What completes while an invocation ends costs the runner one more. A job's submission and
        end come long after the orchestrator has suspended, so here they wait for that.
        """
        deadline = time.monotonic() + 60
        while self.runner and self._ended() < ended:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._ended()} of {ended} invocations ended in 60 s")
            time.sleep(0.005)

    def _ended(self) -> int:
        executions = self.runner._store.list_all()
        return len(executions[0].invocation_completions) if executions else 0

    def send_durable_execution_callback_success(self, CallbackId: str, Result: bytes) -> Any:
        self._meter.request("callbacks")
        if not CallbackId.startswith("other-"):
            self.runner.send_callback_success(CallbackId, Result)
            self.callback_completed = True
        return {}

    def send_durable_execution_callback_heartbeat(self, CallbackId: str) -> Any:
        self._meter.request("heartbeats")
        if not CallbackId.startswith("other-"):
            self.runner.send_callback_heartbeat(CallbackId)
        return {}


class Deployment:
    """One engine, one ledger, and the watcher."""

    def __init__(self, duration: timedelta, meter: Meter, clients: Clients) -> None:
        self.clock = FakeClock(utc_now())
        self.meter = meter
        self.glue = TimedGlue(self.clock, duration, meter)
        self.durable = Durable(meter)
        clients.use("glue", self.glue)
        clients.use("lambda", self.durable)
        settings = settings_from_environment(EngineSettings)
        ledger = Ledger(LEDGER_TABLE)
        self._watcher = Watcher(
            jobs=JobLedger(ledger),
            adapter=lambda engine: adapter_for(engine, settings),
            callbacks=Callbacks(self.durable),
            clock=self.clock,
        )
        limits = Limits(
            CurrentPoolsFile(ledger, "code-bucket"), lambda engine: adapter_for(engine, settings)
        )
        self._dispatcher = Dispatcher(
            jobs=JobLedger(ledger),
            pools=Pools(ledger),
            limit_of=limits.of,
            submit=_submit_queued,
            remaining=lambda: 100.0,
            clock=self.clock,
        )

    def watch(self) -> None:
        """A minute later, the schedule wakes the watcher."""
        self.clock.advance(POLL_SECONDS)
        self.meter.functions["job-watcher"] += 1
        tally = self._watcher.run()
        self._dispatcher.run(tally)
        if tally.errors:
            raise tally.errors[0]

    def poll(self) -> dict[str, Any]:
        """A minute later, somebody asks the engine for the last job."""
        self.clock.advance(POLL_SECONDS)
        run = self.glue.get_job_run(JobName=GLUE_JOB, RunId=self.glue.runs[-1]["Id"])["JobRun"]
        ended = run["JobRunState"] == "SUCCEEDED"
        arguments = run["Arguments"]
        return JobStatus(
            job_id=arguments["--JOB_ID"],
            stage=STAGE,
            engine=Engine.GLUE,
            attempt=1,
            state=JobState.SUCCEEDED if ended else JobState.RUNNING,
            service_id=run["Id"],
            output_url=arguments["--OUTPUT_URL"],
        ).to_json()


def _submit_queued(key: JobKey) -> None:
    """Only if an engine had no place; here it has one for every job."""
    raise AssertionError(f"{key} had to wait for its turn")


@contextmanager
def deployed(minutes: int, units: int, meter: Meter) -> Iterator[Deployment]:
    """A deployment with a run of so many units, whose jobs take so many minutes each."""
    patch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "ENVIRONMENT": "bench",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "DurablePipeline",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "LEDGER_TABLE": LEDGER_TABLE,
        "DATA_BUCKET": DATA_BUCKET,
        "CODE_BUCKET": "code-bucket",
        "GLUE_JOB_PREFIX": "stack-",
        "TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:bench",
    }.items():
        patch.setenv(name, value)
    # The SDK notices the end of an invocation at its next poll; a real sandbox would wait 0.1 s.
    patch.setattr(state, "_STOP_SIGNAL_POLL_SECONDS", 0.002)
    real_client = aws.client
    with mock_aws():
        real_client.cache_clear()
        frozen.read_snapshot.cache_clear()
        frozen.read_manifest_part.cache_clear()
        _make_tables()
        real_client("s3").create_bucket(Bucket=DATA_BUCKET)
        _put_run(real_client("s3"), units)
        deployment = Deployment(timedelta(minutes=minutes), meter, Clients(patch))
        use_clock(deployment.clock)
        for service in ("dynamodb", "s3"):
            events = real_client(service).meta.events
            events.register(f"before-call.{service}", lambda **_: meter.request("storage"))
        yield deployment
        use_clock()
        metrics.clear_metrics()
        real_client.cache_clear()
    patch.undo()


def _put_run(s3: Any, units: int) -> None:
    dataset = Dataset(
        name="bench",
        source=Source(prefix="landing/bench/"),
        columns=(Column(name="id"),),
        jobs=(JobStep(stage=STAGE, glue_job="clean-csv"),),
        targets=Targets.model_validate({"dynamodb": {"key": ["id"]}}),
    )
    snapshot = DatasetSnapshot(
        dataset=dataset,
        version="0123456789ab",
        index="bench",
        run_id=RUN_ID,
        run_started_at="2026-11-20T08:00:00Z",
        output_columns=(("id", "string"),),
    )
    entries = tuple(
        ManifestEntry(
            bucket=DATA_BUCKET,
            key=f"landing/bench/{position}.csv",
            size=1,
            etag="0" * 32,
            last_modified="2026-11-20T00:00:00Z",
        )
        for position in range(units)
    )
    documents = {
        layout.dataset_snapshot_key(RUN_ID): snapshot.to_json(),
        layout.manifest_part_key(RUN_ID, 0): ManifestPart(
            run_id=RUN_ID, shard=0, entries=entries
        ).to_json(),
        layout.manifest_summary_key(RUN_ID): ManifestSummary(
            manifest_url=layout.s3_url(DATA_BUCKET, layout.manifest_summary_key(RUN_ID)),
            objects=units,
            total_bytes=units,
            shard_sizes=(units,),
            pending=(),
        ).to_json(),
    }
    for unit in range(units):  # what every job leaves at its end, for whoever looks
        prefix = layout.job_prefix(RUN_ID, layout.unit_id(0, unit), STAGE, 1)
        documents[f"{prefix}report.json"] = {"rowsIn": 0}
    for key, document in documents.items():
        s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=json.dumps(document).encode())
