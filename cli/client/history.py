"""Events of a durable execution as operations: one row each, in the shape of the code. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

Event = Mapping[str, Any]

_UNIT_CONTEXT: Final = re.compile(r"^unit-(\d{5}-\d{3})$")
_BACKOFF: Final = re.compile(r"-backoff-\d+$")
_KINDS: Final = ("Context", "Step", "ChainedInvoke", "Callback", "Wait")
_EXECUTION: Final = "Execution"
RETRYING: Final = "RETRYING"


@dataclass(frozen=True)
class Operation:
    """One durable operation, all its tries together.

    Attributes:
        depth: how many contexts enclose it.
        kind: Context, Step, ChainedInvoke, Callback or Wait.
        status: STARTED, SUCCEEDED, FAILED, TIMED_OUT, STOPPED, CANCELLED, or RETRYING between two
            tries.
        error: `Type: message` of the last failure.
        sent, response: what went in and came out, decoded from JSON; None where the history holds
            neither (it was asked for without data) or the text is not JSON.
        unit_id: the unit whose context encloses it.
        callback_id: of a callback.
    """

    id: str
    parent_id: str | None
    depth: int
    name: str
    kind: str
    status: str
    attempts: int
    started_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    sent: Any = None
    response: Any = None
    unit_id: str | None = None
    callback_id: str | None = None

    @property
    def seconds(self) -> float | None:
        if self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def ended(self) -> bool:
        return self.status not in ("STARTED", RETRYING)


@dataclass(frozen=True)
class Execution:
    """One durable execution, rebuilt from its history.

    Attributes:
        status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or STOPPED.
        invocations: how many times its function was invoked so far.
        operations: in the order they started, each after its context.
    """

    status: str
    started_at: datetime | None
    ended_at: datetime | None
    invocations: int
    error: str | None
    operations: tuple[Operation, ...]

    @property
    def seconds(self) -> float | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


def read_history(events: Iterable[Event]) -> Execution:
    """Fold the events of GetDurableExecutionHistory, in any order, into operations.

    Calls that were tried again (operations of the same name one after another, each but the last
    failed, with a `…-backoff-N` wait between) become one row that counts its attempts.
    """
    ordered = sorted(events, key=lambda event: int(event["EventId"]))
    found: dict[str, Operation] = {}
    execution = Execution("RUNNING", None, None, 0, None, ())
    for event in ordered:
        kind, happened = _split(event["EventType"])
        if kind == _EXECUTION:
            execution = _execution_after(execution, event, happened)
        elif kind == "Invocation":
            execution = replace(execution, invocations=execution.invocations + 1)
        elif kind in _KINDS:
            found[event["Id"]] = _operation_after(found.get(event["Id"]), event, kind, happened)
    return replace(execution, operations=tuple(_in_shape(_retries_merged(list(found.values())))))


def _split(event_type: str) -> tuple[str, str]:
    """`ChainedInvokeTimedOut` → `ChainedInvoke`, `TIMED_OUT`."""
    for happened in ("TimedOut", "Started", "Succeeded", "Failed", "Stopped", "Cancelled"):
        if event_type.endswith(happened):
            status = "TIMED_OUT" if happened == "TimedOut" else happened.upper()
            return event_type.removesuffix(happened), status
    if event_type == "InvocationCompleted":
        return "Invocation", "COMPLETED"
    return event_type, ""  # paused, resumed, and what a later version of the service adds


def _execution_after(execution: Execution, event: Event, happened: str) -> Execution:
    if happened == "STARTED":
        return replace(execution, started_at=event["EventTimestamp"])
    if happened == "":
        return execution
    return replace(
        execution, status=happened, ended_at=event["EventTimestamp"], error=_error(event)
    )


def _operation_after(before: Operation | None, event: Event, kind: str, happened: str) -> Operation:
    details = _details(event)
    time: datetime = event["EventTimestamp"]
    if happened == "STARTED":
        if before is not None:  # the next try of a step
            return replace(before, status="STARTED", ended_at=None, attempts=before.attempts + 1)
        return _begun(event, kind, details)
    if before is None:  # the history was cut, or the service left its beginning out
        before = _begun(event, kind, details)
    retry = details.get("RetryDetails") or {}
    if happened == "FAILED" and retry.get("NextAttemptDelaySeconds"):
        return replace(before, status=RETRYING, error=_error(event))
    return replace(
        before,
        status=happened,
        ended_at=time,
        error=_error(event),
        attempts=max(before.attempts, retry.get("CurrentAttempt") or 1),
        response=_payload(details.get("Result")),
    )


def _begun(event: Event, kind: str, details: Mapping[str, Any]) -> Operation:
    return Operation(
        id=event["Id"],
        parent_id=event.get("ParentId"),
        depth=0,
        name=event.get("Name") or kind,
        kind=kind,
        status="STARTED",
        attempts=1,
        started_at=event["EventTimestamp"],
        sent=_payload(details.get("Input")),
        callback_id=details.get("CallbackId"),
    )


def _details(event: Event) -> Mapping[str, Any]:
    details: Mapping[str, Any] = event.get(f"{event['EventType']}Details") or {}
    return details


def _payload(value: Mapping[str, Any] | None) -> Any:
    text = (value or {}).get("Payload")
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _error(event: Event) -> str | None:
    error = (_details(event).get("Error") or {}).get("Payload") or {}
    parts = [error.get("ErrorType"), error.get("ErrorMessage")]
    return ": ".join(part for part in parts if part) or None


def _retries_merged(operations: Sequence[Operation]) -> list[Operation]:
    """One operation for all tries of a call; the waits between them go."""
    latest: dict[tuple[str | None, str, str], int] = {}  # (parent, kind, name) → place in `merged`
    merged: list[Operation] = []
    for operation in operations:
        if operation.kind == "Wait" and _BACKOFF.search(operation.name):
            continue
        key = (operation.parent_id, operation.kind, operation.name)
        place = latest.get(key)
        if (
            place is not None
            and operation.kind == "ChainedInvoke"
            and merged[place].status in ("FAILED", "TIMED_OUT")
        ):
            first = merged[place]
            merged[place] = replace(
                operation,
                id=first.id,
                started_at=first.started_at,
                attempts=first.attempts + operation.attempts,
            )
        else:
            latest[key] = len(merged)
            merged.append(operation)
    return merged


def _in_shape(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Each context followed by its operations; depth and unit id filled in."""
    known = {operation.id for operation in operations}
    children: dict[str | None, list[Operation]] = {}
    for operation in operations:
        # top-level operations name no parent, or the execution itself
        parent = operation.parent_id if operation.parent_id in known else None
        children.setdefault(parent, []).append(operation)

    def visit(parent: str | None, depth: int, unit_id: str | None) -> Iterator[Operation]:
        for operation in children.get(parent, []):
            match = _UNIT_CONTEXT.match(operation.name)
            unit = match[1] if match else unit_id
            yield replace(operation, depth=depth, unit_id=unit)
            yield from visit(operation.id, depth + 1, unit)

    return visit(None, 0, None)
