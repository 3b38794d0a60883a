"""The real step handlers behind the orchestrator, on the testing SDK's runner and moto.

Only the engines are stand-ins: Glue runs the real job script in this process and takes as long as
the test's clock says; Redshift's statements run on DuckDB. A thread plays the schedule.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from aws_durable_execution_sdk_python_testing.exceptions import AwsApiException
from job_fakes import FakeClock, FakeGlue, service_error
from local_warehouse import LocalWarehouse
from world import LONG_RUN, PIPELINE, Execution, closing_runner, execution_arn

from contracts.job import Engine, JobKey
from contracts.messages import SubmitQueued
from contracts.steps import step_functions
from durable_pipeline import app
from durable_pipeline.settings import Settings
from local import sample_data
from remote_jobs.callbacks import Callbacks
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.dispatcher import Dispatcher
from remote_jobs.pools.limits import CurrentPoolsFile, Limits
from remote_jobs.pools.store import Pools
from remote_jobs.watcher import Watcher
from runtime.handler import settings_from_environment, use_clock, utc_now
from steps import submit_job

ROOT = Path(__file__).resolve().parents[2]
GLUE_JOB = "stack-clean-csv"
sys.path.insert(0, str(ROOT / "jobs"))
clean_csv = importlib.import_module("clean_csv")

Handler = Callable[[dict[str, Any], Any], Any]


class WorkingGlue(FakeGlue):
    """Runs the job's script at once; reports its end when the job's time has passed."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, GLUE_JOB)
        self.duration = timedelta(seconds=30)
        self.fail_inputs: tuple[str, ...] = ()
        self._failed: dict[str, str | None] = {}  # the line that says why, by the run's id

    def get_job(self, **request: Any) -> Any:
        return self._call("GetJob", request, self._job)

    def _job(self, JobName: str) -> Any:
        self._known("GetJob", JobName)
        script = "s3://code-bucket/jobs/clean_csv.py"
        command = {"Command": {"ScriptLocation": script}}
        return {"Job": {"Name": JobName, **command, **self.definition}}

    def _start(self, **request: Any) -> Any:
        started = super()._start(**request)
        arguments = request["Arguments"]
        if any(part in arguments["--INPUT_URL"] for part in self.fail_inputs):
            self._failed[started["JobRunId"]] = "clean_csv: planned to fail"
        else:
            line = [word for pair in arguments.items() for word in pair]
            self._failed[started["JobRunId"]] = clean_csv.main(line)
        return started

    def _list(self, **request: Any) -> Any:
        self._progress()
        return super()._list(**request)

    def _get(self, **request: Any) -> Any:
        self._progress()
        return super()._get(**request)

    def ended(self) -> int:
        """How many job runs have ended so far: so many job events there were."""
        self._progress()
        return sum(run["JobRunState"] in ("SUCCEEDED", "FAILED") for run in self.runs)

    def _progress(self) -> None:
        for run in list(self.runs):
            if run["Id"] not in self._failed:
                continue  # its script is still at work
            if (
                run["JobRunState"] == "STARTING"
                and self._clock() >= run["StartedOn"] + self.duration
            ):
                failed = self._failed[run["Id"]]
                error = {"ErrorMessage": failed} if failed else {}
                run |= {"JobRunState": "FAILED" if failed else "SUCCEEDED", **error}


class RunnerLambda:
    """The part of Lambda's API that steps use, served by the runner."""

    def __init__(self, steps: DeployedSteps) -> None:
        self._steps = steps
        self.started: list[dict[str, Any]] = []

    def send_durable_execution_callback_success(self, CallbackId: str, Result: bytes) -> Any:
        return self._reported(self._steps.runner.send_callback_success, CallbackId, Result)

    def send_durable_execution_callback_heartbeat(self, CallbackId: str) -> Any:
        return self._reported(self._steps.runner.send_callback_heartbeat, CallbackId)

    def get_durable_execution(self, DurableExecutionArn: str, **_: Any) -> Any:
        return {"Status": self._steps.executions.get(DurableExecutionArn, "RUNNING")}

    def invoke(self, **request: Any) -> Any:
        self.started.append(request)
        name = request["DurableExecutionName"]
        return {"StatusCode": 202, "DurableExecutionArn": execution_arn(LONG_RUN, name)}

    def _reported(self, send: Callable[..., None], *arguments: Any) -> Any:
        try:
            send(*arguments)
        except AwsApiException as error:
            raise service_error("callback", type(error).__name__, 404) from error
        return {}


