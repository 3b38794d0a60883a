"""What the ledger says of runs, units and jobs: read only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from contracts.run import (
    Finding,
    NextStep,
    RowCounts,
    RunOutcome,
    RunStatus,
    StageFailure,
    UnitStatus,
    UnitTotals,
)
from contracts.run_request import parse_timestamp

_DESERIALIZER: Final = TypeDeserializer()
NO_RUN: Final = "rejected"  # the partition of refused messages that name no run
Item = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """The RUN item.

    Attributes:
        holder: ARN of the durable execution that holds the run.
        outcome: once it has ended: its status, or that it succeeded with losses.
        findings: the rules that most rows broke.
        warehouse_error: why the warehouse lacks the rows about the run itself.
        raw: the whole item, plain Python values.
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
    raw: Item

    @classmethod
    def from_item(cls, item: Item) -> Run:
        return cls(
            run_id=item["run_id"],
            status=RunStatus(item["status"]),
            run_attempt=item.get("run_attempt", 1),
            holder=item.get("holder", ""),
            dataset_name=item.get("dataset_name", ""),
            units=UnitTotals.from_json(item.get("units") or {}),
            rows=RowCounts.from_json(item.get("rows") or {}),
            reason=item.get("reason"),
            results_url=item.get("results_url"),
            outcome=RunOutcome(item["outcome"]) if "outcome" in item else None,
            findings=tuple(Finding.from_json(one) for one in item.get("findings") or ()),
            next_steps=tuple(NextStep.from_json(one) for one in item.get("next_steps") or ()),
            warehouse_error=item.get("warehouse_error"),
            raw=item,
        )


@dataclass(frozen=True)
class UnitRow:
    """A UNIT item."""

    unit_id: str
    status: UnitStatus
    source_url: str
    rows: RowCounts
    job_ids: tuple[str, ...]
    failure: StageFailure | None
    raw: Item

    @property
    def short_source(self) -> str:
        """The end of the URL: the date partition tells objects of equal names apart."""
        return "/".join(self.source_url.split("/")[-2:])

    @classmethod
    def from_item(cls, item: Item) -> UnitRow:
        failure = item.get("failure")
        return cls(
            unit_id=item["item"].removeprefix("UNIT#"),
            status=UnitStatus(item["status"]),
            source_url=item.get("source_url") or "",
            rows=RowCounts.from_json(item.get("rows") or {}),
            job_ids=tuple(item.get("job_ids") or ()),
            failure=StageFailure.from_json(failure) if failure else None,
            raw=item,
        )


@dataclass(frozen=True)
class JobRow:
    """A JOB item."""

    unit_id: str
    stage: str
    attempt: int
    job_id: str
    engine: str
    state: str
    service_id: str | None
    submitted_at: str | None
    ended_at: str | None
    error: str | None
    raw: Item

    @property
    def seconds(self) -> float | None:
        """From submission to its end, as far as they are known."""
        if not self.submitted_at or not self.ended_at:
            return None
        began, ended = parse_timestamp(self.submitted_at), parse_timestamp(self.ended_at)
        return (ended - began).total_seconds()

    @classmethod
    def from_item(cls, item: Item) -> JobRow:
        _, unit_id, stage, attempt = item["item"].split("#")
        return cls(
            unit_id=unit_id,
            stage=stage,
            attempt=int(attempt),
            job_id=item.get("job_id", ""),
            engine=item.get("engine", ""),
            state=item.get("state", ""),
            service_id=item.get("service_id"),
            submitted_at=item.get("submitted_at"),
            ended_at=item.get("ended_at"),
            error=item.get("error"),
            raw=item,
        )


class LedgerView:
    """The ledger table, by a DynamoDB client."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def run(self, run_id: str) -> Run | None:
        item = self._item(run_id, "RUN")
        return Run.from_item(item) if item else None

    def drawn_run_id(self, message_id: str) -> str | None:
        """The run id that was drawn for a message with `runId: auto`; None if it was not (yet)."""
        item = self._item(message_id, "DRAWN")
        return str(item["drawn_run_id"]) if item else None

    def units(self, run_id: str) -> list[UnitRow]:
        return [UnitRow.from_item(item) for item in self._items(run_id, "UNIT#")]

    def jobs(self, run_id: str) -> list[JobRow]:
        return [JobRow.from_item(item) for item in self._items(run_id, "JOB#")]

    def noted_events(self, run_id: str) -> list[str]:
        """Names of the run's notifications that their consumer noted."""
        return [item["item"].removeprefix("EVENT#") for item in self._items(run_id, "EVENT#")]

    def refusal(self, message_id: str, run_id: str) -> str | None:
        """Why a message was refused; None if it was not (yet)."""
        for partition in (run_id, NO_RUN):
            item = self._item(partition, f"REJECTED#{message_id}")
            if item:
                return str(item.get("reason", "no reason was kept"))
        return None

    def _item(self, run_id: str, item: str) -> Item | None:
        answer = self._dynamodb.get_item(
            TableName=self._table,
            Key={"run_id": {"S": run_id}, "item": {"S": item}},
            ConsistentRead=True,
        )
        return plain_item(answer["Item"]) if "Item" in answer else None

    def _items(self, run_id: str, prefix: str) -> Iterator[Item]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="run_id = :run AND begins_with(#item, :prefix)",
            ExpressionAttributeNames={"#item": "item"},
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
