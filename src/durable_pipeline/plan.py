"""What preparing a run returns: the plan that execution and shards start from."""

from __future__ import annotations

import math
from typing import Final

from contracts.base import Contract
from contracts.manifest import ManifestSummary
from contracts.messages import Claim, LoadedDataset
from contracts.run import RunResult
from contracts.run_request import RunRequest
from contracts.steps import declared

UNIT_CONTEXT_OPERATIONS: Final = 1


def operations_per_unit(dataset: LoadedDataset) -> int:
    """Durable operations of one unit without retries; decides the size of a shard."""
    steps = sum(step.per_unit(dataset) for step in declared() if step.per_unit)
    return UNIT_CONTEXT_OPERATIONS + steps


class Plan(Contract):
    """A prepared run: claimed, its contract loaded, its manifest frozen; ready to be executed.

    Or to be handed over, if it has to wait for its data: the manifest is then not frozen yet.
    """

    request: RunRequest
    claim: Claim
    dataset: LoadedDataset
    manifest: ManifestSummary

    @property
    def seconds(self) -> int:
        """Expected seconds for the pending units, by the contract's `limits.unitSeconds`."""
        pending = len(self.manifest.pending_positions())
        return math.ceil(pending / self.concurrency) * self.dataset.unit_seconds

    def is_long(self, short_run_seconds: int, seconds_taken: int = 0) -> bool:
        """Whether the run needs the long-running function.

        True if it is too long for the SQS-triggered function's 15 minutes, has to wait for its
        data, has several shards, timed out there before, or if the request says so (`detached`).

        Args:
            short_run_seconds: how much expected work one execution accepts.
            seconds_taken: how much of it other runs of the execution have taken.
        """
        if self.manifest.waiting is not None:
            return True
        if len(self.manifest.shard_sizes) > 1 or self.claim.previous_timed_out:
            return True
        if self.request.detached is not None:
            return self.request.detached
        return seconds_taken + self.seconds > short_run_seconds

    @property
    def concurrency(self) -> int:
        """Units side by side."""
        return self.request.concurrency(of_items=self.dataset.of_items)


class Shard(Contract):
    """A slice of a run for a child execution: the plan, with the pending units of one shard."""

    plan: Plan
    shard: int


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