class DeployedSteps:
    """One deployment: run messages through it, then look at what they left."""

    def __init__(self, cloud: Any, clients: Any, directory: Path) -> None:
        self.cloud = cloud
        self.clock = FakeClock(utc_now())
        self.glue = WorkingGlue(self.clock)
        self.redshift = LocalWarehouse(directory / "redshift", cloud.client)
        self.lambda_api = RunnerLambda(self)
        self.executions: dict[str, str] = {}
        self.runner: Any = None
        self.woken_by: Literal["schedule", "events", "nothing"] = "schedule"
        self.heartbeat_seconds = 180
        self.after_step: Callable[[str, dict[str, Any]], None] = lambda _name, _payload: None
        for service, client in (
            ("glue", self.glue),
            ("redshift-data", self.redshift),
            ("lambda", self.lambda_api),
        ):
            clients.use(service, client)
        self.sample = sample_data.upload(
            cloud.client("s3"), cloud.data_bucket, cloud.code_bucket, rows=42, dirt=3
        )
        settings = settings_from_environment(EngineSettings)
        self._watcher = Watcher(
            jobs=JobLedger(cloud.ledger),
            adapter=lambda engine: self._adapter(engine, settings),
            callbacks=Callbacks(self.lambda_api),
            clock=self.clock,
            engines=(Engine.GLUE, Engine.REDSHIFT),
        )
        limits = Limits(
            CurrentPoolsFile(cloud.ledger, cloud.code_bucket),
            lambda engine: self._adapter(engine, settings),
        )
        self._dispatcher = Dispatcher(
            jobs=JobLedger(cloud.ledger),
            pools=Pools(cloud.ledger),
            limit_of=limits.of,
            submit=self._submit_queued,
            remaining=lambda: 100.0,
            clock=self.clock,
        )
        use_clock(self.clock)
        self._submitting, self._lock = 0, threading.Lock()
        self._stopped = threading.Event()
        self._schedule = threading.Thread(target=self._watch, daemon=True)
        self._schedule.start()

    def close(self) -> None:
        self._stopped.set()
        self._schedule.join(timeout=10)
        self.redshift.close()
        use_clock()

    def run(
        self, event: Any, handler: Handler = app.handle_messages, name: str = "execution-1"
    ) -> Execution:
        functions = {name: name for name in step_functions()}
        app.use_settings(Settings(functions, heartbeat_seconds=self.heartbeat_seconds))
        with closing_runner(handler) as runner:
            self.runner = runner
            for operation in step_functions():
                runner.register_function(operation, self._step(operation))
            runner.register_durable_function(LONG_RUN, app.handle_run)
            result = runner.run(
                input=json.dumps(event),
                execution_timeout=100,
                function_name=LONG_RUN if handler is app.handle_run else PIPELINE,
                execution_name=name,
            )
            history = runner._store.list_all()[0]
            self.executions[history.durable_execution_arn] = str(result.status.value)
            return Execution(result, history)

    # -- what a run left

    def run_item(self, run_id: str) -> dict[str, Any]:
        item: dict[str, Any] | None = self.cloud.ledger.get_item(run_id, "RUN")
        assert item is not None
        return item

    def items(self, run_id: str, prefix: str) -> list[dict[str, Any]]:
        return list(self.cloud.ledger.query(run_id, prefix))

    def stored_rows(self) -> list[dict[str, Any]]:
        pages = self.cloud.client("dynamodb").get_paginator("scan")
        return [
            item for page in pages.paginate(TableName="processed-data") for item in page["Items"]
        ]

    def glue_inputs(self) -> Counter[str]:
        """How many Glue runs each source file had."""
        return Counter(run["Arguments"]["--INPUT_URL"] for run in self.glue.runs)

    # -- inside

    def _all_submitted(self) -> bool:
        """A job's event comes after its submission has come to its end."""
        active = [
            job for engine in ("glue", "redshift") for job in self.cloud.ledger.query_active(engine)
        ]
        return all("service_id" in job for job in active)

    def _adapter(self, engine: Engine, settings: EngineSettings) -> RemoteJobs:
        return adapter_for(engine, settings)

    def _step(self, operation: str) -> Handler:
        handler: Handler = importlib.import_module(f"steps.{operation.replace('-', '_')}").handler

        def handle(payload: dict[str, Any], context: Any) -> Any:
            if operation != "submit-job":
                response = handler(payload, context)
            else:
                with self._clock_stands():
                    response = handler(payload, context)
            self.after_step(operation, payload)
            return response

        return handle

    def _submit_queued(self, key: JobKey) -> None:
        context: Any = SimpleNamespace(function_name="submit-job", aws_request_id="request-1")
        submit_job.handler(SubmitQueued(queued=key).to_json(), context)

    @contextmanager
    def _clock_stands(self) -> Iterator[None]:
        """A submission here takes what would be minutes of the clock; its claim is for one."""
        with self._lock:
            self._submitting += 1
        try:
            yield
        finally:
            with self._lock:
                self._submitting -= 1

    def _advance(self) -> None:
        with self._lock:
            if not self._submitting:
                self.clock.advance(60)

    def _watch(self) -> None:
        """A minute of everybody's clock every few milliseconds; wakes the watcher as scheduled."""
        reported = 0
        while not self._stopped.wait(0.01):
            self._advance()
            woken = self.woken_by == "schedule"
            ended = self.glue.ended() + len(self.redshift.loads)
            if self.woken_by == "events" and ended > reported and self._all_submitted():
                reported, woken = ended, True
            if self.runner is not None and woken:
                self._dispatcher.run(self._watcher.run())
