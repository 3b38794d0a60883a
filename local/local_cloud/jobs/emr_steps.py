"""Clusters and steps of EMR, and how the API and events describe them."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from local.local_cloud.events.service_events import service_event
from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import ACCOUNT_ID, REGION, ServiceError
from local.local_cloud.jobs.job_queue import JobQueue, Phase, QueuedJob
from local.local_cloud.jobs.spark_submit import SPARK_SUBMIT

BAD_INPUT: Final = "ValidationException"  # of AddJobFlowSteps; the others have INVALID_REQUEST
INVALID_REQUEST: Final = "InvalidRequestException"
LOG_URI: Final = f"s3://aws-logs-{ACCOUNT_ID}-{REGION}/elasticmapreduce/"
_COMMAND_RUNNER: Final = "command-runner.jar"
_TIMEOUT: Final = "timeout"  # the command of GNU coreutils
_LONGEST_ARGUMENTS: Final = 10240  # characters of all texts of a HadoopJarStep
_LONGEST_NAME: Final = 256
_STATES: Final = {
    Phase.WAITING: "PENDING",
    Phase.STARTING: "RUNNING",
    Phase.RUNNING: "RUNNING",
    Phase.STOPPING: "CANCEL_PENDING",
    Phase.SUCCEEDED: "COMPLETED",
    Phase.FAILED: "FAILED",
    Phase.STOPPED: "CANCELLED",
    Phase.TIMED_OUT: "FAILED",
}
# Severity of the event, and what it says of the step.
_EVENTS: Final = {
    "PENDING": ("INFO", "was added to"),
    "RUNNING": ("INFO", "started running in"),
    "CANCEL_PENDING": ("WARN", "is being cancelled in"),
    "COMPLETED": ("INFO", "completed execution in"),
    "FAILED": ("ERROR", "failed in"),
    "CANCELLED": ("WARN", "was cancelled in"),
}
_ID_LETTERS: Final = string.ascii_uppercase + string.digits


@dataclass(eq=False)
class Step:
    """A step; its job has the state.

    Attributes:
        arguments: of `command-runner.jar`.
    """

    id: str
    name: str
    arguments: tuple[str, ...]
    action_on_failure: str
    job: QueuedJob

    @property
    def state(self) -> str:
        return _STATES[self.job.phase]

    def describe(self, cluster: Cluster) -> dict[str, Any]:
        """As ListSteps and DescribeStep return it."""
        return {
            "Id": self.id,
            "Name": self.name,
            "Config": {"Jar": _COMMAND_RUNNER, "Properties": {}, "Args": list(self.arguments)},
            "ActionOnFailure": self.action_on_failure,
            "Status": self._status(cluster),
        }

    def _status(self, cluster: Cluster) -> dict[str, Any]:
        times = {
            "CreationDateTime": self.job.submitted_at,
            "StartDateTime": self.job.began_at,
            "EndDateTime": self.job.ended_at,
        }
        status: dict[str, Any] = {
            "State": self.state,
            "StateChangeReason": {},
            "Timeline": {name: at for name, at in times.items() if at is not None},
        }
        if self.state == "FAILED":
            status["FailureDetails"] = {
                "Reason": "Unknown Error.",
                "Message": self.job.error or "",
                "LogFile": cluster.log_file(self.id, "stderr"),
            }
        return status


@dataclass(eq=False)
class Cluster:
    """A cluster that waits for steps, and those it was given."""

    id: str
    name: str
    concurrency: int
    queue: JobQueue
    steps: dict[str, Step] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)

    @property
    def arn(self) -> str:
        return f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT_ID}:cluster/{self.id}"

    def summary(self) -> dict[str, Any]:
        """As ListClusters returns it."""
        timeline = {"CreationDateTime": self.created_at, "ReadyDateTime": self.created_at}
        return {
            "Id": self.id,
            "Name": self.name,
            "Status": {
                "State": "RUNNING" if len(self.queue) else "WAITING",
                "StateChangeReason": {"Message": "Cluster ready to run steps."},
                "Timeline": timeline,
            },
            "NormalizedInstanceHours": 0,
            "ClusterArn": self.arn,
        }

    def describe(self) -> dict[str, Any]:
        """As DescribeCluster returns it."""
        return {
            **self.summary(),
            "LogUri": LOG_URI,
            "ReleaseLabel": "emr-7.9.0",
            "Applications": [{"Name": "Spark"}],
            "AutoTerminate": False,
            "TerminationProtected": False,
            "StepConcurrencyLevel": self.concurrency,
        }

    def log_file(self, step_id: str, kind: str) -> str:
        """The URL of a step's `stdout` or `stderr`, gzip."""
        return f"{LOG_URI}{self.id}/steps/{step_id}/{kind}.gz"


