"""Units of one execution in groups, so that what an invocation loads does not grow with the units.

An invocation gets every operation of its execution, but for those inside contexts that have ended.
Each unit is a context; so an ended one is one operation, which every later invocation loads. Of
many units, each `UNITS_PER_GROUP` consecutive ones lie in a context of their own: once all of them
have ended it has their results, and one operation stands for them.

A group does not hold up the next one. The map begins units one by one as others end, as it does
without groups, and does not have a context for each (FLAT); a unit's branch opens the group's
context if it is the first of it, and ends it if it is the last. The SDK has no call for a context
that several branches open and end: its checkpoints are made here as `operation.child` makes them
in the versions whose source was read (`sdk`); with others there are no groups. To the service it is
a context like any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from threading import Lock
from typing import Any, Final

from aws_durable_execution_sdk_python import BatchResult, ChildContextError, DurableContext
from aws_durable_execution_sdk_python.config import CompletionConfig, MapConfig, NestingType
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError
from aws_durable_execution_sdk_python.identifier import OperationIdentifier, OperationIdNamespace
from aws_durable_execution_sdk_python.lambda_service import (
    OperationSubType,
    OperationType,
    OperationUpdate,
)

from durable_pipeline.operations import operations_of
from durable_pipeline.steps import is_broken_replay

UNITS_PER_GROUP: Final = 20
_NAME: Final = "units-{first}-to-{last}"

Process = Callable[[DurableContext, int], dict[str, Any]]


@dataclass(frozen=True)
class Ended:
    """What became of units, by their index.

    Attributes:
        results: what each returned.
        failed: of those that raised an error: its message.
    """

    results: dict[int, dict[str, Any]]
    failed: dict[int, str]


def groups_of(units: int) -> int:
    """How many groups so many units are divided into; none if they are only as many as one has."""
    return -(-units // UNITS_PER_GROUP) if units > UNITS_PER_GROUP else 0


def process_each(
    context: DurableContext,
    units: Sequence[str],
    process: Process,
    *,
    at_once: int,
    grouped: bool,
) -> Ended:
    """Process units, so many at once, as one map of a context; every one, even if others fail.

    Args:
        process: one unit, by its index, in a context of its own.
        grouped: in groups, if there are more than one.

    Raises:
        NonDeterministicExecutionError: the code does not fit the history.
    """
    groups = _Groups(units, process) if grouped and groups_of(len(units)) else None
    operations = operations_of(context)

    def branch(of_unit: DurableContext, unit: str, index: int, _all: Sequence[str]) -> Any:
        return process(of_unit, index) if groups is None else groups.branch(of_unit, unit, index)

    config: MapConfig[Any] = MapConfig(
        max_concurrency=at_once,
        completion_config=CompletionConfig(tolerated_failure_percentage=100),
        item_namer=lambda unit, _index: f"unit-{unit}",
        nesting_type=NestingType.NESTED if groups is None else NestingType.FLAT,
    )
    batch: BatchResult[Any] = context.map(units, branch, name="units", config=config)
    failed: dict[int, str] = {}
    for item in batch.failed():
        why = item.error.message if item.error else None
        if item.error and is_broken_replay(item.error.type):
            raise NonDeterministicExecutionError(why or "")
        failed[item.index] = why or "no error reported"
    found: dict[int, dict[str, Any]] = {
        each.index: each.result for each in batch.succeeded() if each.result is not None
    }
    operations.write(list(found.values()))
    if groups is None:
        return Ended(found, failed)
    operations.used += groups_of(len(units))
    for first in range(0, len(units), UNITS_PER_GROUP):
        of_group = range(first, min(first + UNITS_PER_GROUP, len(units)))
        operations.write(_runs(found[each] for each in of_group if each in found))
    failed |= {index: result[_FAILED] for index, result in found.items() if _FAILED in result}
    return Ended({index: one for index, one in found.items() if index not in failed}, failed)


_FAILED: Final = "failedWith"


@dataclass
class _Group:
    """One group, as far as this invocation knows it.

    Attributes:
        end: the index behind its last unit.
        results: of its units that have ended, by index.
        opened: its context has begun.
    """

    identifier: OperationIdentifier
    first: int
    end: int
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    opened: bool = False


class _Groups:
    """The groups of one map, shared by its branches, each of which is a thread."""

    def __init__(self, units: Sequence[str], process: Process) -> None:
        self._units = units
        self._process = process
        self._groups: dict[int, _Group] = {}
        self._lock = Lock()

    def branch(self, context: DurableContext, unit: str, index: int) -> dict[str, Any]:
        """One unit, in a context of its own inside the one of its group.

        Args:
            context: of the branch; operations made with it would lie in the map itself.
        """
        group = self._opened(context, index)
        if index in group.results:
            return group.results[index]
        within = context.create_child_context(group.identifier.operation_id)
        # Ids follow the unit, not the order in which the group's units begin.
        ids = OperationIdNamespace(group.identifier.operation_id)
        own = within.create_child_context(ids.create_id_for_step(index), is_virtual=True)
        try:
            result = own.run_in_child_context(
                lambda child: self._process(child, index), name=f"unit-{unit}"
            )
        except ChildContextError as error:
            if is_broken_replay(error.error_type):
                raise NonDeterministicExecutionError(error.message or "") from error
            result = {_FAILED: error.message or "no error reported"}
        self._ended(context, group, index, result)
        return result

    def _opened(self, context: DurableContext, index: int) -> _Group:
        """The unit's group, begun if no branch of this invocation or of one before has begun it."""
        number = index // UNITS_PER_GROUP
        with self._lock:
            if number not in self._groups:
                self._groups[number] = self._group(context, number)
            group = self._groups[number]
            if not group.opened:
                # Before any of its units: checkpoints keep the order in which they are made.
                start = OperationUpdate.create_context_start(identifier=group.identifier)
                context.state.create_checkpoint(operation_update=start, is_sync=False)
                group.opened = True
        return group

    def _group(self, context: DurableContext, number: int) -> _Group:
        first = number * UNITS_PER_GROUP
        end = min(first + UNITS_PER_GROUP, len(self._units))
        map_id = context._parent_id  # noqa: SLF001  (of a branch without a context of its own)
        identifier = OperationIdentifier(
            operation_id=OperationIdNamespace(f"{map_id}-groups").create_id_for_step(number),
            operation_type=OperationType.CONTEXT,
            sub_type=OperationSubType.RUN_IN_CHILD_CONTEXT.value,
            parent_id=map_id,
            name=_NAME.format(first=self._units[first], last=self._units[end - 1]),
        )
        group = _Group(identifier, first, end)
        before = context.state.get_checkpoint_result(identifier.operation_id)
        identifier.validate_checkpoint(before.operation)
        group.opened = before.is_existent()
        if before.is_succeeded():
            group.results = dict(enumerate(_unpacked(before.result or "[]"), start=first))
        return group

    def _ended(
        self, context: DurableContext, group: _Group, index: int, result: dict[str, Any]
    ) -> None:
        """End the group with its last unit; returns when that is recorded."""
        with self._lock:
            group.results[index] = result
            if len(group.results) < group.end - group.first:
                return
        results = [group.results[each] for each in range(group.first, group.end)]
        end = OperationUpdate.create_context_succeed(
            identifier=group.identifier, payload=json.dumps(_runs(results), separators=(",", ":"))
        )
        context.state.create_checkpoint(operation_update=end)


def _runs(results: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """Results in their order; each with how many are the same one after another, as most are."""
    return [[result, len(list(same))] for result, same in groupby(results)]


def _unpacked(runs: str) -> list[dict[str, Any]]:
    return [result for result, times in json.loads(runs) for _ in range(times)]
