"""The shards of a large run, each in an execution of its own, as many at once as the run may.

A shard's message holds ids: its execution reads the run's plan from S3 (freeze-plan, read-shard).
An execution starts up to `SHARDS_PER_EXECUTION`; of more, it starts executions that start them, one
after another. So each stays far below the 3,000 operations that it may have, whatever the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aws_durable_execution_sdk_python import (
    BatchResult,
    DurableContext,
    InvokeError,
    WithRetryConfig,
    with_retry,
)
from aws_durable_execution_sdk_python.config import CompletionConfig, MapConfig
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError
from aws_durable_execution_sdk_python.retries import RetryDecision

from contracts.base import Contract
from contracts.costs.usage import Amounts, Meter, added
from contracts.manifest import (
    UNITS_PER_EXECUTION,
    packed_positions,
    positions_of,
    ranges,
    unpacked_positions,
)
from durable_pipeline.operations import Operations, counted
from durable_pipeline.plan import ShardEnd
from durable_pipeline.policies import retry_start
from durable_pipeline.steps import is_broken_replay

# Two operations each, and six for the retries of one that Lambda throttles: 2,400.
SHARDS_PER_EXECUTION: Final = 300
EXECUTIONS: Final = "executions"  # of shards, as a meter names them beside functions


class ShardOfRun(Contract):
    """A slice of a run for an execution of its own, which reads the rest from S3.

    Attributes:
        units: positions that are to be executed, packed (`packed_positions`); absent: all that are
            pending.
        side_by_side: how many units at once.
    """

    run_id: str
    run_attempt: int
    shard: int
    side_by_side: int
    units: str | None = None


class ShardsOfRun(Contract):
    """Consecutive shards of a run for an execution that starts those of each.

    Attributes:
        first, end: the half-open range of their numbers, of which
        only: these are to be executed, with their packed positions; absent: all.
        side_by_side: how many units at once, of all of them together.
    """

    run_id: str
    run_attempt: int
    first: int
    end: int
    side_by_side: int
    only: dict[int, str] | None = None

    @property
    def wanted(self) -> dict[int, str | None]:
        if self.only is None:
            return dict.fromkeys(range(self.first, self.end))
        return {**self.only}


class Processed(Contract):
    """What became of shards, as far as the rest of the run depends on it.

    Attributes:
        halted: no more units of the run are to begin.
        problem: why units are left that nobody begins.
        failed_for_now: by shard, the units that failed for what may pass, packed.
        throttled: how often Lambda refused to start an execution, and was asked again.
        usage: what executions of their own have used beside the units that began.
    """

    halted: bool = False
    problem: str | None = None
    failed_for_now: dict[int, str] = {}
    throttled: int = 0
    usage: Amounts = {}

    @property
    def passing(self) -> Mapping[int, tuple[tuple[int, int], ...]]:
        """By shard, ranges of the units that failed for what may pass."""
        packed = self.failed_for_now.items()
        return {shard: ranges(unpacked_positions(units)) for shard, units in packed}

    @classmethod
    def of(cls, end: ShardEnd) -> Processed:
        failed = {end.shard: packed_positions(positions_of(end.passing))} if end.passing else {}
        return cls(halted=end.halted, failed_for_now=failed, usage=end.usage or {})

    def and_then(self, other: Processed) -> Processed:
        """Both together; of the same shard, the units of both."""
        failed = dict(self.failed_for_now)
        for shard, units in other.failed_for_now.items():
            both = unpacked_positions(failed.get(shard, "0")) + unpacked_positions(units)
            failed[shard] = packed_positions(both)
        return Processed(
            halted=self.halted or other.halted,
            problem=self.problem or other.problem,
            failed_for_now=dict(sorted(failed.items())),
            throttled=self.throttled + other.throttled,
            usage=added((self.usage, other.usage)),
        )


@dataclass(frozen=True)
class Share:
    """How units side by side are divided among executions: never more in all than were asked for.

    Attributes:
        units: in all.
    """

    units: int

    @property
    def lanes(self) -> int:
        """Executions at once."""
        return -(-self.units // UNITS_PER_EXECUTION)

    @property
    def of_each(self) -> int:
        """Units at once in each of them."""
        return self.units // self.lanes


@dataclass(frozen=True)
class ShardRuns:
    """Executions of a run's shards, bound to one context of one execution.

    Attributes:
        function: the function and version that this execution is of.
        side_by_side: units at once, in all.
    """

    context: DurableContext
    function: str
    run_id: str
    run_attempt: int
    side_by_side: int

    def process(self, wanted: Mapping[int, str | None]) -> Processed:
        """Have shards processed, beginning with the lowest, until no unit of them is left.

        Args:
            wanted: by shard, the packed positions of its units that are to be executed; None: all
                that are pending.
        """
        shards = sorted(wanted)
        so_far = Processed()
        if len(shards) > SHARDS_PER_EXECUTION:
            for first in range(0, len(shards), SHARDS_PER_EXECUTION):
                some = shards[first : first + SHARDS_PER_EXECUTION]
                so_far = so_far.and_then(self._start_group({one: wanted[one] for one in some}))
                if so_far.halted:
                    break
        elif Share(self.side_by_side).lanes == 1:
            for shard in shards:
                so_far = so_far.and_then(self._start(self.context, shard, wanted[shard]))
                if so_far.halted:
                    break
        else:
            so_far = self._in_lanes(shards, wanted)
        return so_far

    def _in_lanes(self, shards: Sequence[int], wanted: Mapping[int, str | None]) -> Processed:
        """Several at once, begun in their order; one that finds the run halted ends by itself."""

        def run(context: DurableContext, shard: int, _index: int, _all: Sequence[int]) -> Any:
            operations = Operations(used=1)  # its context
            ended = self._start(counted(context, operations), shard, wanted[shard])
            return ended.and_then(Processed(usage=operations.usage())).to_json()

        config: MapConfig[Any] = MapConfig(
            max_concurrency=Share(self.side_by_side).lanes,
            completion_config=CompletionConfig(tolerated_failure_percentage=100),
            item_namer=lambda shard, _index: f"shard-{shard}",
        )
        batch: BatchResult[Any] = self.context.map(shards, run, name="shards", config=config)
        for item in batch.failed():
            if item.error and is_broken_replay(item.error.type):
                raise NonDeterministicExecutionError(item.error.message or "")
            self._unrecorded(f"{shards[item.index]}: {item.error}")
        so_far = Processed()
        for item in batch.succeeded():
            so_far = so_far.and_then(Processed.from_json(item.result))
        return so_far

    def _start(self, context: DurableContext, shard: int, units: str | None) -> Processed:
        """Process a shard in executions of its own, one after another, until no unit is left."""
        so_far = Processed()
        while True:
            asked = ShardOfRun(
                run_id=self.run_id,
                run_attempt=self.run_attempt,
                shard=shard,
                side_by_side=Share(self.side_by_side).of_each,
                units=units,
            )
            response, throttled = self._invoke(context, {"shard": asked.to_json()}, "run-shard")
            if response is None:
                self._unrecorded(f"{shard}: {throttled.error}")
                return so_far.and_then(throttled.processed)
            end = ShardEnd.from_json(response or {"shard": shard})
            so_far = so_far.and_then(Processed.of(end)).and_then(throttled.processed)
            if end.halted or not end.left:
                return so_far
            if not end.begun:
                count = len(end.left_positions)
                why = (
                    f"{count} units of shard {shard} could not begin, in an execution of their own"
                )
                return so_far.and_then(Processed(problem=why))
            units = packed_positions(end.left_positions)

    def _start_group(self, wanted: Mapping[int, str | None]) -> Processed:
        first, end = min(wanted), max(wanted) + 1
        only = {shard: units for shard, units in wanted.items() if units is not None}
        asked = ShardsOfRun(
            run_id=self.run_id,
            run_attempt=self.run_attempt,
            first=first,
            end=end,
            side_by_side=self.side_by_side,
            only=only or None,
        )
        message = {"shards": asked.to_json()}
        response, throttled = self._invoke(self.context, message, "run-shards")
        if response is None:
            self._unrecorded(f"{first} to {end - 1}: {throttled.error}")
            return throttled.processed
        return Processed.from_json(response).and_then(throttled.processed)

    def _invoke(
        self, context: DurableContext, message: dict[str, Any], name: str
    ) -> tuple[dict[str, Any] | None, Throttled]:
        """The response of an execution; None: it failed, or Lambda would not start it."""
        throttled = Throttled()

        def invoke(retry_context: Any, _attempt: int) -> Any:
            return retry_context.invoke(self.function, message, name=name)

        config: WithRetryConfig[Any] = WithRetryConfig(
            retry_strategy=throttled.decide, wrap_with_run_in_child_context=False
        )
        try:
            return with_retry(context, invoke, config, name=name) or {}, throttled
        except InvokeError as error:
            throttled.error = str(error)
            return None, throttled

    def _unrecorded(self, details: str) -> None:
        extra = {"run_id": self.run_id, "shard": details}
        self.context.logger.error("no outcome recorded", extra=extra)


@dataclass
class Throttled:
    """Retries of one invocation; a replay meets the same errors, and so counts the same."""

    count: int = 0
    error: str = ""

    @property
    def processed(self) -> Processed:
        usage = {Meter.THROTTLED.of(EXECUTIONS): self.count} if self.count else {}
        return Processed(throttled=self.count, usage=usage)

    def decide(self, error: Exception, attempts_made: int) -> RetryDecision:
        decision = retry_start(error, attempts_made)
        self.count += decision.should_retry
        return decision
