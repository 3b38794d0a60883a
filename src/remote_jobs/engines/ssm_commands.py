"""Commands of Systems Manager that submit jobs, marked by their comments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import chain, islice
from typing import Any, Final

from contracts.errors import PipelineError
from remote_jobs.engines.base import RemoteJob, engine_errors
from remote_jobs.engines.paging import look_up, pages

DOCUMENT: Final = "AWS-RunShellScript"
ABSENT: Final = frozenset({"InvalidCommandId"})
UNUSABLE: Final = frozenset({"InvalidInstanceId", "UnsupportedPlatformType"})
COMMANDS_PER_PAGE: Final = 50  # the most that is given
PAGES_FOR_STATUS: Final = 8  # what is further back is asked for one by one
DELIVERY_SECONDS_AT_LEAST: Final = 30
EXECUTION_SECONDS_AT_MOST: Final = 172_800
Invocation = dict[str, Any]


class Commands:
    """Shell scripts on one instance; those on an earlier one are still checked."""

    def __init__(self, client: Any, instance: str) -> None:
        self._ssm = client
        self._instance = instance

    def send(self, job: RemoteJob, script: str, seconds: int) -> str:
        """Have the instance run the script, for so long at most; returns the command's id."""
        with _errors(f"sending the command that submits {job.job_id} to {self._instance}"):
            response = self._ssm.send_command(
                InstanceIds=[self._instance],
                DocumentName=DOCUMENT,
                Comment=comment(job),
                TimeoutSeconds=max(seconds, DELIVERY_SECONDS_AT_LEAST),
                Parameters={
                    "commands": [script],
                    "executionTimeout": [str(min(seconds, EXECUTION_SECONDS_AT_MOST))],
                },
            )
        return str(response["Command"]["CommandId"])

    def find(self, job: RemoteJob) -> str | None:
        """The id of the job's command, if there is one."""
        listed = pages(
            self._ssm.list_commands,
            "Commands",
            "NextToken",
            lambda: _errors(f"looking for the command that submits {job.job_id}"),
            Filters=_invoked_after([job]),
            MaxResults=COMMANDS_PER_PAGE,
        )
        for command in chain.from_iterable(listed):
            if command.get("Comment") == comment(job):
                return str(command["CommandId"])
        return None

    def cancel(self, command_id: str) -> None:
        """Stop a command; an ended one stays as it is."""
        with _errors(f"cancelling command {command_id}"):
            self._ssm.cancel_command(CommandId=command_id)

    def invocations(
        self, commands: Mapping[str, RemoteJob]
    ) -> dict[str, Invocation | PipelineError]:
        """What became of each command, in as few requests as it takes."""
        several = len(commands) > 1
        listed = islice(self._pages(commands.values()), PAGES_FOR_STATUS) if several else ()
        return look_up(commands, listed, lambda each: str(each["CommandId"]), self.invocation)

    def _pages(self, jobs: Iterable[RemoteJob]) -> Iterator[list[Invocation]]:
        """Invocations on any instance: one that is pending is on none yet."""
        return pages(
            self._ssm.list_command_invocations,
            "CommandInvocations",
            "NextToken",
            lambda: _errors("listing the commands that submit steps"),
            Filters=_invoked_after(jobs),
            Details=True,
            MaxResults=COMMANDS_PER_PAGE,
        )

    def invocation(self, command_id: str) -> Invocation:
        """Empty while the command has not reached the instance."""
        with _errors(f"reading command {command_id}"):
            response = self._ssm.list_command_invocations(CommandId=command_id, Details=True)
        found: list[Invocation] = response.get("CommandInvocations", [])
        return found[0] if found else {}


def comment(job: RemoteJob) -> str:
    """What marks a command as the job's; at most 100 characters."""
    return f"{job.job_id} {hashlib.sha256(str(job.key).encode()).hexdigest()[:16]}"


def _invoked_after(jobs: Iterable[RemoteJob]) -> list[dict[str, str]]:
    oldest = min(job.oldest for job in jobs)
    return [
        {"key": "InvokedAfter", "value": f"{oldest:%Y-%m-%dT%H:%M:%SZ}"},
        {"key": "DocumentName", "value": DOCUMENT},
    ]


def _errors(doing: str) -> AbstractContextManager[None]:
    return engine_errors(doing, absent=ABSENT, unusable=UNUSABLE)
