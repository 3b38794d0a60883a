"""Glue jobs and their runs, and how the API describes them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from local.local_cloud.events.service_events import service_event
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs.glue_python import interpreter_for
from local.local_cloud.processes import JobProcess

PYTHON_SHELL: Final = "pythonshell"
SPARK: Final = "glueetl"
_LOG_GROUPS: Final = {PYTHON_SHELL: "/aws-glue/python-jobs", SPARK: "/aws-glue/jobs"}
DEFAULT_TIMEOUT_MINUTES: Final = 2880.0
# Properties of AWS::Glue::Job that are emulated, or that change nothing here (sizes, versions,
# words for people).
_KNOWN: Final = frozenset(
    {"Name", "Description", "Role", "Command", "DefaultArguments", "NonOverridableArguments"}
    | {"ExecutionProperty", "Timeout", "MaxRetries", "JobRunQueuingEnabled", "GlueVersion"}
    | {"MaxCapacity", "AllocatedCapacity", "WorkerType", "NumberOfWorkers", "ExecutionClass"}
    | {"Tags", "JobMode", "LogUri"}
)
# Arguments that Glue itself acts on, and whose absence a script would notice.
_UNANSWERED_ARGUMENTS: Final = frozenset(
    {"--additional-python-modules", "--extra-py-files", "--extra-files", "--extra-jars"}
    | {"--python-modules-installer-option", "--job-bookmark-option"}
)

_INSTALLED: Final = ": the script finds what its environment here has"
_NOTES: Final = {"--additional-python-modules": _INSTALLED, "--extra-py-files": _INSTALLED}


class RunState(StrEnum):
    """JobRunState, as far as it occurs here."""

    WAITING = "WAITING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"

    @property
    def ended(self) -> bool:
        return self in (RunState.STOPPED, RunState.SUCCEEDED, RunState.FAILED, RunState.TIMEOUT)

    @property
    def counts(self) -> bool:
        """Whether it takes one of the job's MaxConcurrentRuns."""
        return self in (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)


@dataclass(frozen=True)
class JobDefinition:
    """A job as the template defines it.

    Attributes:
        command: `pythonshell` or `glueetl`.
        script_location: `s3://bucket/key`.
        timeout_minutes: of a run that names none; may be a fraction.
        shown: what GetJob returns, without the times.
        python_version: as the definition names it, such as `3.9`.
        warnings: what of the definition is not emulated, one sentence each.
    """

    name: str
    role: str
    command: str
    script_location: str
    default_arguments: Mapping[str, str]
    fixed_arguments: Mapping[str, str]
    max_concurrent_runs: int
    timeout_minutes: float
    queuing: bool
    shown: Mapping[str, Any]
    warnings: tuple[str, ...]
    python_version: str = ""
    created_on: float = field(default_factory=time.time)

    @classmethod
    def from_properties(cls, name: str, properties: Mapping[str, Any]) -> JobDefinition:
        """Read the properties of an AWS::Glue::Job, references resolved.

        Raises:
            ServiceError: the job cannot be run here; says why.
        """
        command = properties.get("Command") or {}
        if command.get("Name") not in _LOG_GROUPS:
            raise ServiceError(
                "InvalidInputException",
                f"Glue job {name}: the local cloud runs only the commands {PYTHON_SHELL!r} and "
                f"{SPARK!r}, not {command.get('Name')!r}",
            )
        location = str(command.get("ScriptLocation") or "")
        if not location.startswith("s3://"):
            raise ServiceError(
                "InvalidInputException",
                f"Glue job {name}: Command.ScriptLocation must be an s3:// URL, not {location!r}",
            )
        execution = properties.get("ExecutionProperty") or {}
        return cls(
            name=name,
            role=str(properties.get("Role", "")),
            command=str(command["Name"]),
            script_location=location,
            default_arguments=_arguments(properties, "DefaultArguments"),
            fixed_arguments=_arguments(properties, "NonOverridableArguments"),
            max_concurrent_runs=int(execution.get("MaxConcurrentRuns", 1)),
            timeout_minutes=float(properties.get("Timeout", DEFAULT_TIMEOUT_MINUTES)),
            queuing=_is_true(properties.get("JobRunQueuingEnabled")),
            shown={k: v for k, v in properties.items() if k not in ("Name", "Tags")},
            warnings=tuple(_warnings(name, properties)),
            python_version=str(command.get("PythonVersion") or ""),
        )

    @property
    def is_spark(self) -> bool:
        return self.command == SPARK

    @property
    def log_group(self) -> str:
        """What the names of its log groups begin with."""
        return _LOG_GROUPS[self.command]

    def as_job(self) -> dict[str, Any]:
        """The `Job` of GetJob."""
        return {
            **self.shown,
            "Name": self.name,
            "Timeout": _minutes(self.timeout_minutes),
            "ExecutionProperty": {"MaxConcurrentRuns": self.max_concurrent_runs},
            "CreatedOn": self.created_on,
            "LastModifiedOn": self.created_on,
        }


