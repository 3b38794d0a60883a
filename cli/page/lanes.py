"""A durable execution as lanes of a timeline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cli.client.history import Execution, Operation
from cli.documents.history import operation_document
from cli.exit_codes import NOT_FOUND, CommandFailed
from cli.page.documents import Lane, OperationView, TimelineView
from contracts.run_request import format_timestamp

LANES: Final = 100
RUN: Final = "run"
_FAILED: Final = ("FAILED", "TIMED_OUT")


def timeline(execution_arn: str, execution: Execution, offset: int = 0) -> TimelineView:
    """The lane of the run itself, and those of some units.

    Args:
        offset: how many lanes of units to leave out before the first.
    """
    of_run: list[Operation] = []
    of_units: dict[str, list[Operation]] = {}
    for operation in execution.operations:
        if operation.kind == "Context":
            continue  # its operations say it all, and it encloses what a bar cannot
        of = of_run if operation.unit_id is None else of_units.setdefault(operation.unit_id, [])
        of.append(operation)
    units = list(of_units)[offset : offset + LANES]
    lanes = [(RUN, of_run), *((unit, of_units[unit]) for unit in units)]
    return TimelineView(
        execution_arn=execution_arn,
        status=execution.status,
        started_at=format_timestamp(execution.started_at) if execution.started_at else None,
        ended_at=format_timestamp(execution.ended_at) if execution.ended_at else None,
        invocations=execution.invocations,
        error=execution.error,
        lanes=tuple(_lane(name, operations, execution) for name, operations in lanes),
        total=len(of_units),
    )


def _lane(name: str, operations: Sequence[Operation], execution: Execution) -> Lane:
    return Lane(
        name=name,
        failed=any(operation.status in _FAILED for operation in operations),
        bars=tuple(operation_document(operation, execution) for operation in operations),
    )


def operation_view(execution: Execution, operation_id: str) -> OperationView:
    """One operation, with what went in and came out.

    Raises:
        CommandFailed: there is none of that id.
    """
    for operation in execution.operations:
        if operation.id == operation_id:
            return OperationView(
                operation=operation_document(operation, execution),
                sent=operation.sent,
                response=operation.response,
            )
    raise CommandFailed(f"the execution has no operation {operation_id}", NOT_FOUND)
