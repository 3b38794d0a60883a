"""Amazon EMR on EC2 through Systems Manager: an instance submits the step, by Run Command.

For clusters that only an instance inside may reach. The engine's id of a job is the command's id
at first, and `<command id>/<step id>` once the command has reported its step. SendCommand takes no
idempotency token: the command carries the job as its comment, the step as its name. A command that
ended without reporting a step may have submitted one, so the step is looked for before the job
fails, for as long as EMR's list may lag behind.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.errors import EngineFull, PipelineError, Throttled, TransientFailure
from contracts.job import Engine, JobState
from remote_jobs.engines.base import (
    EngineStatus,
    JobRequest,
    RemoteJob,
    Response,
    mapped,
)
from remote_jobs.engines.emr_steps import QUOTA, EmrSteps, step_command, step_name, step_pool
from remote_jobs.engines.ssm_commands import Commands, Invocation
from remote_jobs.engines.ssm_script import add_step_script
from runtime import clients
from runtime.handler import Clock, utc_now

# Of the command, which only submits: its success is not the job's.
STATES: Final[Mapping[str, JobState]] = {
    "Pending": JobState.SUBMITTED,
    "Delayed": JobState.SUBMITTED,
    "InProgress": JobState.SUBMITTED,
    "Cancelling": JobState.SUBMITTED,
    "Success": JobState.SUBMITTED,
    "Cancelled": JobState.CANCELLED,
    "TimedOut": JobState.TIMED_OUT,
    "Failed": JobState.FAILED,
}
STEP_ID: Final = re.compile(r'"(s-[0-9A-Z]+)"')
OUTPUT_CHARACTERS: Final = 500
# Looking whether the cluster is full must leave time to submit before another call may try.
LOOKING_SECONDS: Final = 3.0
# How long after a command's end a step that it submitted may be missing in EMR's list.
LIST_LAG: Final = timedelta(minutes=2)
REFUSED: Final = "An error occurred ("  # as the AWS CLI reports what a service responded


class EmrSsmJobs:
    """Steps of one cluster, each submitted by a command on one instance."""

    engine = Engine.EMR_SSM
    recognises_repeats = False
    finds_others_jobs = True
    quota = QUOTA

    def __init__(
        self,
        ssm: Any,
        emr: Any,
        *,
        instance: str,
        cluster: str,
        code_bucket: str,
        stopwatch: Callable[[], float] = time.monotonic,
        clock: Clock = utc_now,
    ) -> None:
        self._commands = Commands(ssm, instance)
        self._region = ssm.meta.region_name
        self._steps = EmrSteps(emr, self.engine)
        self._cluster = cluster
        self._code_bucket = code_bucket
        self._stopwatch = stopwatch
        self._clock = clock

    def target(self, name: str | None) -> str:  # noqa: ARG002 - the cluster is the only place
        return self._cluster

    @staticmethod
    def pool(target: str) -> str:
        return step_pool(target)

    def capacity(self, target: str) -> int:
        return self._steps.capacity(target)

    def submit(self, request: JobRequest) -> str:
        job = request.job
        script = add_step_script(
            job.target,
            step_name(job),
            step_command(request, self._code_bucket),
            region=self._region,
        )
        self._see_that_there_is_room(job.target)
        return self._commands.send(job, script, request.timeout_seconds)

    def find(self, job: RemoteJob) -> str | None:
        return self._commands.find(job)

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Response]:
        steps: dict[str, RemoteJob] = {}
        commands: dict[str, RemoteJob] = {}
        for job in jobs:
            command_id, _, step_id = job.known_id.partition("/")
            if step_id:
                steps[step_id] = job
            else:
                commands[command_id] = job
        responses = self._status_of_commands(commands)
        by_id = {job.job_id: job for job in commands.values()}
        for job_id, response in responses.items():
            if isinstance(response, EngineStatus) and response.service_id:
                steps[response.service_id.partition("/")[2]] = by_id[job_id]
        for job_id, response in self._steps.status_of_many(steps).items():
            responses[job_id] = _with_id_of(responses.get(job_id), response)
        return responses

    def cancel(self, job: RemoteJob) -> bool:
        command_id, _, step_id = job.known_id.partition("/")
        if not step_id:
            self._cancel_command(command_id)
            step_id = self._steps.find([job]).get(job.job_id, "")
        return not step_id or self._steps.cancel(job.target, step_id)

    def cancel_many(self, jobs: Sequence[RemoteJob]) -> dict[str, PipelineError]:
        """The commands one by one, their steps together."""
        steps: dict[str, RemoteJob] = {}
        without: list[RemoteJob] = []
        errors: dict[str, PipelineError] = {}
        for job in jobs:
            command_id, _, step_id = job.known_id.partition("/")
            if step_id:
                steps[step_id] = job
                continue
            try:
                self._cancel_command(command_id)
            except PipelineError as error:
                errors[job.job_id] = error
            else:
                without.append(job)
        found, failed = self._find_each(without)
        steps |= {found[job.job_id]: job for job in without if job.job_id in found}
        return errors | failed | self._steps.cancel_many(steps)

    def _cancel_command(self, command_id: str) -> None:
        """Stop the command, and see that it cannot submit any more.

        Raises:
            TransientFailure: it is still being stopped.
        """
        self._commands.cancel(command_id)
        state = self._commands.invocation(command_id).get("Status", "Pending")
        if state != "Success" and not mapped(self.engine, STATES, state).ended:
            raise TransientFailure(f"command {command_id} is not cancelled yet: {state}")

    def _see_that_there_is_room(self, cluster: str) -> None:
        """A full cluster is waited for durably, not by a command that waits on the instance."""
        started = self._stopwatch()
        if self._steps.is_full(cluster):
            raise EngineFull(f"EMR cluster {cluster} has as many active steps as it may have")
        if self._stopwatch() - started > LOOKING_SECONDS:
            raise Throttled(f"EMR cluster {cluster} took too long to list its steps")

    def _status_of_commands(self, commands: dict[str, RemoteJob]) -> dict[str, Response]:
        """The status of jobs whose steps are not known, `commands` by command id."""
        responses: dict[str, Response] = {}
        lost: dict[str, Invocation] = {}
        for command_id, invocation in self._commands.invocations(commands).items():
            job = commands[command_id]
            if isinstance(invocation, PipelineError):
                responses[job.job_id] = invocation
                continue
            state = invocation.get("Status", "Pending")  # none yet: it was sent just now
            reported = STEP_ID.search(_output(invocation)) if state == "Success" else None
            if reported:
                responses[job.job_id] = self._submitted(command_id, reported[1])
            elif state == "Success" or mapped(self.engine, STATES, state).ended:
                lost[command_id] = invocation
            else:
                responses[job.job_id] = EngineStatus(mapped(self.engine, STATES, state), state)
        return responses | self._status_without_step(commands, lost)

    def _status_without_step(
        self, commands: Mapping[str, RemoteJob], lost: Mapping[str, Invocation]
    ) -> dict[str, Response]:
        """Jobs whose commands ended without a step's id: perhaps there is a step all the same."""
        steps, errors = self._find_each([commands[command_id] for command_id in lost])
        responses: dict[str, Response] = dict(errors)
        for command_id, invocation in lost.items():
            job_id = commands[command_id].job_id
            if job_id in steps:
                responses[job_id] = self._submitted(command_id, steps[job_id])
            elif job_id not in responses:
                responses[job_id] = self._without_step(invocation)
        return responses

    def _find_each(
        self, jobs: Sequence[RemoteJob]
    ) -> tuple[dict[str, str], dict[str, PipelineError]]:
        """Step ids of jobs of any cluster, and why some could not be looked for; by our job id."""
        by_cluster: dict[str, list[RemoteJob]] = defaultdict(list)
        for job in jobs:
            by_cluster[job.target].append(job)
        steps: dict[str, str] = {}
        errors: dict[str, PipelineError] = {}
        for of_cluster in by_cluster.values():
            try:
                steps |= self._steps.find(of_cluster)
            except PipelineError as error:
                errors |= {job.job_id: error for job in of_cluster}
        return steps, errors

    def _without_step(self, invocation: Invocation) -> EngineStatus:
        """Failed, once a step could not be missing in the list any more."""
        began = any(plugin.get("ResponseStartDateTime") for plugin in _plugins(invocation))
        may_be_there = began and REFUSED not in _output(invocation)
        if may_be_there and self._clock() < _ended_at(invocation) + LIST_LAG:
            return EngineStatus(JobState.SUBMITTED, invocation["Status"])
        return self._failed(invocation)

    def _submitted(self, command_id: str, step_id: str) -> EngineStatus:
        """The command's part is done; from here on the step's state counts."""
        return EngineStatus(JobState.SUBMITTED, "Success", service_id=f"{command_id}/{step_id}")

    def _failed(self, invocation: Invocation) -> EngineStatus:
        raw_state, region = invocation["Status"], self._region
        state = mapped(self.engine, STATES, raw_state)
        why = invocation.get("StatusDetails") or raw_state
        output = _output(invocation).strip()[-OUTPUT_CHARACTERS:]
        return EngineStatus(
            state if state.ended else JobState.FAILED,
            raw_state,
            error=f"no step was submitted; its command ended as {why}: {output}".rstrip(": "),
            console_url=(
                f"{clients.console(region)}/systems-manager/run-command/"
                f"{invocation['CommandId']}?region={region}"
            ),
            ended_at=_ended_at(invocation),
        )


def _with_id_of(command: Response | None, step: Response) -> Response:
    """The step's state, with the job's id if the command has just reported it."""
    if not isinstance(command, EngineStatus):
        return step
    if not isinstance(step, EngineStatus):  # it is asked for again, by its id
        return command
    return replace(step, service_id=command.service_id)


def _ended_at(invocation: Invocation) -> datetime:
    """When the command ended; when it was asked for, if it never came to the instance."""
    times: list[datetime | None] = [invocation["RequestedDateTime"]]
    times += [plugin.get("ResponseFinishDateTime") for plugin in _plugins(invocation)]
    return max(time for time in times if time is not None)


def _plugins(invocation: Invocation) -> list[Mapping[str, Any]]:
    plugins: list[Mapping[str, Any]] = invocation.get("CommandPlugins", [])
    return plugins


def _output(invocation: Invocation) -> str:
    return "\n".join(plugin.get("Output", "") for plugin in _plugins(invocation))
