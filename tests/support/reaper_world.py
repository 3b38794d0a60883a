"""The world of jobs, with executions that end badly and the reaper that comes for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aws_cloud import Intercepted
from job_world import RUN_ID, UNIT, World

from contracts.job import Engine, JobKey
from contracts.ledger_items import ACTIVE_RUN
from contracts.run_request import RunRequest
from remote_jobs.record import JobRecord
from remote_jobs.stopper import JobStopper
from runs import topic
from runs.dead_letters import LongRunLetters
from runs.executions import GONE, Ended
from runs.long.next_attempts import NextAttempts
from runs.long.starting import LongRunStarts
from runs.long.stopping import LongRuns
from runs.reaping.reaper import Reaper

FIRST = "arn:aws:lambda:us-east-1:123456789012:function:long:1/durable-execution/first/0"
SECOND = "arn:aws:lambda:us-east-1:123456789012:function:long:1/durable-execution/second/0"


@dataclass
class ReaperWorld(World):
    """Run `RUN_ID` is held by execution FIRST.

    Attributes:
        executions: status by ARN.
        long_run_function: whose executions are stopped with their run; empty: none's.
    """

    long_run_function: str = ""
    executions: dict[str, Ended] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.executions[FIRST] = Ended("RUNNING")
        self.put_held_run(RUN_ID)

    def put_held_run(self, run_id: str, holder: str = FIRST, run_attempt: int = 1) -> None:
        request = RunRequest(dataset_name="sales", run_id=run_id, input_url="s3://in/1.csv")
        values = {
            "status": "RUNNING",
            "run_attempt": run_attempt,
            "holder": holder,
            "request": request.canonical(),
            "dataset_name": "sales",
            "end_date_time": "2026-11-20T08:00:00Z",
            "claimed_at": "2026-11-20T08:00:00Z",
            "active": ACTIVE_RUN,
            "submitted_at": "2026-11-20T08:00:00Z",
        }
        self.cloud.ledger.update(run_id, "RUN", values)

    def take_over(self) -> None:
        """What claim_run does when the message comes again."""
        changes = {"holder": SECOND, "run_attempt": 2, "status": "CLAIMED"}
        self.executions[SECOND] = Ended("RUNNING")
        self.cloud.ledger.update(RUN_ID, "RUN", changes, ("reaped", "reason"))

    def end(self, status: str, message: str | None = None, arn: str = FIRST) -> None:
        self.executions[arn] = Ended(status, message)

    def states(self, engine: Engine) -> set[str]:
        """The engine's own states of all that was ever submitted to it."""
        if engine is Engine.GLUE:
            return {run["JobRunState"] for run in self.glue.runs}
        if engine is Engine.REDSHIFT:
            return {statement["Status"] for statement in self.redshift.statements}
        if engine is Engine.EMR_SERVERLESS:
            return {run["state"] for run in self.serverless.runs}
        steps = {step["Status"]["State"] for step in self.emr.steps}
        return steps | {command["Status"] for command in self.ssm.commands}

    def ended(self, arn: str) -> Ended:
        """How the execution stands."""
        return self.executions.get(arn, Ended(GONE))

    @property
    def reaper(self) -> Reaper:
        self.clients.use("sns", self.fate.over(self.cloud.client("sns")))
        self.clients.use("s3", self.fate.over(self.cloud.client("s3")))
        self.clients.use("sqs", self.fate.over(self.cloud.client("sqs")))
        long_runs = LongRuns(
            self.cloud.ledger, self.cloud.data_bucket, self.long_run_function, self.ended
        )
        starts = LongRunStarts(self.long_run_function, "test", "pipeline")
        attempts = NextAttempts(
            self.cloud.ledger, starts, long_runs.holds, most=3, clock=self.clock
        )
        letters = LongRunLetters(
            self.cloud.ledger, self.cloud.dead_letter_queue_url, long_runs.holds, self.clock
        )
        return Reaper(
            ledger=self.cloud.ledger,
            jobs=self.jobs,
            stopper=JobStopper(self.jobs, self.adapter, self.sleep, self.clock),
            executions=self.ended,
            data_bucket=self.cloud.data_bucket,
            publish=lambda news: topic.publish(self.cloud.topic_arn, news),
            stop_long_run=long_runs.stop,
            begin_next_attempt=attempts.begin,
            reject=letters.reject,
            clock=self.clock,
        )

    def reap(self, status: str = "STOPPED", arn: str = FIRST) -> None:
        """The event comes."""
        self.reaper.reap(arn, status)

    def sweep(self) -> None:
        self.reaper.sweep()

    def run(self, run_id: str = RUN_ID) -> dict[str, Any]:
        run: dict[str, Any] = self.cloud.ledger.get_item(run_id, "RUN")
        return run

    def job(self, attempt: int = 1, unit: str = UNIT, stage: str = "clean") -> JobRecord:
        return self.jobs.get(JobKey(run_id=RUN_ID, unit_id=unit, stage=stage, attempt=attempt))

    def before(self, operation: str, number: int, action: Callable[[], object]) -> None:
        """Something else happens just before the so many-th such request to the ledger."""
        real, calls = self.cloud.client("dynamodb"), [0]

        def count(_: dict[str, Any]) -> None:
            calls[0] += 1
            if calls[0] == number:
                action()

        self.clients.use("dynamodb", Intercepted(real, operation, count, None))
