"""What the ledger says of runs, units and jobs: read only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from contracts.costs.figures import PastCost
from contracts.job import Engine
from contracts.ledger_items import (
    ACTIVE_RUN,
    BACKFILLS,
    NO_RUN,
    POOLS,
    BackfillItem,
    DrawnItem,
    EventItem,
    JobItem,
    Key,
    PastCostsItem,
    PoolItem,
    PoolsFileItem,
    RejectedItem,
    RunItem,
    UnitItem,
    WindowsItem,
)
from contracts.run import (
    Finding,
    NextStep,
    RowCounts,
    RunOutcome,
    RunStatus,
    StageFailure,
    UnitState,
    UnitTotals,
)
from contracts.run_request import parse_timestamp
from contracts.times.windows import Window
from ledger.table import ACTIVE_INDEX

_DESERIALIZER: Final = TypeDeserializer()
Item = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """The RUN item.

    Attributes:
        holder: ARN of the durable execution that holds the run.
        outcome: once it has ended: its status, that it succeeded with losses, or that it is
            superseded.
        findings: the rules that most rows broke.
        warehouse_error: why the warehouse lacks the rows about the run itself.
        item: all that the ledger says of it.
    """

    run_id: str
    status: RunStatus
    run_attempt: int
    holder: str
    dataset_name: str
    units: UnitTotals
    rows: RowCounts
    reason: str | None
    results_url: str | None
    outcome: RunOutcome | None
    findings: tuple[Finding, ...]
    next_steps: tuple[NextStep, ...]
    warehouse_error: str | None
    item: RunItem

    @classmethod
    def from_item(cls, item: Item) -> Run:
        run = RunItem.from_item(item)
        return cls(
            run_id=run.run_id,
            status=run.status,
            run_attempt=run.run_attempt,
            holder=run.holder,
            dataset_name=run.dataset_name,
            units=run.units or UnitTotals(),
            rows=run.rows or RowCounts(),
            reason=run.reason,
            results_url=run.results_url,
            outcome=RunOutcome.SUPERSEDED if run.superseded_by else run.outcome,
            findings=run.findings,
            next_steps=next_steps_of(run, run.next_steps),
            warehouse_error=run.warehouse_error,
            item=run,
        )

    @property
    def superseded_by(self) -> str | None:
        """The run that retries it and took its place."""
        return self.item.superseded_by

    @property
    def may_be_taken_over(self) -> bool:
        """It has ended, and its message starts it anew."""
        return self.item.may_be_taken_over


def next_steps_of(run: RunItem, recorded: tuple[NextStep, ...]) -> tuple[NextStep, ...]:
    """What to do about the run: what was recorded at its end, unless another took its place."""
    if run.superseded_by is None:
        return recorded
    by = run.superseded_by
    why = f"Run {by} has superseded it, and processes what it had not stored:"
    return (NextStep(why=why, command=f"pipeline status {by}"),)


def short_url(url: str) -> str:
    """The end of an object's URL: objects of equal names differ in their date partition."""
    return "/".join(url.split("/")[-2:])


