"""The third durable function: a backfill, which has the long-running function run its windows.

    begin-backfill → run-lanes: as many as windows run at once, each of them
        next-window → run-window (→ wait-for-run → next-window …) → next-window → …
    → end-backfill, which starts the next execution if windows are left

`next-window` says which window a lane runs, or that it is done: as none is left, as somebody has
paused or stopped the backfill, or as the execution has run enough of them. Its response is
recorded, so every replay runs the same windows. A lane's windows are divided into chunks, each of
them a child context, so that a replay skips those that are complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aws_durable_execution_sdk_python import (
    BatchResult,
    DurableContext,
    InvokeError,
    WithRetryConfig,
    durable_execution,
    with_retry,
)
from aws_durable_execution_sdk_python.config import CompletionConfig, Duration, MapConfig
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError

from contracts.base import Contract
from contracts.errors import PipelineError
from contracts.messages import (
    FAILURE_CHARACTERS,
    BeginBackfill,
    EndBackfill,
    EndedWindow,
    LaneStep,
    NextWindow,
    StartBackfill,
)
from contracts.run_request import RunRequest
from contracts.steps import BackfillSteps
from contracts.times.backfill import BackfillStatus
from durable_pipeline.operations import Operations, counted, operations_of
from durable_pipeline.policies import error_name, retry_invocation
from durable_pipeline.settings import BackfillSettings
from durable_pipeline.steps import BoundSteps, StageFailed, in_child_context, is_broken_replay

CHUNK: Final = 25  # windows
# A window's run that Lambda throttles is invoked again for about so long.
PATIENCE_SECONDS: Final = 3600
# Between looks at a run that goes on in another execution, as its own has died.
FIRST_LOOK_SECONDS: Final = 10
LONGEST_LOOK_SECONDS: Final = 3600


class BackfillFailed(PipelineError):
    """The backfill ended as FAILED; raised so that its execution fails too."""


class LaneState(Contract):
    """How far a lane is, after a chunk of its windows.

    Attributes:
        call: of next-window, its next one.
        ended: the window that it has run last, which that call says.
        looks: how often its run was looked at since.
        done: it gets no more windows.
    """

    call: int = 1
    ended: EndedWindow | None = None
    looks: int = 0
    done: bool = False


_settings: BackfillSettings | None = None


def settings() -> BackfillSettings:
    """The function's settings, read at the first call."""
    global _settings
    if _settings is None:
        _settings = BackfillSettings.from_environment()
    return _settings


def use_settings(chosen: BackfillSettings) -> None:
    """Replace the settings from the environment; for tests."""
    global _settings
    _settings = chosen


@durable_execution
def handle_backfill(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Run windows of a backfill until none is left, or another execution is to go on."""
    context = counted(context, Operations())
    asked = StartBackfill.from_json(event)
    arn = context.execution_context.durable_execution_arn
    return Backfill(context, settings(), arn, asked).run()


@dataclass(frozen=True)
class Backfill:
    """One execution of a backfill."""

    context: DurableContext
    settings: BackfillSettings
    execution_arn: str
    asked: StartBackfill

    def run(self) -> dict[str, Any]:
        """Run windows; returns what became of the backfill so far.

        Raises:
            StageFailed: a step failed, in every lane if it was next-window.
            BackfillFailed: it has ended as FAILED.
        """
        if self.asked.wait_seconds:
            self.context.wait(Duration(seconds=self.asked.wait_seconds), name="wait-for-attempt")
        steps = BoundSteps(self.context, self.settings.steps)
        begin = BeginBackfill(
            request=self.asked.request,
            generation=self.asked.generation,
            execution_arn=self.execution_arn,
        )
        lanes = steps.call(BackfillSteps.begin_backfill, begin).lanes
        if lanes:
            self._run_lanes(lanes)
        end = EndBackfill(
            backfill_id=self.asked.request.backfill_id,
            generation=self.asked.generation,
            execution_arn=self.execution_arn,
        )
        ended = steps.call(BackfillSteps.end_backfill, end)
        if ended.status is BackfillStatus.FAILED:
            raise BackfillFailed(f"backfill {ended.backfill_id} failed: {ended.reason}")
        return ended.to_json()

    def _run_lanes(self, lanes: int) -> None:
        def run(context: DurableContext, lane: int, _index: int, _all: Sequence[int]) -> None:
            Lane(counted(context, Operations(used=1)), self.settings, self.asked, lane).run()

        config: MapConfig[Any] = MapConfig(
            max_concurrency=lanes,
            completion_config=CompletionConfig(tolerated_failure_percentage=100),
            item_namer=lambda lane, _index: f"lane-{lane}",
        )
        batch: BatchResult[Any] = self.context.map(
            range(lanes), run, name="run-lanes", config=config
        )
        failed = [(item.error.type, item.error.message) for item in batch.failed() if item.error]
        for kind, why in failed:
            if is_broken_replay(kind):
                raise NonDeterministicExecutionError(why or "")
            self.context.logger.error("a lane failed", extra={"error": f"{kind}: {why}"})
        if len(failed) == lanes:
            raise StageFailed("run-lanes", str(failed[0][0]), str(failed[0][1]))


@dataclass(frozen=True)
class Lane:
    """Windows one after another, in one context of an execution."""

    context: DurableContext
    settings: BackfillSettings
    asked: StartBackfill
    number: int

    def run(self) -> None:
        """Run windows for as long as next-window gives any.

        Raises:
            ChildContextError: next-window failed.
        """
        state = LaneState()
        while not state.done:
            state = in_child_context(
                self.context,
                "windows",
                LaneState,
                lambda child, begun=state: self._chunk(child, begun),  # type: ignore[misc]
            )

    def _chunk(self, context: DurableContext, state: LaneState) -> LaneState:
        before = operations_of(self.context).used
        for _ in range(CHUNK):
            step = self._next(context, state, before + operations_of(context).used)
            if step.look_again:
                seconds = min(FIRST_LOOK_SECONDS * 2 ** min(state.looks, 10), LONGEST_LOOK_SECONDS)
                context.wait(Duration(seconds=seconds), name="wait-for-run")
                ended, looks = state.ended, state.looks + 1
            elif step.request is None or step.number is None:
                return LaneState(call=state.call + 1, done=True)
            else:
                ended, looks = self._run_window(context, step.number, step.request), 0
            state = LaneState(call=state.call + 1, ended=ended, looks=looks)
        return state

    def _next(self, context: DurableContext, state: LaneState, operations: int) -> LaneStep:
        message = NextWindow(
            backfill_id=self.asked.request.backfill_id,
            generation=self.asked.generation,
            lane=self.number,
            call=state.call,
            operations=operations,
            ended=state.ended,
        )
        return BoundSteps(context, self.settings.steps).call(BackfillSteps.next_window, message)

    def _run_window(self, context: DurableContext, number: int, request: RunRequest) -> EndedWindow:
        """Have a window's run executed; what became of it is in the ledger."""

        def invoke(retry_context: Any, _attempt: int) -> Any:
            function = self.settings.long_run_function
            return retry_context.invoke(function, request.to_json(), name="run-window")

        config: WithRetryConfig[Any] = WithRetryConfig(
            retry_strategy=retry_invocation(PATIENCE_SECONDS),
            wrap_with_run_in_child_context=False,
        )
        try:
            with_retry(context, invoke, config, name="run-window")
        except InvokeError as error:
            why = f"{error_name(error.error_type)}: {error.message or 'no message'}"
            return EndedWindow(number=number, run_id=request.run_id, error=why[:FAILURE_CHARACTERS])
        return EndedWindow(number=number, run_id=request.run_id)
