"""Counts the durable operations of a context as they are made, and keeps a unit to its allowance.

A replay makes the same operations in the same order, so the count is the same. `CountedContext`
stands for the SDK's context wherever the pipeline makes operations; what the service counts, it
counts: each invoke, wait, callback, child context and map is one (`contracts.messages.operations`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.retries import RetryDecision

from contracts.costs.usage import Amounts, Meter, added
from contracts.messages.operations import RESERVED, RESERVED_FROM_STAGES

RetryStrategy = Callable[[Exception, int], RetryDecision]
OF_A_RETRY: Final = 2  # the wait before it, and the operation


@dataclass
class Operations:
    """How many operations were made.

    Attributes:
        used: by now.
        allowed: in all; None: as many as it takes.
        amounts: what else was used with the context, by meter.
        adopted: what jobs have used that an earlier attempt submitted.
    """

    used: int = 0
    allowed: int | None = None
    amounts: Amounts = field(default_factory=dict)
    adopted: Amounts = field(default_factory=dict)

    def spend(self, meter: str, amount: int = 1) -> None:
        """Count an amount of something that is billed."""
        self.amounts[str(meter)] = self.amounts.get(meter, 0) + amount

    def throttled(self, requests: str, function: str) -> None:
        """Count as throttled what was counted as a request: Lambda does not bill it."""
        self.spend(requests, -1)
        self.spend(Meter.THROTTLED.of(function))

    def spend_all(self, amounts: Mapping[str, int] | None) -> None:
        """Count what a step, or a part of the sequence, says that it has used."""
        self.amounts = added((self.amounts, amounts))

    def write(self, payload: Any) -> None:
        """Count the bytes of what an operation records."""
        self.spend(Meter.WRITTEN_BYTES, len(json.dumps(payload, separators=(",", ":"))))

    def of_end(self) -> dict[str, Amounts | None]:
        """The fields of EndUnit that say what the unit has used, the call that carries it too."""
        return {"usage": self.usage(more=1), "adopted": self.adopted or None}

    def usage(self, more: int = 0) -> Amounts:
        """All of it.

        Args:
            more: operations that are about to be made.
        """
        return added((self.amounts, {Meter.OPERATIONS.value: self.used + more}))

    def left_for(self, operation: str) -> int | None:
        """How many may still be made for this step; the last ones are for the unit's end."""
        if self.allowed is None:
            return None
        return self.allowed - self.used - RESERVED.get(operation, RESERVED_FROM_STAGES)

    def suffice_for(self, operation: str, count: int) -> bool:
        left = self.left_for(operation)
        return left is None or left >= count


class CountedContext:
    """A durable context that counts the operations made with it."""

    def __init__(self, context: DurableContext, operations: Operations) -> None:
        self._context = context
        self.operations = operations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def invoke(self, function: str, payload: Any, **options: Any) -> Any:
        self.operations.used += 1
        self.operations.write(payload)
        self.operations.spend(Meter.INVOCATIONS)
        response = self._context.invoke(function, payload, **options)
        self.operations.write(response)
        return response

    def wait(self, *args: Any, **options: Any) -> None:
        self.operations.used += 1
        self.operations.spend(Meter.INVOCATIONS)
        self._context.wait(*args, **options)

    def create_callback(self, *args: Any, **options: Any) -> Any:
        self.operations.used += 1
        self.operations.spend(Meter.INVOCATIONS)
        return self._context.create_callback(*args, **options)

    def run_in_child_context(self, *args: Any, **options: Any) -> Any:
        self.operations.used += 1
        return self._context.run_in_child_context(*args, **options)

    def map(self, *args: Any, **options: Any) -> Any:
        self.operations.used += 1
        return self._context.map(*args, **options)


def usage_with_start(context: DurableContext) -> Amounts:
    """What an execution has used so far beside units that began, its own start included."""
    begun: Amounts = {Meter.INVOCATIONS: 1}
    return added((operations_of(context).usage(more=1), begun))


def counted(context: DurableContext, operations: Operations) -> DurableContext:
    """The context, counting into `operations`."""
    return cast("DurableContext", CountedContext(context, operations))


def operations_of(context: DurableContext) -> Operations:
    """What a context counts into; a fresh count for one that does not count."""
    known = getattr(context, "operations", None)
    return known if isinstance(known, Operations) else Operations()


def within_allowance(
    context: DurableContext, operation: str, retry: RetryStrategy
) -> RetryStrategy:
    """The same retries, as long as the context's operations suffice for another one."""
    operations = operations_of(context)

    def decide(error: Exception, attempts_made: int) -> RetryDecision:
        decision = retry(error, attempts_made)
        if decision.should_retry and not operations.suffice_for(operation, OF_A_RETRY):
            return RetryDecision.no_retry()
        return decision

    return decide