@dataclass(frozen=True)
class StepConfig:
    """A step as it is asked for.

    Attributes:
        submit_words: what follows `spark-submit` in its arguments.
        timeout_seconds: from `timeout`, if its command line begins with that.
    """

    name: str
    arguments: tuple[str, ...]
    action_on_failure: str
    submit_words: tuple[str, ...]
    timeout_seconds: float | None

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> StepConfig:
        """Read one of AddJobFlowSteps' `Steps`.

        Raises:
            ServiceError: it is wrong, or cannot be run here.
        """
        name = str(request.get("Name") or "")
        if not name or len(name) > _LONGEST_NAME:
            raise ServiceError(BAD_INPUT, f"a step's Name has 1 to {_LONGEST_NAME} characters")
        jar = request.get("HadoopJarStep") or {}
        arguments = tuple(str(argument) for argument in jar.get("Args") or ())
        location = str(jar.get("Jar") or "")
        if len(location) + sum(map(len, arguments)) > _LONGEST_ARGUMENTS:
            raise ServiceError(
                BAD_INPUT, f"Size of an individual step exceeded {_LONGEST_ARGUMENTS} characters."
            )
        timeout, command = _without_timeout(arguments)
        if location != _COMMAND_RUNNER or command[:1] != (SPARK_SUBMIT,):
            what = f"{location} {command[0] if command else ''}".strip()
            raise not_emulated(f"EMR steps other than {_COMMAND_RUNNER} {SPARK_SUBMIT}: {what}")
        action = str(request.get("ActionOnFailure") or "CONTINUE")
        if action != "CONTINUE":
            raise not_emulated(f"the ActionOnFailure {action} of EMR steps")
        return cls(name, arguments, action, command[1:], timeout)


def _without_timeout(arguments: tuple[str, ...]) -> tuple[float | None, tuple[str, ...]]:
    """The seconds after which a command line has itself ended, and the rest of it."""
    if arguments[:1] != (_TIMEOUT,):
        return None, arguments
    words = list(arguments[1:])
    while words and (words[0] == "--foreground" or words[0].startswith("--kill-after=")):
        words.pop(0)
    try:
        return float(words[0]), tuple(words[1:])
    except (IndexError, ValueError):
        raise not_emulated(f"the step {' '.join(arguments[:3])}") from None


def new_step_id() -> str:
    """An id in EMR's form."""
    return "s-" + "".join(secrets.choice(_ID_LETTERS) for _ in range(20))


def step_event(cluster: Cluster, step: Step, phase: Phase) -> dict[str, Any]:
    """`EMR Step Status Change`, with the words that EMR's documentation shows."""
    state = _STATES[phase]
    severity, verb = _EVENTS[state]
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    detail = {
        "severity": severity,
        "actionOnFailure": step.action_on_failure,
        "stepId": step.id,
        "name": step.name,
        "clusterId": cluster.id,
        "state": state,
        "message": f"Step {step.id} ({step.name}) {verb} Amazon EMR cluster {cluster.id} "
        f"({cluster.name}) at {moment}.",
    }
    return service_event("aws.emr", "EMR Step Status Change", detail)
