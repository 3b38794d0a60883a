"""EMR on EC2: steps that carry their job, few requests, refusals distinguished."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from emr_fakes import CLUSTER, FakeEmr
from job_fakes import FakeClock

from contracts.errors import (
    EngineFull,
    NotFound,
    Throttled,
    TransientFailure,
)
from contracts.job import JobKey, JobState
from remote_jobs.engines.base import EngineStatus, JobRequest, RemoteJob
from remote_jobs.engines.emr import EmrJobs
from remote_jobs.engines.emr_steps import timeout_words

CLOCK = FakeClock()


def job(number: int = 0, service_id: str | None = None, cluster: str = CLUSTER) -> RemoteJob:
    key = JobKey(run_id="r" * 40, unit_id=f"00000-{number:03d}", stage="s" * 31, attempt=1)
    return RemoteJob(f"20261120T081500Z-{number:08x}", key, cluster, CLOCK(), service_id)


def request(number: int = 0, **about: object) -> JobRequest:
    return replace(JobRequest(job(number), 900, {"A": "1"}, script="jobs/a.py"), **about)


@pytest.fixture
def emr() -> FakeEmr:
    return FakeEmr(CLOCK, CLUSTER, "j-OTHER")


@pytest.fixture
def jobs(emr: FakeEmr) -> EmrJobs:
    return EmrJobs(emr, CLUSTER, "code-bucket")


def submitted(jobs: EmrJobs, count: int) -> list[RemoteJob]:
    return [replace(job(n), service_id=jobs.submit(request(n))) for n in range(count)]


class TestCancellingMany:
    def test_those_that_emr_refuses_to_cancel_are_reported(self, jobs, emr):
        known = submitted(jobs, 12)
        emr.finish("COMPLETED", step=0)
        emr.finish("CANCEL_PENDING", step=1)
        cancel = emr._cancel_step

        def refuse_the_third(step):
            if step is emr.steps[2]:
                return {"StepId": step["Id"], "Status": "FAILED", "Reason": "not now"}
            return cancel(step)

        emr._cancel_step = refuse_the_third
        errors = jobs.cancel_many(known)
        assert set(errors) == {known[2].job_id}
        assert "not now" in str(errors[known[2].job_id])
        assert emr.count("CancelSteps") == 1


@pytest.mark.skipif(shutil.which("timeout") is None, reason="no GNU timeout on this machine")
class TestItsOwnTimeout:
    """The words in front of spark-submit, as the cluster's own `timeout` understands them."""

    def run(self, seconds: int, script: str) -> subprocess.Popen[str]:
        command = [*timeout_words(seconds), sys.executable, "-u", "-c", script]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603

    def test_a_step_that_takes_too_long_is_ended(self):
        with self.run(1, "import time; time.sleep(60)") as step:
            assert step.wait() == 124

    def test_a_step_in_time_ends_as_it_does(self):
        with self.run(60, "raise SystemExit(3)") as step:
            assert step.wait() == 3

    def test_what_cancels_the_step_reaches_the_command(self):
        script = "import os, time; print(os.getpid()); time.sleep(60)"
        with self.run(60, script) as step:
            assert step.stdout is not None
            command = int(step.stdout.readline())
            assert os.getpgid(command) == os.getpgid(step.pid)
            step.terminate()
            step.wait()
            with pytest.raises(ProcessLookupError):
                os.kill(command, 0)


class TestSubmitting:
    def test_a_step_carries_its_job_and_never_stops_the_cluster(self, jobs, emr):
        jobs.submit(request(spark_arguments=("--num-executors", "2")))
        (step,) = emr.steps
        assert step["Name"] == f"{job().job_id} {job().key}"
        assert len(step["Name"]) <= 256
        assert step["ActionOnFailure"] == "CONTINUE"
        assert step["Config"] == {
            "Jar": "command-runner.jar",
            "Args": [
                *("timeout", "--foreground", "--kill-after=30", "960"),
                *("spark-submit", "--num-executors", "2"),
                *("s3://code-bucket/jobs/a.py", "--A", "1"),
            ],
        }

    def test_a_full_cluster_is_full_and_not_failed(self, jobs):
        jobs = EmrJobs(FakeEmr(CLOCK, places=1), CLUSTER, "code-bucket")
        jobs.submit(request(0))
        with pytest.raises(EngineFull, match="Maximum number of active steps"):
            jobs.submit(request(1))


class TestFinding:
    def test_older_steps_are_not_gone_through(self):
        clock = FakeClock()
        emr = FakeEmr(clock, page=2)
        jobs = EmrJobs(emr, CLUSTER, "code-bucket")
        submitted(jobs, 20)
        clock.advance(3600)
        assert jobs.find(replace(job(99), asked_at=clock())) is None
        assert emr.count("ListSteps") == 1


class TestStatus:
    def test_each_cluster_is_asked_for_its_own(self, jobs, emr):
        here = submitted(jobs, 1)[0]
        there = replace(request(1), job=job(1, cluster="j-OTHER"))
        there = replace(there.job, service_id=jobs.submit(there))
        emr.finish("RUNNING")
        responses = jobs.status_of_many([here, there])
        assert responses[there.job_id].state is JobState.RUNNING
        assert responses[here.job_id].state is JobState.SUBMITTED

    def test_one_unknown_step_does_not_hide_the_others(self, jobs, emr):
        known = submitted(jobs, 3)
        gone = job(7, "s-GONE")
        responses = jobs.status_of_many([*known, gone])
        assert isinstance(responses[gone.job_id], NotFound)
        assert all(isinstance(responses[each.job_id], EngineStatus) for each in known)
        assert emr.count("ListSteps") == 2
        assert isinstance(jobs.status_of_many([gone])[gone.job_id], NotFound)

    def test_steps_of_an_unknown_cluster_are_not_said_to_be_gone_unless_asked_alone(self, jobs):
        lost = [job(n, f"s-{n:05d}", cluster="j-NOWHERE") for n in range(2)]
        responses = jobs.status_of_many(lost)
        assert not any(isinstance(response, NotFound) for response in responses.values())
        assert isinstance(jobs.status_of_many(lost[:1])[lost[0].job_id], NotFound)

    def test_a_throttled_batch_leaves_the_next(self, jobs, emr):
        known = submitted(jobs, 20)
        emr.refuse_once("ListSteps", "ThrottlingException")
        responses = jobs.status_of_many(known)
        assert [type(responses[each.job_id]) for each in known] == [Throttled] * 10 + [
            EngineStatus
        ] * 10

    def test_a_failed_step_has_its_error_and_its_links(self, jobs, emr):
        (known,) = submitted(jobs, 1)
        emr.finish("FAILED", "Exit code 1")
        response = jobs.status_of_many([known])[known.job_id]
        assert response.state is JobState.FAILED
        assert response.error == "Error.: Exit code 1"
        assert response.log_url == "s3://logs/stderr.gz"
        assert response.console_url.endswith(f"#/clusterDetails/{CLUSTER}")


class TestCancelling:
    def test_a_step_that_was_not_cancelled_is_an_error(self, jobs, emr):
        (known,) = submitted(jobs, 1)
        emr.finish("HIBERNATING")
        with pytest.raises(TransientFailure, match="not in a valid state"):
            jobs.cancel(known)
