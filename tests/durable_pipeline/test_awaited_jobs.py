"""How a job is awaited and tried again, on a context and steps that only remember."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aws_durable_execution_sdk_python import CallbackTimeoutError
from aws_durable_execution_sdk_python.config import JitterStrategy

from contracts.job import Engine, JobEnd, JobState, JobStatus, Priority
from contracts.messages import Submission
from contracts.steps import Steps, UnitRef
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.policies import Policy
from durable_pipeline.settings import Settings
from durable_pipeline.steps import StageFailed

UNIT = UnitRef("r-1", "00000-000", 2)
SILENCE = "no sign of life"
STEADY = Policy(attempts=9, first_delay=5, longest_delay=300, jitter=JitterStrategy.NONE)


def status(state: str, **more: Any) -> JobStatus:
    known = {"job_id": "j1", "stage": "clean", "engine": Engine.GLUE, "attempt": 11}
    return JobStatus(**{**known, "output_url": "s3://out/", "state": state, **more})


class Context:
    """Callbacks with planned ends, and the waits and callbacks that were asked for."""

    def __init__(self, *ends: Any) -> None:
        self.execution_context = SimpleNamespace(durable_execution_arn="arn:execution")
        self.ends = list(ends)
        self.callbacks: list[tuple[int, int]] = []  # time-out and heartbeat, in seconds
        self.waits: list[int] = []

    def create_callback(self, name: str, config: Any) -> Any:
        assert name == "await-job"
        seconds = (config.timeout.to_seconds(), config.heartbeat_timeout.to_seconds())
        self.callbacks.append(seconds)
        return SimpleNamespace(callback_id=f"callback-{len(self.callbacks)}", result=self._end)

    def _end(self) -> Any:
        end = self.ends.pop(0)
        if end == SILENCE:
            raise CallbackTimeoutError("late", None)
        return end.to_json()

    def wait(self, duration: Any, name: str) -> None:
        assert name == "job-backoff"
        self.waits.append(duration.to_seconds())


class JobSteps(Steps):
    """Steps with planned responses; without a plan, a job is submitted and stays RUNNING."""

    def __init__(self, context: Context, heartbeat_seconds: int = 180, **planned: Any) -> None:
        self.context = context
        self.settings = Settings(functions={}, heartbeat_seconds=heartbeat_seconds)
        self.planned = planned
        self.messages: dict[str, list[Any]] = {}

    def call(self, step: Any, message: Any) -> Any:
        name = step.name.replace("-", "_")
        self.messages.setdefault(name, []).append(message)
        planned = self.planned.get(name)
        response = planned.pop(0) if planned else status("RUNNING")
        if isinstance(response, Exception):
            raise response
        return Submission(status=response) if step is Steps.submit_job else response


def run(steps: Any, **job: Any) -> tuple[JobStatus, list[JobStatus]]:
    """What the job came to, and all that was reported on the way."""
    ended: list[JobStatus] = []
    asked = {"stage": "clean", "engine": Engine.GLUE, "timeout_seconds": 900, **job}
    return run_job(steps, Job(unit=UNIT, **asked), ended.append), ended


def failed(step: str, error_type: str, message: str = "why") -> StageFailed:
    return StageFailed(step, error_type, message)


@pytest.mark.parametrize(
    ("timeout_seconds", "heartbeats"),
    [
        (600, [180, 180, 180]),  # an eighth is less than the first
        (3600, [180, 360, 450, 450]),  # an eighth of the time
        (8 * 3600, [180, 360, 720, 1440, 1800, 1800]),  # never more than half an hour
    ],
)
def test_each_silence_doubles_the_heartbeat_up_to_an_eighth_of_the_time(
    timeout_seconds: int, heartbeats: list[int]
) -> None:
    context = Context(*[SILENCE] * (len(heartbeats) - 1), status("SUCCEEDED"))
    steps = JobSteps(context)

    run(steps, timeout_seconds=timeout_seconds)

    assert context.callbacks == [(timeout_seconds + beat, beat) for beat in heartbeats]
    asked = [message.callback_id for message in steps.messages["check_job"]]
    assert asked == [f"callback-{n}" for n in range(2, len(heartbeats) + 1)]
    assert "cancel_job" not in steps.messages


WAITING = status("SUBMITTED")
PENDING = status("SUBMITTED", service_id="jr_1")  # at its engine
RUNNING = status("RUNNING", service_id="jr_1")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"queue_seconds": 86400, "timeout_seconds": 900}, 86400 + 900 + 3600),
        ({"queue_seconds": 0, "timeout_seconds": 60}, 60 + 3600),
        ({"queue_seconds": 99_999_999, "timeout_seconds": 900}, 99_999_999),  # Lambda's maximum
    ],
)
def test_a_callback_outlasts_waiting_and_running(seconds: dict[str, int], expected: int) -> None:
    context = Context(SILENCE, status("SUCCEEDED"))
    run(JobSteps(context), **seconds)
    assert [timeout for timeout, _ in context.callbacks] == [expected] * 2


@pytest.mark.parametrize(
    ("checks", "heartbeats"),
    [
        ([WAITING] * 7, [180, 360, 720, 1440, 2880, 3600, 3600, 3600]),
        ([PENDING] * 3, [180, 360, 450, 450]),  # an eighth: it may begin at any time
        ([WAITING, WAITING, RUNNING, RUNNING], [180, 360, 720, 1440, 450]),
        ([StageFailed("check-job", "Throttled", "why")] * 2, [180, 360, 720]),
    ],
)
def test_a_silent_watcher_is_relied_on_for_longer_while_a_job_waits_for_a_place(
    checks: list[Any], heartbeats: list[int]
) -> None:
    """Only what a check has said counts: the one that finds it running began before it said so."""
    context = Context(*[SILENCE] * len(checks), status("SUCCEEDED"))
    steps = JobSteps(context, submit_job=[WAITING], check_job=list(checks))

    run(steps, timeout_seconds=3600, queue_seconds=86400)

    assert [beat for _, beat in context.callbacks] == heartbeats


def test_a_submission_says_whose_job_it_is_and_who_waits_for_it() -> None:
    steps = JobSteps(Context(status("SUCCEEDED")))
    run(steps, input_url="s3://in/")
    (message,) = steps.messages["submit_job"]
    assert str(message.key) == "r-1/00000-000/clean/11"
    assert (message.run_attempt, message.retry, message.timeout_seconds) == (2, 1, 900)
    assert (message.callback_id, message.execution_arn) == ("callback-1", "arn:execution")
    assert (message.input_url, message.ended_jobs) == ("s3://in/", ())
    assert (message.queue_seconds, message.pool, message.priority) == (None, None, "normal")


def test_a_submission_says_how_long_and_where_its_job_may_wait() -> None:
    steps = JobSteps(Context(status("SUCCEEDED")))
    run(steps, queue_seconds=7200, pool="night", priority=Priority.LOW)
    (message,) = steps.messages["submit_job"]
    assert (message.queue_seconds, message.pool, message.priority) == (7200, "night", "low")


def test_a_job_that_failed_is_tried_again_after_growing_waits() -> None:
    context = Context()
    ends = [status("FAILED"), status("FAILED"), status("SUCCEEDED")]
    steps = JobSteps(context, submit_job=ends.copy())

    last, reported = run(steps, attempts=3, backoff=STEADY)

    assert (last, reported) == (ends[-1], ends)
    assert context.waits == [5, 10]
    assert [message.retry for message in steps.messages["submit_job"]] == [1, 2, 3]


@pytest.mark.parametrize(("tries", "made"), [(None, 3), (9, 3), (2, 2), (1, 1)])
def test_how_it_failed_may_allow_fewer_tries_but_never_more(tries: int | None, made: int) -> None:
    context = Context()
    steps = JobSteps(context, submit_job=[status("FAILED") for _ in range(5)])
    by_status = None if tries is None else lambda _status: tries

    with pytest.raises(StageFailed, match="JobFailed: job j1: FAILED"):
        run(steps, attempts=3, tries=by_status, backoff=STEADY)

    assert len(steps.messages["submit_job"]) == made
    assert len(context.waits) == made - 1, "nothing waits after the last try"


def test_a_job_is_tried_once_where_nothing_else_is_said() -> None:
    steps = JobSteps(Context(), submit_job=[status("FAILED")])
    with pytest.raises(StageFailed):
        run(steps)
    assert len(steps.messages["submit_job"]) == 1


@pytest.mark.parametrize(
    ("state", "error_type"), [("CANCELLED", "JobCancelled"), ("TIMED_OUT", "JobTimedOut")]
)
def test_what_did_not_fail_by_itself_is_not_tried_again(state: str, error_type: str) -> None:
    steps = JobSteps(Context(), submit_job=[status(state, error="enough")])
    with pytest.raises(StageFailed) as raised:
        run(steps, attempts=3)
    assert (raised.value.stage, raised.value.error_type) == ("clean", error_type)
    assert raised.value.message == "job j1: enough"
    assert raised.value.job == status(state, error="enough")
    assert len(steps.messages["submit_job"]) == 1


def test_an_overdue_job_is_cancelled_once_and_its_end_is_the_jobs() -> None:
    steps = JobSteps(
        Context(SILENCE),
        check_job=[status("RUNNING", overdue=True)],
        cancel_job=[status("TIMED_OUT", error="late")],
    )
    with pytest.raises(StageFailed, match="JobTimedOut: job j1: late"):
        run(steps)
    (message,) = steps.messages["cancel_job"]
    assert message.reason == "still running at its deadline of 900 s"


@pytest.mark.parametrize("lateness", ["no place in pool glue/clean within 7200 s", "never started"])
def test_an_overdue_job_is_cancelled_with_the_deadline_that_it_missed(lateness: str) -> None:
    late = status("SUBMITTED", overdue=True, lateness=lateness)
    steps = JobSteps(Context(SILENCE), check_job=[late], cancel_job=[status("TIMED_OUT")])
    with pytest.raises(StageFailed):
        run(steps, queue_seconds=7200)
    (message,) = steps.messages["cancel_job"]
    assert message.reason == lateness


def test_one_that_cannot_be_cancelled_has_timed_out_and_says_why() -> None:
    steps = JobSteps(
        Context(SILENCE),
        check_job=[status("RUNNING", overdue=True)],
        cancel_job=[failed("cancel-job", "PipelineError", "no grant")],
    )
    with pytest.raises(StageFailed) as raised:
        run(steps)
    assert raised.value.job is not None
    assert raised.value.job.state is JobState.TIMED_OUT
    assert raised.value.job.error == (
        "still running at its deadline of 900 s; it could not be cancelled: no grant"
    )


def test_a_check_that_meets_what_passes_goes_on_waiting() -> None:
    context = Context(SILENCE, status("SUCCEEDED"))
    steps = JobSteps(context, check_job=[failed("check-job", "Throttled")])
    assert run(steps)[0].state is JobState.SUCCEEDED
    assert "cancel_job" not in steps.messages
    assert len(context.callbacks) == 2


@pytest.mark.parametrize("step", ["submit-job", "check-job"])
class TestGivenUp:
    def steps(self, step: str, error: StageFailed, **planned: Any) -> Any:
        return JobSteps(Context(SILENCE), **{step.replace("-", "_"): [error]}, **planned)

    def test_a_job_that_cannot_be_followed_is_stopped_and_reported(self, step: str) -> None:
        error = failed(step, "PipelineError", "x" * 600)
        steps = self.steps(step, error, cancel_job=[status("CANCELLED")])
        ended: list[JobStatus] = []
        with pytest.raises(StageFailed) as raised:
            run_job(
                steps,
                Job(unit=UNIT, stage="clean", engine=Engine.GLUE, timeout_seconds=900),
                ended.append,
            )
        assert (raised.value.stage, raised.value.error_type) == (step, "PipelineError")
        assert raised.value.message == "x" * 600
        assert raised.value.job == status("CANCELLED")
        assert ended == [status("CANCELLED")]
        (message,) = steps.messages["cancel_job"]
        assert message.reason == f"{step} failed: {'x' * 600}"[:500]

    def test_one_that_has_succeeded_all_the_same_is_used(self, step: str) -> None:
        error = failed(step, "PipelineError")
        steps = self.steps(step, error, cancel_job=[status("SUCCEEDED")])
        assert run(steps) == (status("SUCCEEDED"), [status("SUCCEEDED")])

    def test_where_nothing_can_be_stopped_the_first_error_stays(self, step: str) -> None:
        error = failed(step, "PipelineError")
        steps = self.steps(step, error, cancel_job=[failed("cancel-job", "NotFound")])
        ended: list[JobStatus] = []
        job = Job(unit=UNIT, stage="clean", engine=Engine.GLUE, timeout_seconds=900)
        with pytest.raises(StageFailed) as raised:
            run_job(steps, job, ended.append)
        assert raised.value is error
        assert ended == [], "nothing is known of the job"

    def test_the_job_of_another_holder_is_left_alone(self, step: str) -> None:
        error = failed(step, "OwnershipLost")
        steps = self.steps(step, error)
        with pytest.raises(StageFailed) as raised:
            run(steps)
        assert raised.value is error
        assert "cancel_job" not in steps.messages


class TestInvoked:
    def test_a_function_that_is_not_to_begin_any_more_is_not_invoked(self) -> None:
        context = Context()  # it has no `invoke`
        ended = status("SUCCEEDED", engine=Engine.LAMBDA)
        steps = JobSteps(context, submit_job=[ended])
        assert run(steps, engine=Engine.LAMBDA) == (ended, [ended])
        assert context.callbacks == []
        (message,) = steps.messages["submit_job"]
        assert message.callback_id == "arn:execution"

    def test_one_that_could_not_be_submitted_leaves_an_end_that_says_so(self) -> None:
        error = failed("submit-job", "PipelineError")
        steps = JobSteps(Context(), submit_job=[error])
        job = Job(unit=UNIT, stage="clean", engine=Engine.LAMBDA, timeout_seconds=900)
        with pytest.raises(StageFailed):
            run_job(steps, job)
        (end,) = job.ends.pending
        assert (end.key, end.state) == (job.key(1), JobState.FAILED)
        assert end.error == "not invoked: submit-job: PipelineError: why"
        assert "cancel_job" not in steps.messages

    def test_the_next_submission_carries_the_ends_and_they_are_not_sent_twice(self) -> None:
        ends = [status("FAILED", engine=Engine.LAMBDA), status("SUCCEEDED", engine=Engine.LAMBDA)]
        steps = JobSteps(Context(), submit_job=ends)
        job = Job(unit=UNIT, stage="clean", engine=Engine.LAMBDA, timeout_seconds=900, attempts=2)
        job.ends.add(end := JobEnd(key=job.key(1), state=JobState.SUCCEEDED))
        run_job(steps, job)
        assert [message.ended_jobs for message in steps.messages["submit_job"]] == [(end,), ()]