@dataclass
class JobRun:
    """One run; its owner changes it under a lock.

    Attributes:
        arguments: those of StartJobRun, which GetJobRun shows.
        stop_requested: by BatchStopJobRun, or by the end of the service.
    """

    job: JobDefinition
    arguments: Mapping[str, str]
    timeout_minutes: float
    queuing: bool
    state: RunState
    id: str = field(default_factory=lambda: f"jr_{secrets.token_hex(32)}")
    started_on: float = field(default_factory=time.time)
    modified_on: float = field(default_factory=time.time)
    began_on: float | None = None
    completed_on: float | None = None
    error: str | None = None
    detail: str | None = None
    stop_requested: bool = False
    process: JobProcess | None = None
    thread: threading.Thread | None = None

    def all_arguments(self) -> dict[str, str]:
        """The run's own and the job's."""
        return {**self.job.default_arguments, **self.arguments, **self.job.fixed_arguments}

    def command_line(self) -> list[str]:
        """What the script finds in `sys.argv[1:]`."""
        pairs = {"--JOB_NAME": self.job.name, "--JOB_RUN_ID": self.id, **self.all_arguments()}
        return [part for pair in pairs.items() for part in pair]

    def as_job_run(self) -> dict[str, Any]:
        """The `JobRun` of GetJobRun."""
        began = self.began_on or self.completed_on or time.time()
        shown: dict[str, Any] = {
            "Id": self.id,
            "Attempt": 0,
            "JobName": self.job.name,
            "JobRunState": str(self.state),
            "JobRunQueuingEnabled": self.queuing,
            "Arguments": dict(self.arguments),
            "StartedOn": self.started_on,
            "LastModifiedOn": self.modified_on,
            "ExecutionTime": int((self.completed_on or time.time()) - began),
            "Timeout": _minutes(self.timeout_minutes),
            "LogGroupName": self.job.log_group,
            "PredecessorRuns": [],
        }
        optional = {
            "CompletedOn": self.completed_on,
            "ErrorMessage": self.error,
            "StateDetail": self.detail,
            "GlueVersion": self.job.shown.get("GlueVersion"),
            "MaxCapacity": self.job.shown.get("MaxCapacity"),
        }
        return shown | {name: value for name, value in optional.items() if value is not None}


def ended_event(run: JobRun) -> dict[str, Any]:
    """`Glue Job State Change` of an ended run: the words that Glue's documentation shows."""
    severity, message = {
        RunState.SUCCEEDED: ("INFO", "Job run succeeded"),
        RunState.STOPPED: ("INFO", "Job run stopped"),
        RunState.TIMEOUT: ("WARN", "Job run timed out"),
        RunState.FAILED: (
            "ERROR",
            f"JobName:{run.job.name} and JobRunId:{run.id} failed to execute with exception "
            f"{run.error}",
        ),
    }[run.state]
    detail = {
        "jobName": run.job.name,
        "severity": severity,
        "state": str(run.state),
        "jobRunId": run.id,
        "message": message,
    }
    return service_event("aws.glue", "Glue Job State Change", detail)


def _arguments(properties: Mapping[str, Any], name: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in (properties.get(name) or {}).items()}


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _minutes(value: float) -> int:
    """A timeout as the API reports it: whole minutes, at least one (tests use fractions)."""
    return max(1, round(value))


def _warnings(name: str, properties: Mapping[str, Any]) -> list[str]:
    found = sorted(set(properties) - _KNOWN)
    if int(properties.get("MaxRetries") or 0) > 0:
        found.append("MaxRetries")
    found += sorted(_UNANSWERED_ARGUMENTS & set(properties.get("DefaultArguments") or {}))
    notes = [f"Glue job {name}: {what} is not emulated{_NOTES.get(what, '')}" for what in found]
    command = properties.get("Command") or {}
    if command.get("Name") == PYTHON_SHELL:
        note = interpreter_for(str(command.get("PythonVersion") or "")).note
        notes += [f"Glue job {name} {note}"] if note else []
    return notes
