"""What preparing a run returns: the plan that execution and shards start from."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from contracts.base import Contract
from contracts.costs.usage import Amounts
from contracts.manifest import UNITS_PER_EXECUTION, ManifestSummary, positions_of
from contracts.messages import STAGES_CARRY, UNITS_ASK, UNITS_GROUPED, Claim, LoadedDataset
from contracts.messages.operations import planned_for, planned_operations
from contracts.run import RunResult
from contracts.run_request import RunRequest
from contracts.steps import declared
from durable_pipeline import sdk
from durable_pipeline.policies import between_tries

UNIT_CONTEXT_OPERATIONS: Final = 1


def operations_per_unit(dataset: LoadedDataset) -> int:
    """Durable operations of one unit without retries, since flow 3 (UNIT_FLOW)."""
    steps = sum(step.per_unit(dataset) for step in declared() if step.per_unit)
    return UNIT_CONTEXT_OPERATIONS + steps


class Plan(Contract):
    """A prepared run: claimed, its contract loaded, its manifest frozen; ready to be executed.

    Or to be handed over, if it has to wait for its data: the manifest is then not frozen yet.

    Attributes:
        usage: what preparing it has used, where another context executes it.
    """

    request: RunRequest
    claim: Claim
    dataset: LoadedDataset
    manifest: ManifestSummary
    usage: Amounts | None = None

    def seconds(self, units_side_by_side: int = UNITS_PER_EXECUTION) -> int:
        """Expected seconds for the pending units, by the contract's `limits.unitSeconds`.

        Args:
            units_side_by_side: as many as one execution may have at once.
        """
        pending = len(self.manifest.pending_positions())
        at_once = min(self.concurrency, units_side_by_side, UNITS_PER_EXECUTION)
        return math.ceil(pending / at_once) * self.dataset.unit_seconds

    @property
    def retry_seconds(self) -> int:
        """How long one unit waits between the tries of its jobs, if all but the last fail."""
        policies = (between_tries(job) for job in self.dataset.jobs)
        return sum(
            policy.delay(tries)
            for policy in policies
            if policy
            for tries in range(1, policy.attempts)
        )

    @property
    def operations(self) -> int:
        """Planned durable operations of the pending units."""
        pending = len(self.manifest.pending_positions())
        return pending * planned_for(operations_per_unit(self.dataset))

    @property
    def planned_operations(self) -> int:
        """Durable operations that one execution has for units."""
        return planned_operations(min(self.concurrency, UNITS_PER_EXECUTION))

    @property
    def units_ask(self) -> bool:
        """Whether units ask whether they begin; see UNIT_FLOW."""
        return self.claim.unit_flow >= UNITS_ASK

    @property
    def stages_carry(self) -> bool:
        """Whether other stages carry a unit's start and end; see UNIT_FLOW."""
        return self.claim.unit_flow >= STAGES_CARRY

    @property
    def units_grouped(self) -> bool:
        """Whether the units of an execution lie in groups; see UNIT_FLOW."""
        return self.claim.unit_flow >= UNITS_GROUPED and sdk.is_known()

    @property
    def tolerated_losses(self) -> int | None:
        """Objects (or items) that may fail before no more begin; None: any number."""
        of_items = self.dataset.of_items
        if not self.request.fails_fast(of_items=of_items):
            return None
        manifest = self.manifest
        objects = manifest.objects if manifest.source_objects is None else manifest.source_objects
        total = (manifest.items or 0) if of_items else objects
        # A little more, or 7 percent of 100 would be 7.000000000000001, and 29 percent 28.999…
        return math.floor(total * self.request.tolerance(of_items=of_items) / 100 + 1e-9)

    def is_long(
        self,
        short_run_seconds: int,
        seconds_taken: int = 0,
        operations_taken: int = 0,
        units_side_by_side: int = UNITS_PER_EXECUTION,
    ) -> bool:
        """Whether the run needs the long-running function.

        True if it is too long for the SQS-triggered function's 15 minutes, the waits between tries
        of a job included, has to wait for its data, has several shards, timed out there before, has
        more units than fit beside those of the other runs of its execution, or if the request says
        so (`detached`); where it says nothing, also if a pool that it needs had no room, as the
        other messages of the batch would wait as well.

        Args:
            short_run_seconds: how much expected work one execution accepts.
            seconds_taken: how much of it other runs of the execution have taken.
            operations_taken: planned operations of their units.
            units_side_by_side: see `seconds`.
        """
        if self.manifest.waiting is not None:
            return True
        if len(self.manifest.shard_sizes) > 1 or self.claim.previous_timed_out:
            return True
        if self.request.detached is not None:
            return self.request.detached
        if self.units_ask and operations_taken + self.operations > self.planned_operations:
            return True
        seconds = seconds_taken + self.seconds(units_side_by_side) + self.retry_seconds
        return self.dataset.pools_full or seconds > short_run_seconds

    @property
    def concurrency(self) -> int:
        """Units side by side."""
        return self.request.concurrency(of_items=self.dataset.of_items)


class OtherRuns(NamedTuple):
    """Of the same batch, executed in the same execution.

    Attributes:
        units_before: units of those that were executed before.
        further: how many are to be executed after.
    """

    units_before: int = 0
    further: int = 0


ALONE: Final = OtherRuns()


class Shard(Contract):
    """A slice of a run for a child execution.

    Attributes:
        positions: half-open ranges of the units to be executed; absent: all that are pending.
    """

    plan: Plan
    shard: int
    positions: tuple[tuple[int, int], ...] = ()


class ShardEnd(Contract):
    """What became of a shard's units, as far as further executions depend on it.

    Attributes:
        left: half-open ranges of the units that have not begun, and which another execution may
            begin.
        begun: how many units have.
        passing: half-open ranges of those that failed for what may pass.
        halted: no more units of the run are to begin.
        usage: what its execution has used beside the units that began; absent: it is not one of its
            own, or an earlier release ran it.
    """

    shard: int
    left: tuple[tuple[int, int], ...] = ()
    passing: tuple[tuple[int, int], ...] = ()
    begun: int = 0
    halted: bool = False
    usage: Amounts | None = None

    @property
    def left_positions(self) -> list[int]:
        return positions_of(self.left)


class Executed(Contract):
    """The result of executing a run here.

    Attributes:
        result: absent: units are left that only the long-running function can begin.
    """

    result: RunResult | None = None


class Prepared(Contract):
    """The result of preparing a run: exactly one of the first four is set.

    Attributes:
        plan: it can be executed.
        result: it has ended already (SKIPPED, or FAILED before its units).
        standing: nothing to do, and why: another execution holds it, or it has succeeded before.
        refused: why this message can never run.
        run_id: the id that was drawn for it; absent where its request names one.
    """

    plan: Plan | None = None
    result: RunResult | None = None
    standing: str | None = None
    refused: str | None = None
    run_id: str | None = None
