"""EMR through Run Command: the command submits one step, and the job is the step from then on."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from emr_fakes import CLUSTER, INSTANCE, FakeEmr, FakeSsm
from job_fakes import FakeClock, service_model

from contracts.errors import (
    EngineFull,
    Throttled,
    TransientFailure,
)
from contracts.job import JobKey, JobState
from remote_jobs.engines import emr_ssm, ssm_commands
from remote_jobs.engines.base import JobRequest, RemoteJob
from remote_jobs.engines.emr_ssm import LIST_LAG, EmrSsmJobs
from remote_jobs.engines.ssm_script import add_step_script

CLOCK = FakeClock()
UNKNOWN_COMMAND = "00000000-0000-0000-0000-000000000000"


def job(number: int = 0, service_id: str | None = None) -> RemoteJob:
    key = JobKey(run_id="r" * 40, unit_id=f"00000-{number:03d}", stage="s" * 31, attempt=1)
    return RemoteJob(f"20261120T081500Z-{number:08x}", key, CLUSTER, CLOCK(), service_id)


def request(number: int = 0, timeout_seconds: int = 900) -> JobRequest:
    return JobRequest(job(number), timeout_seconds, {"A": "1"}, script="jobs/a.py")


class World:
    def __init__(self, *, places: int = 256, page: int = 50, seconds: float = 0.0) -> None:
        self.clock = FakeClock()
        self.emr = FakeEmr(self.clock, places=places)
        self.ssm = FakeSsm(self.clock, self.emr, page=page)
        ticks = iter(seconds * n for n in range(1000))
        self.jobs = EmrSsmJobs(
            self.ssm,
            self.emr,
            instance=INSTANCE,
            cluster=CLUSTER,
            code_bucket="code-bucket",
            stopwatch=lambda: next(ticks),
            clock=self.clock,
        )

    def submit(self, number: int = 0) -> RemoteJob:
        return replace(job(number), service_id=self.jobs.submit(request(number)))

    def status(self, known: RemoteJob):
        return self.jobs.status_of_many([known])[known.job_id]


@pytest.fixture
def world() -> World:
    return World()


class TestSubmitting:
    def test_a_command_carries_its_job_and_its_timeout(self, world):
        world.submit()
        (command,) = world.ssm.commands
        limit = service_model("ssm").shape_for("Comment").metadata["max"]
        assert command["Comment"].startswith(f"{job().job_id} ")
        assert len(command["Comment"]) <= limit
        assert ssm_commands.comment(job()) != ssm_commands.comment(
            replace(job(), key=job().key.model_copy(update={"attempt": 2}))
        )
        assert command["timeouts"] == (900, ["900"])
        world.jobs.submit(request(1, timeout_seconds=7 * 24 * 3600))
        longest = (7 * 24 * 3600, ["172800"])
        assert world.ssm.commands[1]["timeouts"] == longest, "as long as Run Command allows"

    def test_the_instance_adds_the_step_of_the_job(self, world):
        world.submit()
        world.ssm.run()
        (step,) = world.emr.steps
        assert step["Name"] == f"{job().job_id} {job().key}"
        assert step["ActionOnFailure"] == "CONTINUE"
        args = ["timeout", "--foreground", "--kill-after=30", "960", "spark-submit"]
        args += ["s3://code-bucket/jobs/a.py", "--A", "1"]
        assert step["Config"] == {"Jar": "command-runner.jar", "Args": args}

    def test_a_full_cluster_is_reported_before_a_command_is_sent(self):
        world = World(places=256)
        for number in range(256):
            world.emr.add_job_flow_steps(
                JobFlowId=CLUSTER,
                Steps=[
                    {
                        "Name": f"{number}",
                        "ActionOnFailure": "CONTINUE",
                        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": []},
                    }
                ],
            )
        with pytest.raises(EngineFull, match="as many active steps"):
            world.submit()
        assert world.ssm.commands == []
        world.emr.finish("COMPLETED")
        world.submit()
        assert len(world.ssm.commands) == 1

    def test_a_look_that_took_long_leaves_no_time_to_submit(self):
        world = World(seconds=emr_ssm.LOOKING_SECONDS + 1)
        with pytest.raises(Throttled, match="too long"):
            world.submit()
        assert world.ssm.commands == []

    def test_a_cluster_that_fills_meanwhile_is_waited_for_by_the_command(self):
        world = World(places=1)
        first, second = world.submit(0), world.submit(1)
        world.ssm.run()
        assert world.status(first).service_id is not None
        assert world.status(second).state is JobState.SUBMITTED
        world.emr.finish("COMPLETED")
        world.ssm.run()
        assert world.status(second).service_id == f"{second.service_id}/s-00001"
        assert len(world.emr.steps) == 2


class TestStatus:
    def test_while_the_command_runs_the_job_is_submitted(self, world):
        known = world.submit()
        for status in ("Pending", "InProgress", "Delayed", "Cancelling"):
            world.ssm.report(world.ssm.commands[0], status, "")
            assert world.status(known).state is JobState.SUBMITTED

    def test_a_command_that_was_sent_just_now_may_be_nowhere_yet(self, world):
        known = world.submit()
        world.ssm.list_command_invocations = lambda **_: {"CommandInvocations": []}
        assert world.status(known).state is JobState.SUBMITTED

    def test_the_step_is_read_from_the_output_and_asked_for(self, world):
        known = world.submit()
        world.ssm.run()
        world.emr.finish("RUNNING")
        world.emr.refuse_once("ListSteps", "ThrottlingException")
        reported = world.status(known)
        assert (reported.state, reported.service_id) == (
            JobState.SUBMITTED,
            f"{known.service_id}/s-00000",
        )
        reported = world.status(known)
        assert (reported.state, reported.service_id) == (
            JobState.RUNNING,
            f"{known.service_id}/s-00000",
        )
        world.emr.finish("PENDING")
        reported = world.status(known)
        assert (reported.state, reported.service_id) == (
            JobState.SUBMITTED,
            f"{known.service_id}/s-00000",
        )
        known = replace(known, service_id=reported.service_id)
        assert world.status(known).state is JobState.SUBMITTED
        world.emr.finish("RUNNING")
        assert world.status(known).state is JobState.RUNNING
        world.emr.finish("COMPLETED")
        assert world.status(known).state is JobState.SUCCEEDED

    @pytest.mark.parametrize(
        ("status", "output", "state"),
        [
            ("Failed", "An error occurred (AccessDeniedException)", JobState.FAILED),
            ("Failed", "Connection reset", JobState.FAILED),
            ("TimedOut", "", JobState.TIMED_OUT),
            ("Cancelled", "", JobState.CANCELLED),
            ("Success", "usage: aws", JobState.FAILED),
        ],
    )
    def test_a_command_that_ends_without_a_step_ends_the_job(self, world, status, output, state):
        known = world.submit()
        world.ssm.report(world.ssm.commands[0], status, output)
        world.clock.advance(LIST_LAG.total_seconds())
        response = world.status(known)
        assert response.state is state
        assert status in response.error
        assert output in response.error
        assert known.service_id in response.console_url

    @pytest.mark.parametrize("status", ["Failed", "TimedOut", "Success"])
    def test_a_step_that_is_not_listed_yet_is_waited_for(self, world, status):
        known = world.submit()
        world.ssm.run()
        world.ssm.report(world.ssm.commands[0], status, "Connection reset")
        listed, world.emr.steps = world.emr.steps, []
        world.clock.advance(LIST_LAG.total_seconds() - 1)
        assert world.status(known).state is JobState.SUBMITTED
        world.emr.steps = listed
        assert world.status(known).service_id == f"{known.service_id}/s-00000"

    @pytest.mark.parametrize(
        ("status", "output"), [("Failed", "An error occurred (X)"), ("Cancelled", "")]
    )
    def test_a_command_that_cannot_have_submitted_is_not_waited_for(self, world, status, output):
        known = world.submit()
        world.ssm.report(world.ssm.commands[0], status, output)
        assert world.status(known).state.ended

    @pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled", "Success"])
    def test_a_step_whose_id_was_lost_is_found_by_its_name(self, world, status):
        known = world.submit()
        world.ssm.run()
        world.ssm.report(world.ssm.commands[0], status, "Connection reset")
        response = world.status(known)
        assert response.service_id == f"{known.service_id}/s-00000"
        assert response.state is JobState.SUBMITTED

    def test_a_command_state_nobody_knows_is_neither_success_nor_failure(self, world):
        known = world.submit()
        world.ssm.report(world.ssm.commands[0], "Hibernating", "")
        assert world.status(known).state is JobState.RUNNING

    def test_fifty_commands_cost_one_request_and_ten_steps_another(self, world):
        known = [world.submit(number) for number in range(100)]
        world.ssm.requests.clear()
        assert len(world.jobs.status_of_many(known)) == 100
        assert len(world.ssm.requests) == 2
        world.ssm.run()
        reported = world.jobs.status_of_many(known)
        known = [replace(each, service_id=reported[each.job_id].service_id) for each in known]
        world.ssm.requests.clear()
        world.emr.requests.clear()
        assert len(world.jobs.status_of_many(known)) == 100
        assert (len(world.ssm.requests), len(world.emr.requests)) == (0, 10)

    def test_what_cannot_be_asked_is_an_error_for_each(self, world):
        known = [world.submit(number) for number in range(2)]
        world.ssm.refuse_once("ListCommandInvocations", "ThrottlingException")
        responses = world.jobs.status_of_many(known)
        assert {type(response) for response in responses.values()} == {Throttled}
        for command in world.ssm.commands:
            world.ssm.report(command, "Failed", "")
        world.emr.refuse_once("ListSteps", "ThrottlingException")
        responses = world.jobs.status_of_many(known)
        assert {type(response) for response in responses.values()} == {Throttled}


class TestCancelling:
    def test_before_the_step_the_command_is_cancelled(self, world):
        known = world.submit()
        assert world.jobs.cancel(known)
        assert world.ssm.commands[0]["Status"] == "Cancelled"
        world.ssm.run()
        assert world.emr.steps == []

    def test_a_step_that_came_meanwhile_is_cancelled_too(self, world):
        known = world.submit()
        world.ssm.run()
        assert world.jobs.cancel(known)
        assert world.emr.steps[0]["Status"]["State"] == "CANCELLED"

    def test_afterwards_the_step_is_cancelled(self, world):
        known = world.submit()
        world.ssm.run()
        known = replace(known, service_id=world.status(known).service_id)
        assert world.jobs.cancel(known)
        assert not world.jobs.cancel(known)
        assert world.ssm.count("CancelCommand") == 0

    def test_a_command_that_does_not_stop_may_still_submit(self, world):
        known = world.submit()
        world.ssm.report(world.ssm.commands[0], "InProgress", "")
        with pytest.raises(TransientFailure, match="not cancelled yet"):
            world.jobs.cancel(known)


class TestScript:
    """The script as a shell runs it, with an `aws` that records its arguments."""

    @pytest.fixture
    def run(self, tmp_path: Path):
        def run(aws: str, name: str = "job", *arguments: str) -> subprocess.CompletedProcess[str]:
            for program, body in {"aws": aws, "sleep": 'echo "slept" >> "$0.log"'}.items():
                path = tmp_path / program
                path.write_text(f"#!/bin/sh\n{body}\n")
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
            command = ["spark-submit", "s3://code/jobs/a.py", *arguments]
            script = add_step_script(CLUSTER, name, command, region="eu-west-1")
            return subprocess.run(  # noqa: S603 - what is tested
                ["/bin/sh", "-c", script],
                env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HERE": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )

        return run

    def test_every_word_arrives_as_it_was(self, run, tmp_path):
        odd = ["it's", 'a "quote"', "$(reboot) `reboot` \\n", "{{ssm:secret}} {{{x}}}", "é\n", ""]
        done = run('printf "%s\\n" "$@" > "$HERE/words"; echo "$AWS_MAX_ATTEMPTS"', "n", *odd)
        words = (tmp_path / "words").read_text().splitlines()
        assert done.stdout == "1\n", "the CLI must not send it twice"
        assert words[:-1] == [
            *("emr", "add-steps", "--region", "eu-west-1", "--cluster-id", CLUSTER),
            *("--output", "json", "--steps"),
        ]
        assert "{{" not in words[-1], "Run Command would fill it in"
        (step,) = json.loads(words[-1])
        assert step["Args"] == ["spark-submit", "s3://code/jobs/a.py", *odd]
        assert (step["Type"], step["Name"]) == ("CUSTOM_JAR", "n")

    @pytest.mark.parametrize(
        "refused",
        [
            "An error occurred (ThrottlingException) when calling AddJobFlowSteps: Rate exceeded",
            "An error occurred (ValidationException): Maximum number of active steps(...) exceeded",
        ],
    )
    def test_a_refusal_is_waited_out(self, run, tmp_path, refused):
        aws = (
            f'[ -e "$HERE/again" ] && echo \'{{"StepIds": ["s-1A"]}}\' && exit 0\n'
            f': > "$HERE/again"; echo "{refused}" >&2; exit 254'
        )
        done = run(aws)
        assert (done.returncode, emr_ssm.STEP_ID.search(done.stdout)[1]) == (0, "s-1A")
        assert (tmp_path / "sleep.log").read_text() == "slept\n"

    def test_any_other_failure_may_have_submitted_and_is_not_tried_again(self, run, tmp_path):
        done = run('echo call >> "$HERE/calls"; echo "Read timeout" >&2; exit 255')
        assert (done.returncode, done.stderr) == (1, "Read timeout\n")
        assert (tmp_path / "calls").read_text() == "call\n"
