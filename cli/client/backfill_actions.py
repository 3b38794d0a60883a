"""Backfills are started by name; the deployment's reaper pauses, stops and resumes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.backfill_request import Asked, request_of
from cli.client.backfills import ledger_of
from cli.client.decisions import ask_reaper, request_stop
from cli.client.deployment import Deployment
from cli.client.executions import fetch_execution
from cli.exit_codes import FAILED, REFUSED, CommandFailed
from contracts.base import canonical_json
from contracts.ledger_items import BackfillItem
from contracts.messages import (
    ControlBackfill,
    ControlledBackfill,
    StartBackfill,
    StopOutcome,
    StopRun,
)
from contracts.times.backfill import BackfillRequest, WindowState
from runs.backfills.names import backfill_execution_name

_CONTROL: Final = "Control Backfill"  # what steps.reaper takes for it
_TAKEN: Final = "DurableExecutionAlreadyStartedException"
_STARTS_AT_MOST: Final = 20
_LOOKS_FOR_RUNS: Final = 10
_SECONDS_BETWEEN: Final = 2.0


class StartOutcome(StrEnum):
    """STARTED: its first execution is started, or was before and has not begun yet. EXISTS: it has
    begun, and is in the ledger; nothing was started now."""

    STARTED = "STARTED"
    EXISTS = "EXISTS"


@dataclass(frozen=True)
class Started:
    """What came of starting a backfill.

    Attributes:
        existing: as the ledger has it, where it EXISTS.
        execution_arn: of its first execution, where it is STARTED.
        died_before: why the execution that was started for it before never began with it, as one
            clause; None: there was none such.
    """

    outcome: StartOutcome
    request: BackfillRequest
    existing: BackfillItem | None = None
    execution_arn: str | None = None
    died_before: str | None = None


def start(deployment: Deployment, asked: Asked, now: datetime | None = None) -> Started:
    """Start the backfill, unless it was started before.

    An execution that died before the backfill was in the ledger is followed by one of another name:
    nothing else does that, as the reaper finds backfills there.

    Raises:
        CommandFailed: it is refused (see `request_of`), another backfill has its name, or all its
            executions died.
    """
    function = deployment.output("BackfillFunctionArn")
    request = request_of(deployment, asked, now or datetime.now(UTC))
    died_before = None
    for number in range(1, _STARTS_AT_MOST + 1):
        existing = ledger_of(deployment).backfill(request.backfill_id)
        if existing is not None:
            if existing.request != request.canonical():
                raise _taken(request)
            return Started(StartOutcome.EXISTS, request, existing=existing)
        arn = _started(deployment, function, request, number)
        if arn is None:  # of other options, and it has died: none of its name is in the ledger
            died_before = "an execution that asked for something else"
            continue
        execution = fetch_execution(deployment.client("lambda"), arn)
        if execution is None or execution.status == "RUNNING":  # None: not readable yet
            return Started(
                StartOutcome.STARTED, request, execution_arn=arn, died_before=died_before
            )
        died_before = f"{arn} {execution.status}: {execution.error or 'no error is known'}"
    raise CommandFailed(
        f"{_STARTS_AT_MOST} executions of backfill {request.backfill_id} ended before it began; the"
        f" last one: {died_before}",
        FAILED,
        "see to the cause, then take another --name",
    )


def _started(
    deployment: Deployment, function: str, request: BackfillRequest, number: int
) -> str | None:
    """The first execution, of the so many-th start: started, or found started; its ARN.

    None: one of this name was started with other options, and has ended.
    """
    environment = deployment.parameters.get("Environment", "")
    name = backfill_execution_name(
        environment, deployment.stack_name or "", request.backfill_id, 1, number
    )
    lambda_client: Any = deployment.client("lambda")
    try:
        response = lambda_client.invoke(
            FunctionName=function,
            InvocationType="Event",
            DurableExecutionName=name,
            Payload=canonical_json(StartBackfill(request=request).to_json()).encode(),
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != _TAKEN:
            raise
        if _runs(lambda_client, function, name):
            raise _taken(request) from None
        return None
    arn = response.get("DurableExecutionArn")
    if arn is None:
        raise CommandFailed(
            f"{function} is not durable: its start gave no execution",
            FAILED,
            "deploy this version's template.yaml",
        )
    return str(arn)


def _runs(lambda_client: Any, function: str, name: str) -> bool:
    """Whether an execution of this name has not ended, or nothing can be known of it."""
    page = lambda_client.list_durable_executions_by_function(
        FunctionName=function.rpartition(":")[0], DurableExecutionName=name
    )
    found = [each["Status"] for each in page["DurableExecutions"]]
    return not found or "RUNNING" in found


def control(deployment: Deployment, message: ControlBackfill) -> ControlledBackfill:
    """Have the deployment pause, stop or resume the backfill; a repeat does no harm.

    Raises:
        CommandFailed: it could not, or is of a release without backfills.
    """
    deployment.output("BackfillFunctionArn")
    payload = ask_reaper(
        deployment,
        _CONTROL,
        message.to_json(),
        doing=f"backfill {message.backfill_id} took it: {message.action}",
        instead="start runs one by one",
    )
    return ControlledBackfill.from_json(payload)


@dataclass(frozen=True)
class StoppedWindow:
    """A window that ran when its backfill was stopped, and what became of its run.

    Attributes:
        outcome: of stopping the run; UNKNOWN: it had not begun, and may begin yet.
    """

    run_id: str
    outcome: StopOutcome


def stop_runs(
    deployment: Deployment,
    backfill_id: str,
    reason: str | None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[StoppedWindow]:
    """Stop the runs of the windows that a backfill which is being stopped still runs.

    A window that was given to its lane just before has no run yet: it is looked at again for a
    while, since no other window can begin.
    """
    stopped: dict[str, StoppedWindow] = {}
    for _ in range(_LOOKS_FOR_RUNS):
        waiting = False
        for run_id in _running(deployment, backfill_id):
            if run_id in stopped and stopped[run_id].outcome is not StopOutcome.UNKNOWN:
                continue
            outcome = request_stop(deployment, StopRun(run_id=run_id, reason=reason)).outcome
            stopped[run_id] = StoppedWindow(run_id, outcome)
            waiting = waiting or outcome is StopOutcome.UNKNOWN
        if not waiting:
            break
        sleep(_SECONDS_BETWEEN)
    return list(stopped.values())


def _running(deployment: Deployment, backfill_id: str) -> list[str]:
    ledger = ledger_of(deployment)
    item = ledger.backfill(backfill_id)
    if item is None:
        return []
    windows = ledger.windows(backfill_id)
    return [
        item.requested.run_id(windows[at], item.times_again(at))
        for at in item.in_state(WindowState.RUNNING)
    ]


def _taken(request: BackfillRequest) -> CommandFailed:
    return CommandFailed(
        f"there is a backfill {request.backfill_id} that asks for something else",
        REFUSED,
        f"look at it: pipeline backfill show {request.backfill_id}; or take another --name",
    )
