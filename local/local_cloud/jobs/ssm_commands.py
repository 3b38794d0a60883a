"""Commands of Systems Manager, and how the API and events describe them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from local.local_cloud.events.service_events import service_event
from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import ACCOUNT_ID, REGION, ServiceError
from local.local_cloud.jobs.job_queue import Phase, QueuedJob
from local.local_cloud.jobs.job_runner import CannotRunError, Prepare, Program

DOCUMENT: Final = "AWS-RunShellScript"
INVALID_PARAMETERS: Final = "InvalidParameters"
_PLUGIN: Final = "aws:runShellScript"
_LONGEST_OUTPUT: Final = 24_000
_LONGEST_ERRORS: Final = 8_000
_LONGEST_PLUGIN_OUTPUT: Final = 2_500
_LONGEST_COMMENT: Final = 100
_CUT: Final = "\n---Output truncated---"
_EXECUTION_SECONDS: Final = 3600
_DELIVERY_SECONDS: Final = 3600
_PARAMETERS: Final = frozenset({"commands", "workingDirectory", "executionTimeout"})
_UNANSWERED: Final = (
    "Targets",
    "OutputS3BucketName",
    "NotificationConfig",
    "CloudWatchOutputConfig",
    "AlarmConfiguration",
)
# Status and StatusDetails.
_STATUSES: Final = {
    Phase.WAITING: ("Pending", "Pending"),
    Phase.STARTING: ("InProgress", "InProgress"),
    Phase.RUNNING: ("InProgress", "InProgress"),
    Phase.STOPPING: ("Cancelling", "Cancelling"),
    Phase.SUCCEEDED: ("Success", "Success"),
    Phase.FAILED: ("Failed", "Failed"),
    Phase.STOPPED: ("Cancelled", "Cancelled"),
    Phase.TIMED_OUT: ("TimedOut", "Execution Timed Out"),
}


@dataclass(eq=False)
class Invocation:
    """A command on its one instance; its job has the state.

    Attributes:
        output, errors: files of what it has written.
    """

    id: str
    instance_id: str
    comment: str
    parameters: Mapping[str, list[str]]
    delivery_seconds: int
    job: QueuedJob
    output: Path
    errors: Path

    @property
    def status(self) -> str:
        return _STATUSES[self.job.phase][0]

    def describe(self) -> dict[str, Any]:
        """As GetCommandInvocation returns it; output only of an ended one."""
        job = self.job
        ended_at = job.ended_at
        elapsed = (ended_at or time.time()) - (job.began_at or ended_at or time.time())
        return {
            "CommandId": self.id,
            "InstanceId": self.instance_id,
            "Comment": self.comment,
            "DocumentName": DOCUMENT,
            "DocumentVersion": "$DEFAULT",
            "PluginName": _PLUGIN,
            "ResponseCode": self._response_code(),
            "ExecutionStartDateTime": _iso(job.began_at),
            "ExecutionElapsedTime": f"PT{elapsed:.3f}S" if job.began_at else "",
            "ExecutionEndDateTime": _iso(ended_at),
            **self._statuses(),
            "StandardOutputContent": self._written(self.output, _LONGEST_OUTPUT),
            "StandardOutputUrl": "",
            "StandardErrorContent": self._error_output(),
            "StandardErrorUrl": "",
            "CloudWatchOutputConfig": {"CloudWatchOutputEnabled": False},
        }

    def as_command(self) -> dict[str, Any]:
        """As SendCommand and ListCommands return it."""
        return {
            "CommandId": self.id,
            "DocumentName": DOCUMENT,
            "DocumentVersion": "$DEFAULT",
            "Comment": self.comment,
            "ExpiresAfter": self.job.submitted_at + self.delivery_seconds + self.execution_seconds,
            "Parameters": dict(self.parameters),
            "InstanceIds": [self.instance_id],
            "Targets": [],
            "RequestedDateTime": self.job.submitted_at,
            **self._statuses(),
            "TargetCount": 1,
            "CompletedCount": int(self.job.phase.ended),
            "ErrorCount": int(self.job.phase is Phase.FAILED),
            "DeliveryTimedOutCount": 0,
            "TimeoutSeconds": self.delivery_seconds,
        }

    def as_list_item(self, *, details: bool) -> dict[str, Any]:
        """As ListCommandInvocations returns it."""
        plugin: dict[str, Any] = {
            "Name": _PLUGIN,
            "ResponseCode": self._response_code(),
            "Output": self._written(self.output, _LONGEST_PLUGIN_OUTPUT),
            **self._statuses(),
        }
        return {
            "CommandId": self.id,
            "InstanceId": self.instance_id,
            "InstanceName": "",
            "Comment": self.comment,
            "DocumentName": DOCUMENT,
            "DocumentVersion": "$DEFAULT",
            "RequestedDateTime": self.job.submitted_at,
            **self._statuses(),
            "CommandPlugins": [plugin] if details else [],
        }

    @property
    def execution_seconds(self) -> float:
        return self.job.timeout_seconds or _EXECUTION_SECONDS

    def _statuses(self) -> dict[str, str]:
        status, details = _STATUSES[self.job.phase]
        return {"Status": status, "StatusDetails": details}

    def _response_code(self) -> int:
        if self.job.status is None or self.job.phase in (Phase.STOPPED, Phase.TIMED_OUT):
            return 1 if self.job.phase is Phase.FAILED else -1
        return self.job.status if self.job.status >= 0 else 128 - self.job.status

    def _error_output(self) -> str:
        if self.job.phase is Phase.FAILED and self.job.status is None:
            return self.job.error or ""  # it did not get as far as writing anything
        return self._written(self.errors, _LONGEST_ERRORS)

    def _written(self, file: Path, longest: int) -> str:
        """The first characters of a file."""
        if not self.job.phase.ended or not file.exists():
            return ""
        with file.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(longest + 1)
        return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT


@dataclass(frozen=True)
class CommandRequest:
    """SendCommand, as far as it is emulated."""

    instance_id: str
    comment: str
    parameters: Mapping[str, list[str]]
    delivery_seconds: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> CommandRequest:
        """Read a request.

        Raises:
            ServiceError: it is wrong, or asks for what is not emulated.
        """
        for name in _UNANSWERED:
            if request.get(name):
                raise not_emulated(f"{name} of ssm SendCommand")
        if request.get("DocumentName") != DOCUMENT:
            raise ServiceError("InvalidDocument", f"there is only the document {DOCUMENT}")
        instances = request.get("InstanceIds") or []
        if len(instances) != 1:
            raise not_emulated("ssm SendCommand to other than one instance")
        parameters = {k: list(v) for k, v in (request.get("Parameters") or {}).items()}
        unknown = sorted(set(parameters) - _PARAMETERS)
        if unknown or not parameters.get("commands"):
            what = f"unknown: {', '.join(unknown)}" if unknown else "commands is missing"
            raise ServiceError(INVALID_PARAMETERS, f"Parameters of {DOCUMENT}: {what}")
        comment = str(request.get("Comment") or "")
        if len(comment) > _LONGEST_COMMENT:
            raise ServiceError(
                "ValidationException", f"Comment has at most {_LONGEST_COMMENT} characters"
            )
        delivery = int(request.get("TimeoutSeconds") or _DELIVERY_SECONDS)
        return cls(str(instances[0]), comment, parameters, delivery)

    @property
    def execution_seconds(self) -> float:
        """After which the script is ended.

        Raises:
            ServiceError: it is no number.
        """
        given = (self.parameters.get("executionTimeout") or [str(_EXECUTION_SECONDS)])[0]
        try:
            return float(given)
        except ValueError as error:
            raise ServiceError(INVALID_PARAMETERS, f"executionTimeout: {given!r}") from error

    def preparation(self) -> Prepare:
        """Makes the shell script of the commands."""
        working = (self.parameters.get("workingDirectory") or [""])[0]

        def prepare(directory: Path) -> Program:
            script = directory / "_script.sh"
            script.write_text("\n".join(self.parameters["commands"]) + "\n", "utf-8")
            if not working:
                return Program(["/bin/sh", str(script)])
            if not Path(working).is_dir():
                raise CannotRunError(f"the workingDirectory {working} is not there")
            return Program(["/bin/sh", "-c", 'cd "$1" && exec /bin/sh "$0"', str(script), working])

        return prepare


def command_event(invocation: Invocation, phase: Phase) -> dict[str, Any]:
    """`EC2 Command Invocation Status-change Notification`."""
    detail = {
        "command-id": invocation.id,
        "document-name": DOCUMENT,
        "instance-id": invocation.instance_id,
        "requested-date-time": _iso(invocation.job.submitted_at),
        "status": _STATUSES[phase][0],
    }
    instance = f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:instance/{invocation.instance_id}"
    return service_event(
        "aws.ssm", "EC2 Command Invocation Status-change Notification", detail, [instance]
    )


def _iso(at: float | None) -> str:
    if at is None:
        return ""
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
