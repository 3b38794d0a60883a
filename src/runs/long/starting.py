"""Starts executions of the long-running function, each by a name that says which attempt it is."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import ClientError

from contracts.base import Contract, canonical_json
from contracts.errors import NotConfigured, Problem, RunConflict
from contracts.ledger_items import RunItem
from contracts.messages import HandedOver, StartedRun
from runs.long.execution_name import execution_name, name_without_stack
from runtime import clients


@dataclass(frozen=True)
class LongRunStarts:
    """Starts of the long-running function; a repeated one starts nothing new.

    Attributes:
        function: with its alias, so that the execution stays on the version that is live now.
        environment, stack: part of the names.
    """

    function: str
    environment: str
    stack: str

    def start(self, run: RunItem, event: HandedOver) -> StartedRun:
        """Start the execution of the run's attempt, or find it started.

        Raises:
            RunConflict: an execution of this name runs with other content.
            NotConfigured: the function is not durable.
        """
        name = self._name(run)
        arn = start_by_name(self.function, name, event, f"run {run.run_id}")
        return StartedRun(execution_arn=arn, execution_name=name)

    def _name(self, run: RunItem) -> str:
        """The name of the attempt's execution, the same for every start and release.

        A release of before may have started an attempt that it claimed under a name without stack;
        under another name the attempt would be executed twice.
        """
        run_id, run_attempt = run.run_id, run.run_attempt
        if run.stack_named_attempt == run_attempt:
            return execution_name(self.environment, self.stack, run_id, run_attempt)
        return name_without_stack(self.environment, run_id, run_attempt)


def start_by_name(function: str, name: str, event: Contract, subject: str) -> str:
    """Start an execution under a name, or find it started; returns its ARN.

    Args:
        function: durable, with its alias.
        subject: what it is of, for the error.

    Raises:
        RunConflict: an execution of this name runs with other content.
        NotConfigured: the function is not durable.
    """
    # Canonical: a repeated start must carry the same bytes, or the service takes it for another.
    payload = canonical_json(event.to_json())
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
            raise RunConflict(subject, [problem]) from error
    if "DurableExecutionArn" not in response:
        raise NotConfigured(f"{function} is not a durable function: its start gave no execution")
    return str(response["DurableExecutionArn"])
