"""What a silent watcher costs in operations, as docs/limits.md says it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_durable_execution_sdk_python import CallbackTimeoutError

from contracts.job import Engine, JobState, JobStatus
from contracts.messages import Submission
from contracts.messages.operations import allowance
from contracts.steps import Step, Steps, UnitRef
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.operations import Operations
from durable_pipeline.settings import Settings
from durable_pipeline.steps import USED_UP, StageFailed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limits.md"
HOUR = 3600
WEEK = 7 * 24 * HOUR
UNIT = UnitRef("r-1", "00000-000", 1)


class Silence:
    """No heartbeat ever comes; the job is as `state` says until its deadline is over."""

    def __init__(self, state: JobState, deadline: int) -> None:
        self.execution_context = SimpleNamespace(durable_execution_arn="arn:execution")
        self.state, self.deadline = state, deadline
        self.now = 0
        self.made: list[tuple[int, str]] = []
        self.operations = Operations()

    def create_callback(self, name: str, config: Any) -> Any:
        self.make(name)
        timeout, heartbeat = (
            each.to_seconds() for each in (config.timeout, config.heartbeat_timeout)
        )
        seconds = min(timeout, heartbeat or timeout)

        def result() -> None:
            self.now += seconds
            raise CallbackTimeoutError("late", None)

        return SimpleNamespace(callback_id=f"at-{self.now}", result=result)

    def make(self, name: str) -> None:
        self.made.append((self.now, name))
        self.operations.used += 1

    def status(self) -> JobStatus:
        service_id = "jr_1" if self.state is JobState.RUNNING else None
        return JobStatus(
            job_id="j1",
            stage="clean",
            engine=Engine.GLUE,
            attempt=1,
            state=self.state,
            output_url="s3://out/",
            service_id=service_id,
            overdue=self.now > self.deadline,
        )


class SilentSteps(Steps):
    def __init__(self, context: Silence) -> None:
        self.context = context
        self.settings = Settings(functions={})

    def call(self, step: Step[Any, Any], message: Any) -> Any:  # noqa: ARG002
        if not self.context.operations.suffice_for(step.name, 1):
            raise StageFailed(step.name, USED_UP, "none left")
        self.context.make(step.name)
        if step.name == Steps.cancel_job.name:
            return self.context.status().model_copy(update={"state": JobState.TIMED_OUT})
        status = self.context.status()
        return Submission(status=status) if step is Steps.submit_job else status


def await_silently(
    state: JobState, *, queue_seconds: int = WEEK, timeout_seconds: int, allowed: int | None = None
) -> Silence:
    """A job of which nobody reports anything, until its deadline is over.

    Args:
        allowed: operations of its unit, of which two were made before; None: any number.
    """
    deadline = queue_seconds if state is JobState.SUBMITTED else timeout_seconds
    context = Silence(state, deadline)
    context.operations = Operations(used=2, allowed=allowed)
    job = Job(
        unit=UNIT,
        stage="clean",
        engine=Engine.GLUE,
        timeout_seconds=timeout_seconds,
        queue_seconds=queue_seconds,
    )
    steps: Any = SilentSteps(context)
    with pytest.raises(StageFailed):
        run_job(steps, job)
    assert [name for _, name in context.made[:2]] == ["await-job", "submit-job"]
    return context


def operations(state: JobState, *, queue_seconds: int = WEEK, timeout_seconds: int) -> list[int]:
    """When each operation was made beyond the two that a try costs anyway, in seconds."""
    context = await_silently(state, queue_seconds=queue_seconds, timeout_seconds=timeout_seconds)
    return [at for at, _ in context.made[2:]]


def per_hour(made: list[int]) -> Iterator[int]:
    """Operations of every hour that begins after the first, wherever it begins."""
    return (
        sum(start < at <= start + HOUR for at in made) for start in range(HOUR, WEEK - HOUR, 60)
    )


def documented() -> dict[str, list[int]]:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| a job that (\w+).*\| (\d+) \| (\d+) \|$", text, flags=re.MULTILINE)
    return {state: [int(first), int(later)] for state, first, later in rows}


@pytest.mark.parametrize(
    ("kind", "state"), [("waits", JobState.SUBMITTED), ("runs", JobState.RUNNING)]
)
def test_an_hour_of_silence_costs_what_the_page_says(kind: str, state: JobState) -> None:
    made = operations(state, timeout_seconds=WEEK)
    assert [sum(at <= HOUR for at in made), max(per_hour(made))] == documented()[kind]


def test_a_shorter_deadline_is_noticed_with_as_many_operations_as_the_page_says() -> None:
    most = max(
        len(operations(JobState.RUNNING, timeout_seconds=seconds))
        for seconds in [*range(60, 4 * HOUR, 179), 4 * HOUR]
    )
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"at most {most} operations until its end, the cancellation included" in text


@pytest.mark.parametrize(
    ("state", "hours"), [(JobState.SUBMITTED, 24), (JobState.RUNNING, 12)], ids=["waits", "runs"]
)
def test_a_unit_that_has_used_up_its_checks_awaits_the_watcher(state: JobState, hours: int) -> None:
    """Of ten side by side, each planned with eight operations, as the page says it."""
    allowed = allowance(planned=8, concurrency=10)
    context = await_silently(state, timeout_seconds=WEEK, allowed=allowed)

    *checks, last = [at for at, name in context.made if name == "check-job"]
    assert last >= hours * HOUR, "the page promises more"
    assert max(after - before for before, after in pairwise(checks)) <= HOUR
    ended, name = context.made[-1]
    assert name == "cancel-job"
    assert ended >= last + WEEK, "it was awaited as long as a callback may take"
    assert context.operations.used <= allowed
