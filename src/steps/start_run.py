"""start_run: hand a run over to the long-running function, by an idempotent named start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from contracts.base import canonical_json
from contracts.errors import NotConfigured, OwnershipLost, Problem, RunConflict
from contracts.ledger_items import RunItem
from contracts.messages import StartedRun, StartRun
from ledger.conditions import RUN
from ledger.runs import change_run, owned_run
from ledger.table import Ledger
from runs.execution_name import execution_name, name_without_stack
from runtime import clients
from runtime.handler import settings_from_environment, step_handler, utc_now


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    long_run_function: str
    environment: str
    stack_name: str


@step_handler(StartRun)
def handler(message: StartRun) -> StartedRun:
    settings = settings_from_environment(Settings)
    return start_run(message, settings, Ledger(settings.ledger_table), utc_now())


def start_run(message: StartRun, settings: Settings, ledger: Ledger, now: datetime) -> StartedRun:
    """Start the long execution of this run attempt, or find it started, and make it the holder.

    The new execution may claim the run before this function writes the ledger; both write the same.

    Raises:
        OwnershipLost: a later attempt holds the run; nothing was started.
        RunConflict: an execution of this name runs with other content.
        NotConfigured: the function named by LONG_RUN_FUNCTION is not durable.
    """
    run_id = message.request.run_id
    run = owned_run(ledger, run_id, message.run_attempt)
    name = _name(run, settings)
    arn = _start(message, settings.long_run_function, name)
    ours = RUN.holder.eq(message.execution_arn) & RUN.run_attempt.eq(message.run_attempt)
    _, current = change_run(ledger, run_id, ours, holder=arn, updated_at=now)
    holder = current and current.holder
    if holder != arn:
        raise OwnershipLost(f"run {run_id} was handed to {arn}, but is held by {holder}")
    return StartedRun(execution_arn=arn, execution_name=name)


def _name(run: RunItem, settings: Settings) -> str:
    """The name of the attempt's execution, the same for every start and release.

    A release of before may have started an attempt that it claimed under a name without stack;
    under another name the attempt would be executed twice.
    """
    run_id, run_attempt = run.run_id, run.run_attempt
    if run.stack_named_attempt == run_attempt:
        return execution_name(settings.environment, settings.stack_name, run_id, run_attempt)
    return name_without_stack(settings.environment, run_id, run_attempt)


def _start(message: StartRun, function: str, name: str) -> str:
    # Canonical: a repeated start must carry the same bytes, or the service takes it for another.
    payload = canonical_json(
        {
            "request": message.request.to_json(),
            "runAttempt": message.run_attempt,
            "handedOverBy": message.execution_arn,
        }
    )
    with clients.translated(f"starting {function} as {name}"):
        try:
            response = clients.client("lambda").invoke(
                FunctionName=function,
                InvocationType="Event",
                DurableExecutionName=name,
                Payload=payload.encode(),
            )
        except ClientError as error:
            if clients.error_code(error) != "DurableExecutionAlreadyStartedException":
                raise
            problem = Problem("runId", f"execution {name} was started with other content")
            raise RunConflict(f"run {message.request.run_id}", [problem]) from error
    if "DurableExecutionArn" not in response:
        raise NotConfigured(f"{function} is not a durable function: its start gave no execution")
    return str(response["DurableExecutionArn"])
