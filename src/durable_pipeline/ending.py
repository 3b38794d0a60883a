"""How a unit ends: by its last store, which records the end as well, or by end-unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts.base import Contract
from contracts.costs.usage import Amounts
from contracts.messages import EndAfterStore, EndUnit, NotBegun
from contracts.run import UnitState
from contracts.steps import Steps
from durable_pipeline.operations import Operations, operations_of
from durable_pipeline.policies import passes_with_time
from durable_pipeline.steps import BoundSteps


class UnitEnd(Contract):
    """What became of a unit, for the execution that it was to begin in.

    Attributes:
        status: absent: it has not begun, and another execution may begin it.
        not_begun: why it has not; absent where it could not even ask.
        passing: it failed for what may pass, so that it may run again later.
        uncounted: durable operations of a unit that has not begun: the ledger has no count of them.
        usage: what else such a unit has used, if its own record does not say so.
    """

    status: UnitState | None = None
    not_begun: NotBegun | None = None
    passing: bool = False
    uncounted: int = 0
    usage: Amounts | None = None


@dataclass
class CarriedEnd:
    """The end of a unit that its last store records, if it has all rows.

    Attributes:
        outcome: of a stored unit, by how many rows the store has left superseded so far.
        began_at: operations used when the call began that may have recorded it; None: none has.
        recorded: that call says so.
    """

    outcome: Callable[[int], EndUnit]
    operations: Operations
    began_at: int | None = None
    recorded: bool = False

    def begins(self) -> None:
        """A call begins that may record it; what its retries use is counted from here."""
        self.began_at = self.operations.used

    def after(self, used: int, rows: int, superseded: int = 0) -> EndAfterStore:
        """What a try of that call carries.

        Args:
            used: operations made before it.
            rows: how many it is to store.
            superseded: rows that earlier calls of the store have left so.
        """
        counts = {"operations": used + 1, "repeats": used - (self.began_at or 0)}
        counted = {**counts, **self.operations.of_end()}
        outcome = self.outcome(superseded).model_copy(update=counted)
        return EndAfterStore(outcome=outcome, rows=rows)


def end_by_itself(steps: BoundSteps, outcome: EndUnit, carried: CarriedEnd | None) -> UnitState:
    """Have end-unit record the outcome; returns the one that stands.

    Args:
        carried: the end that the last store may have recorded already.

    Raises:
        StageFailed: it could not be recorded.
    """
    before = operations_of(steps.context).used
    perhaps = carried is not None and carried.began_at is not None
    if carried is not None and carried.began_at is not None:
        before = carried.began_at
    ended = steps.call_with(
        Steps.end_unit,
        lambda used: outcome.model_copy(
            update={
                "operations": used + 1,
                "repeats": used - before,
                **operations_of(steps.context).of_end(),
                "perhaps_ended": perhaps,
            }
        ),
    )
    return UnitState(ended.status or outcome.status)


def unit_end(outcome: EndUnit, status: UnitState, uncounted: int = 0) -> UnitEnd:
    """What the execution hears of a unit whose outcome is recorded as `status`."""
    failure = outcome.failure if status is UnitState.FAILED else None
    return UnitEnd(
        status=status,
        passing=failure is not None and passes_with_time(failure.error_type),
        uncounted=uncounted,
    )
