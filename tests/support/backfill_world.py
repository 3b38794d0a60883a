"""Backfills over a real ledger (moto), with runs that end as a test plans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from aws_cloud import CACHED_CLIENT, LEDGER_TABLE, REGION, Clients, Cloud
from control_fakes import Executions, arn
from job_fakes import Fate, Killed
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from contracts.ledger_items import BackfillItem, RunItem, place_in_list
from contracts.messages import (
    BackfillAction,
    BeginBackfill,
    ControlBackfill,
    ControlledBackfill,
    EndBackfill,
    EndedBackfill,
    EndedWindow,
    LaneStep,
    NextWindow,
)
from contracts.run import RunStatus
from contracts.run_request import RunRequest, format_timestamp
from contracts.times.backfill import BackfillRequest
from ledger.encoding import to_wire
from runs.backfills.announcing import BackfillEnds
from runs.backfills.beginning import begin_backfill
from runs.backfills.ending import end_backfill
from runs.backfills.executions import BackfillExecutions
from runs.backfills.lanes import next_window
from runs.backfills.names import backfill_execution_name
from runs.backfills.records import find_backfill
from runs.backfills.upkeep import BackfillUpkeep
from runs.executions import execution
from runs.topic import publish

NOW = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
Response = TypeVar("Response")


def backfill(**fields: Any) -> BackfillRequest:
    """Three windows of a day, but for what is said."""
    known = {
        "backfillId": "november",
        "datasetName": "orders",
        "startDateTime": "2026-11-01",
        "endDateTime": "2026-11-04",
        "window": "1d",
    }
    return BackfillRequest.from_json({**known, **fields})


def execution_of(generation: int, backfill_id: str = "november") -> str:
    """The ARN of the so many-th execution."""
    return arn(backfill_execution_name("test", "pipeline", backfill_id, generation))


@dataclass
class BackfillWorld:
    """A deployment with one ledger.

    Attributes:
        outcomes: how the run of a window ends, by the beginning of the window (`2026-11-01`).
        executed: ids of runs, each time that one was executed.
        backfill_id: of the one backfill.
    """

    cloud: Cloud
    lambdas: Executions
    outcomes: dict[str, RunStatus] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    now: datetime = NOW
    backfill_id: str = "november"
    _lock: Any = field(default_factory=threading.Lock)

    def clock(self) -> datetime:
        return self.now

    @property
    def item(self) -> BackfillItem:
        found = find_backfill(self.cloud.ledger, self.backfill_id)
        assert found is not None
        return found

    @property
    def states(self) -> str:
        return self.item.states

    @property
    def executions(self) -> BackfillExecutions:
        return BackfillExecutions(
            self.cloud.ledger, "backfill:live", "test", "pipeline", self.clock
        )

    @property
    def upkeep(self) -> BackfillUpkeep:
        return BackfillUpkeep(
            self.cloud.ledger, self.executions, self.ends, execution, 3, self.clock
        )

    @property
    def ends(self) -> BackfillEnds:
        return BackfillEnds(
            self.cloud.ledger, lambda news: publish(self.cloud.topic_arn, news), self.clock
        )

    # -- what an execution does

    def begin(self, request: BackfillRequest, generation: int = 1) -> int:
        message = BeginBackfill(
            request=request,
            generation=generation,
            execution_arn=execution_of(generation, request.backfill_id),
        )
        self.lambdas.status.setdefault(message.execution_arn, "RUNNING")
        return begin_backfill(message, self.cloud.ledger, self.now).lanes

    def next(self, call: int, ended: int | EndedWindow | None = None, **fields: Any) -> LaneStep:
        error = fields.pop("error", None)
        if isinstance(ended, int):
            ended = EndedWindow(number=ended, error=error)
        message = NextWindow(
            **{
                "backfill_id": self.backfill_id,
                "generation": 1,
                "lane": 0,
                "call": call,
                "operations": 2 * call,
                "ended": ended,
                **fields,
            }
        )
        return next_window(message, self.cloud.ledger, self.now)

    def end(self, generation: int = 1) -> EndedBackfill:
        message = EndBackfill(
            backfill_id=self.backfill_id,
            generation=generation,
            execution_arn=execution_of(generation, self.backfill_id),
        )
        return end_backfill(message, self.cloud.ledger, self.executions, self.ends, self.clock)

    def control(self, action: BackfillAction, **fields: Any) -> ControlledBackfill:
        message = ControlBackfill(backfill_id=self.backfill_id, action=action, **fields)
        return self.upkeep.control(message)

    # -- runs

    def run(self, request: RunRequest) -> None:
        """Execute a run: one that has ended stays as it is, but for FAILED ones."""
        with self._lock:
            self.executed.append(request.run_id)
            start = format_timestamp(request.fixed_start or NOW)[:10]
            self.put_run(request, self.outcomes.get(start, RunStatus.SUCCEEDED))

    def put_run(self, request: RunRequest, status: RunStatus, **more: Any) -> None:
        end = request.end_date_time
        assert isinstance(end, datetime)
        at = format_timestamp(more.pop("claimed_at", self.now))
        item = RunItem(
            run_id=request.run_id,
            holder=arn("run"),
            status=status,
            request=request.canonical(),
            dataset_name=request.dataset_name,
            end_date_time=format_timestamp(end),
            claimed_at=at,
            **place_in_list(at, request.run_id),
            **more,
        )
        CACHED_CLIENT("dynamodb").put_item(TableName=LEDGER_TABLE, Item=to_wire(item.to_item()))

    def forget(self) -> None:
        """Empty the ledger."""
        backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION]
        backend.tables[LEDGER_TABLE].items.clear()

    # -- whole executions, without the SDK

    def drive(self, request: BackfillRequest) -> EndedBackfill:
        """Every execution, one after another, each call repeated until it is done."""
        generation = 1
        while True:
            ended = self.drive_one(request, generation)
            if ended.next_execution is None:
                return ended
            assert ended.next_execution == execution_of(generation + 1, self.backfill_id)
            generation += 1

    def drive_one(self, request: BackfillRequest, generation: int) -> EndedBackfill:
        lanes = repeated(lambda: self.begin(request, generation))
        at: dict[int, tuple[int, int | None]] = {lane: (1, None) for lane in range(lanes)}
        while at:
            for lane, (call, ended) in list(at.items()):
                step = repeated(
                    lambda lane=lane, call=call, ended=ended: self.next(
                        call, ended, lane=lane, generation=generation
                    )
                )
                if step.request is None:
                    del at[lane]
                    continue
                self.run(step.request)
                at[lane] = (call + 1, step.number)
        return repeated(lambda: self.end(generation))


def repeated(call: Callable[[], Response]) -> Response:
    """As the orchestrator repeats a step whose process has died."""
    for _ in range(3):
        try:
            return call()
        except Killed:
            continue
    raise AssertionError("it died three times")


def doomed(clients: Clients, lambdas: Executions) -> Fate:
    """Over all clients of a backfill: each of them may be killed."""
    fate = Fate()
    clients.use("dynamodb", fate.over(CACHED_CLIENT("dynamodb")))
    clients.use("lambda", fate.over(lambdas))
    return fate


@contextmanager
def limits(monkeypatch: Any, **values: int) -> Iterator[None]:
    """Other limits of one execution than the deployed ones."""
    with monkeypatch.context() as patch:
        for name, value in values.items():
            patch.setattr(f"runs.backfills.lanes.{name}", value)
        yield