@dataclass(frozen=True)
class UnitRow:
    """A UNIT item."""

    unit_id: str
    status: UnitState
    source_url: str
    rows: RowCounts
    job_ids: tuple[str, ...]
    failure: StageFailure | None
    item: UnitItem

    @property
    def short_source(self) -> str:
        """The end of the object's URL; of a unit that holds several, how many."""
        if self.item.objects is not None:
            lost = self.item.objects.failed
            return f"{self.item.objects.total:,} objects" + (f", {lost:,} failed" if lost else "")
        return short_url(self.source_url)

    @classmethod
    def from_item(cls, item: Item) -> UnitRow:
        unit = UnitItem.from_item(item)
        return cls(
            unit_id=unit.unit_id,
            status=unit.outcome,
            source_url=unit.source_url or "",
            rows=unit.rows or RowCounts(),
            job_ids=unit.job_ids,
            failure=unit.failure,
            item=unit,
        )


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A JOB item, read as far as possible: even a damaged one can be shown."""

    unit_id: str
    stage: str
    attempt: int
    job_id: str = ""
    engine: str = ""
    state: str = ""
    service_id: str | None = None
    submitted_at: str | None = None
    ended_at: str | None = None
    error: str | None = None
    target: str | None = None
    deadline: int | None = None
    timeout_seconds: int | None = None
    pool: str | None = None
    queue_until: int | None = None
    input_url: str | None = None
    output_url: str | None = None
    cancelling: str | None = None
    execution: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None

    @property
    def seconds(self) -> float | None:
        """From submission to its end, as far as they are known."""
        if not self.submitted_at or not self.ended_at:
            return None
        began, ended = parse_timestamp(self.submitted_at), parse_timestamp(self.ended_at)
        return (ended - began).total_seconds()

    @classmethod
    def from_item(cls, item: Item) -> JobRow:
        key = JobItem.job_key_of(item)
        names = {field.name for field in fields(cls)} & JobItem.attributes()
        known = {name: item[name] for name in names if name in item}
        return cls(unit_id=key.unit_id, stage=key.stage, attempt=key.attempt, **known)


class LedgerView:
    """The ledger table, by a DynamoDB client."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def run(self, run_id: str) -> Run | None:
        """The run; None: there is none, or its records are leaving the ledger."""
        item = self._item(RunItem.key_of(run_id))
        run = Run.from_item(item) if item else None
        return run if run is not None and run.item.expired_at is None else None

    def is_expiring(self, run_id: str) -> bool:
        """Whether the run's records have left the ledger or are leaving it, and its id is taken."""
        item = self._item(RunItem.key_of(run_id))
        return item is not None and RunItem.from_item(item).expired_at is not None

    def drawn_run_id(self, message_id: str) -> str | None:
        """The run id that was drawn for a message with `runId: auto`; None if it was not (yet)."""
        item = self._item(DrawnItem.key_of(message_id))
        return DrawnItem.from_item(item).drawn_run_id if item else None

    def units(self, run_id: str) -> list[UnitRow]:
        return [UnitRow.from_item(item) for item in self._items(run_id, UnitItem.PREFIX)]

    def jobs(self, run_id: str) -> list[JobRow]:
        return list(self.each_job(run_id))

    def each_job(self, run_id: str) -> Iterator[JobRow]:
        """The same one by one: only as many are read as are taken, but for the rest of a page."""
        return (JobRow.from_item(item) for item in self._items(run_id, JobItem.PREFIX))

    def noted_events(self, run_id: str) -> list[str]:
        """Names of the run's notifications that their consumer noted."""
        noted = self._items(run_id, EventItem.PREFIX)
        return [EventItem.from_item(item).event_id for item in noted]

    def active_runs(self, limit: int) -> Iterator[Run]:
        """Runs whose ends are not announced yet, the longest active first (an index)."""
        active = self._active(ACTIVE_RUN)
        return (Run.from_item(item) for item in itertools.islice(active, limit))

    def active_jobs(self, engine: Engine) -> Iterator[tuple[str, JobRow]]:
        """Run id and job of an engine's jobs whose ends are not reported yet (likewise)."""
        for item in self._active(engine.value):
            yield str(item[Key._fields[0]]), JobRow.from_item(item)

    def pools(self) -> list[PoolItem]:
        """The pools that jobs have taken places of, by name."""
        return [PoolItem.from_item(item) for item in self._items(POOLS, PoolItem.PREFIX)]

    def pools_file(self) -> PoolsFileItem:
        """What the pipeline has read of `pools.yaml`."""
        return PoolsFileItem.from_item(self._item(PoolsFileItem.key_of()) or {})

    def backfills(self) -> list[BackfillItem]:
        """All backfills, the newest first."""
        found = map(BackfillItem.from_item, self._items(BACKFILLS, BackfillItem.PREFIX))
        return sorted(found, key=lambda each: each.created_at or "", reverse=True)

    def backfill(self, backfill_id: str) -> BackfillItem | None:
        item = self._item(BackfillItem.key_of(backfill_id))
        return BackfillItem.from_item(item) if item else None

    def past_costs(self, dataset: str) -> tuple[PastCost, ...]:
        """What the dataset's last runs have cost, the latest first."""
        item = self._item(PastCostsItem.key_of(dataset))
        return PastCostsItem.from_item(item).runs if item else ()

    def windows(self, backfill_id: str) -> list[Window]:
        """The windows of a backfill as they were recorded, in order of time."""
        items = self._items(BACKFILLS, WindowsItem.prefix_of(backfill_id))
        return [window for item in items for window in WindowsItem.from_item(item).windows]

    def refusal(self, message_id: str, run_id: str) -> str | None:
        """Why a message was refused; None if it was not (yet)."""
        for partition in (run_id, NO_RUN):
            item = self._item(RejectedItem.key_of(partition, message_id))
            if item:
                return RejectedItem.from_item(item).reason
        return None

    def refused(self, name: str) -> RejectedItem | None:
        """The message of that id, or the last one that asked for the run of that id, if it was
        refused."""
        item = self._item(RejectedItem.key_of(NO_RUN, name))
        found = [item] if item else list(self._items(name, RejectedItem.PREFIX))
        items = sorted(map(RejectedItem.from_item, found), key=lambda each: each.rejected_at or "")
        return items[-1] if items else None

    def _active(self, what: str) -> Iterator[Item]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=ACTIVE_INDEX,
            KeyConditionExpression="active = :what",
            ExpressionAttributeValues={":what": {"S": what}},
        )
        for page in pages:
            yield from (plain_item(item) for item in page["Items"])

    def _item(self, key: Key) -> Item | None:
        response = self._dynamodb.get_item(
            TableName=self._table,
            Key={name: {"S": value} for name, value in key._asdict().items()},
            ConsistentRead=True,
        )
        return plain_item(response["Item"]) if "Item" in response else None

    def _items(self, run_id: str, prefix: str) -> Iterator[Item]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#run = :run AND begins_with(#item, :prefix)",
            ExpressionAttributeNames=dict(zip(("#run", "#item"), Key._fields, strict=True)),
            ExpressionAttributeValues={":run": {"S": run_id}, ":prefix": {"S": prefix}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from (plain_item(item) for item in page["Items"])


def plain_item(item: dict[str, Any]) -> Item:
    """An item as the DynamoDB API returns it as plain Python values, ready for JSON."""
    return {name: _plain(_DESERIALIZER.deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | set):
        return [_plain(inner) for inner in value]
    return value
