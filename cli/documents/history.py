"""`pipeline history --json`."""

from __future__ import annotations

from cli.client.history import Execution, Operation
from cli.documents.base import Document
from cli.views.details import describe
from contracts.run_request import format_timestamp


class OperationDocument(Document):
    """One durable operation, all its tries together.

    Attributes:
        kind: Context, Step, ChainedInvoke, Callback or Wait.
        depth: how many contexts enclose it.
        status: STARTED, RETRYING, SUCCEEDED, FAILED, TIMED_OUT, STOPPED or CANCELLED.
        seconds: from its start to its end; null while it has none.
        unit_id: the unit whose context encloses it.
        error: of its last failure.
        detail: what it returned, in a few words for people.
    """

    id: str
    name: str
    kind: str
    depth: int
    status: str
    attempts: int
    started_at: str
    ended_at: str | None = None
    seconds: float | None = None
    unit_id: str | None = None
    error: str | None = None
    detail: str


class HistoryDocument(Document):
    """A durable execution and its operations, in the order they began.

    Attributes:
        status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or STOPPED.
        invocations: how many times its function was invoked so far.
    """

    execution_arn: str
    status: str
    started_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None
    invocations: int
    error: str | None = None
    operations: tuple[OperationDocument, ...]


def history_document(execution_arn: str, execution: Execution) -> HistoryDocument:
    """The document of one execution."""
    operations = execution.operations
    return HistoryDocument(
        execution_arn=execution_arn,
        status=execution.status,
        started_at=format_timestamp(execution.started_at) if execution.started_at else None,
        ended_at=format_timestamp(execution.ended_at) if execution.ended_at else None,
        seconds=execution.seconds,
        invocations=execution.invocations,
        error=execution.error,
        operations=tuple(operation_document(operation, execution) for operation in operations),
    )


def operation_document(operation: Operation, execution: Execution) -> OperationDocument:
    """One operation, described by those around it."""
    return OperationDocument(
        id=operation.id,
        name=operation.name,
        kind=operation.kind,
        depth=operation.depth,
        status=operation.status,
        attempts=operation.attempts,
        started_at=format_timestamp(operation.started_at),
        ended_at=format_timestamp(operation.ended_at) if operation.ended_at else None,
        seconds=operation.seconds,
        unit_id=operation.unit_id,
        error=operation.error,
        detail=describe(operation, execution.operations),
    )
