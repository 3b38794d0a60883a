"""Backfills are started by name; the deployment's reaper pauses, stops and resumes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from botocore.exceptions import ClientError

from cli.client.backfills import Asked, ledger_of, request_of
from cli.client.decisions import ask_reaper
from cli.client.deployment import Deployment
from cli.exit_codes import FAILED, REFUSED, CommandFailed
from contracts.base import canonical_json
from contracts.ledger_items import BackfillItem
from contracts.messages import ControlBackfill, ControlledBackfill, StartBackfill
from contracts.times.backfill import BackfillRequest
from runs.backfills.names import backfill_execution_name

_CONTROL: Final = "Control Backfill"  # what steps.reaper takes for it
_TAKEN: Final = "DurableExecutionAlreadyStartedException"


class StartOutcome(StrEnum):
    """STARTED: its first execution is started, or was a moment ago. EXISTS: it was started before,
    and is in the ledger; nothing was started now."""

    STARTED = "STARTED"
    EXISTS = "EXISTS"


@dataclass(frozen=True)
class Started:
    """What came of starting a backfill.

    Attributes:
        existing: as the ledger has it, where it EXISTS.
        execution_arn: of its first execution, where it is STARTED.
    """

    outcome: StartOutcome
    request: BackfillRequest
    existing: BackfillItem | None = None
    execution_arn: str | None = None


def start(deployment: Deployment, asked: Asked, now: datetime | None = None) -> Started:
    """Start the backfill, unless it was started before.

    Raises:
        CommandFailed: it is refused (see `request_of`), or another backfill has its name.
    """
    function = deployment.output("BackfillFunctionArn")
    request = request_of(deployment, asked, now or datetime.now(UTC))
    existing = ledger_of(deployment).backfill(request.backfill_id)
    if existing is not None:
        if existing.request != request.canonical():
            raise _taken(request)
        return Started(StartOutcome.EXISTS, request, existing=existing)
    environment = deployment.parameters.get("Environment", "")
    name = backfill_execution_name(environment, deployment.stack_name or "", request.backfill_id, 1)
    try:
        response = deployment.client("lambda").invoke(
            FunctionName=function,
            InvocationType="Event",
            DurableExecutionName=name,
            Payload=canonical_json(StartBackfill(request=request).to_json()).encode(),
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == _TAKEN:
            raise _taken(request) from None
        raise
    arn = response.get("DurableExecutionArn")
    if arn is None:
        raise CommandFailed(
            f"{function} is not durable: its start gave no execution",
            FAILED,
            "deploy this version's template.yaml",
        )
    return Started(StartOutcome.STARTED, request, execution_arn=str(arn))


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


def _taken(request: BackfillRequest) -> CommandFailed:
    return CommandFailed(
        f"there is a backfill {request.backfill_id} that asks for something else",
        REFUSED,
        f"look at it: pipeline backfill show {request.backfill_id}; or take another --name",
    )
