"""Run Command of Systems Manager: commands really run, as shell processes of this machine."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from local.local_cloud.events.service_events import OnEvent
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.paging import page, required
from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs import aws_command
from local.local_cloud.jobs.job_queue import JobQueue, Phase, QueuedJob
from local.local_cloud.jobs.job_runner import JobRunner
from local.local_cloud.jobs.retained_jobs import forget_oldest
from local.local_cloud.jobs.ssm_commands import DOCUMENT, CommandRequest, Invocation, command_event

_BAD_TOKEN: Final = "InvalidNextToken"  # noqa: S105  (an error code)
_BAD_COMMAND: Final = "InvalidCommandId"
_PAGE: Final = 50
_AT_A_TIME: Final = 5  # as the agent's CommandWorkersLimit


class SsmService(JsonService):
    """Commands on instances; parameters are the substrate's.

    Every instance is this machine. A command's shell finds `aws` on its PATH, which knows what
    commands of a pipeline need (see `aws_command`). Each change goes to `on_event` as
    `EC2 Command Invocation Status-change Notification`.
    """

    service: ClassVar = "ssm"
    target_prefix: ClassVar = "AmazonSSM"
    forwards: ClassVar = True

    def __init__(
        self,
        endpoint_url: str,
        work_dir: Path,
        on_event: OnEvent,
        environment: Mapping[str, str],
        *,
        clients: ServiceClients | None = None,
    ) -> None:
        """Make the service, without an instance; `start` before use.

        Args:
            endpoint_url: where commands find AWS.
            work_dir: for working directories and output.
            on_event: called with each event, from threads of the service.
            environment: variables of every command's process: credentials and the like.
            clients: closed at the end.
        """
        self._on_event = on_event
        self._clients = clients or ServiceClients(endpoint_url)
        self._commands_dir = work_dir / "bin"
        self._runner = JobRunner(
            endpoint_url, work_dir, environment, self._clients, commands_dir=self._commands_dir
        )
        self._lock = threading.RLock()
        self._queues: dict[str, JobQueue] = {}
        self._invocations: dict[str, Invocation] = {}
        super().__init__(
            {
                "SendCommand": self._send_command,
                "GetCommandInvocation": self._get_command_invocation,
                "ListCommands": self._list_commands,
                "ListCommandInvocations": self._list_command_invocations,
                "CancelCommand": self._cancel_command,
            }
        )

    def start(self) -> None:
        """Make the directories, and the `aws` that commands find."""
        self._runner.prepare()
        self._commands_dir.mkdir(parents=True, exist_ok=True)
        command = self._commands_dir / "aws"
        words = shlex.join([sys.executable, str(Path(aws_command.__file__))])
        command.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
        command.chmod(0o755)

    def stop(self) -> None:
        """Kill every running command and wait for the ends; no events are sent for them."""
        for queue in list(self._queues.values()):
            queue.stop()
        self._clients.close()

    def add_instance(self, instance_id: str) -> None:
        """Have an instance that takes commands."""

        def report(job: QueuedJob, phase: Phase) -> None:
            if phase is not Phase.STARTING:
                self._on_event(command_event(self._invocations[job.id], phase))

        self._queues[instance_id] = JobQueue(
            self._runner, self._lock, places=_AT_A_TIME, on_phase=report
        )

    # Operations

    def _send_command(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = CommandRequest.of(request)
        queue = self._queues.get(asked.instance_id)
        if queue is None:
            raise ServiceError(
                "InvalidInstanceId",
                f"Instances [[{asked.instance_id}]] not in a valid state for account",
            )
        job = QueuedJob(asked.id, asked.preparation(), asked.execution_seconds)
        invocation = Invocation(
            asked.id,
            asked.instance_id,
            asked.comment,
            asked.parameters,
            asked.delivery_seconds,
            job,
            *self._runner.log_files(asked.id),
        )
        with self._lock:
            self._invocations[asked.id] = invocation
            forget_oldest(self._invocations, lambda one: one.job.phase.ended)
            response = {"Command": invocation.as_command()}
        queue.submit(job)
        return response

    def _get_command_invocation(self, request: dict[str, Any]) -> dict[str, Any]:
        invocation = self._find(str(required(request, "CommandId", _BAD_COMMAND)))
        if request.get("InstanceId") != invocation.instance_id:
            raise ServiceError("InvocationDoesNotExist", "")
        with self._lock:
            return invocation.describe()

    def _list_commands(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = self._page(request)
        return {"Commands": [invocation.as_command() for invocation in shown], **token}

    def _list_command_invocations(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = self._page(request)
        details = bool(request.get("Details"))
        return {
            "CommandInvocations": [each.as_list_item(details=details) for each in shown],
            **token,
        }

    def _cancel_command(self, request: dict[str, Any]) -> dict[str, Any]:
        """Best effort, as the service's: an ended command stays as it is."""
        invocation = self._find(str(required(request, "CommandId", _BAD_COMMAND)))
        instances = request.get("InstanceIds") or [invocation.instance_id]
        if invocation.instance_id not in instances:
            raise ServiceError("InvalidInstanceId", "the command was not sent to the instance")
        self._queues[invocation.instance_id].stop_job(invocation.job)
        return {}

    # What is stored

    def _find(self, command_id: str) -> Invocation:
        with self._lock:
            invocation = self._invocations.get(command_id)
        if invocation is None:
            raise ServiceError(_BAD_COMMAND, f"there is no command {command_id}")
        return invocation

    def _page(self, request: dict[str, Any]) -> tuple[Sequence[Invocation], dict[str, str]]:
        """Those that a list operation asks for, newest first."""
        with self._lock:
            found = [
                invocation
                for invocation in reversed(self._invocations.values())
                if _matches(invocation, request)
            ]
            return page(found, [each.id for each in found], request, _BAD_TOKEN, _PAGE)


def _matches(invocation: Invocation, request: Mapping[str, Any]) -> bool:
    wanted = {"CommandId": invocation.id, "InstanceId": invocation.instance_id}
    if any(request.get(name) not in (None, "", value) for name, value in wanted.items()):
        return False
    return all(_fits(invocation, each) for each in request.get("Filters") or ())


def _fits(invocation: Invocation, condition: Mapping[str, str]) -> bool:
    key, value = condition.get("key"), str(condition.get("value"))
    if key == "Status":
        return invocation.status == value
    if key == "DocumentName":
        return value == DOCUMENT
    if key in ("InvokedAfter", "InvokedBefore"):
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError as error:
            raise ServiceError("InvalidFilterKey", f"{key}: {value!r} is no time") from error
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        sent = invocation.job.submitted_at
        return sent >= at if key == "InvokedAfter" else sent < at
    raise not_emulated(f"the filter {key} of ssm commands")
