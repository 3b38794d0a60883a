"""The units of a run a page at a time: a run may have 100,000, of which few are looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from cli.client.ledger import Item, JobRow, Run, UnitRow, plain_item
from contracts.ledger_items import JobItem, Key, UnitItem
from contracts.run import RowCounts, UnitState, UnitStatus, UnitTotals

_PAGE: Final = 1000
_COUNTED_RUNS: Final = 20
# How the ledger has a state: NOT_STARTED is FAILED there, with a mark.
_CONDITIONS: Final = {
    UnitState.RUNNING: "#status = :status",
    UnitState.STORED: "#status = :status",
    UnitState.FAILED: "#status = :status AND attribute_not_exists(not_started)",
    UnitState.NOT_STARTED: "#status = :status AND attribute_exists(not_started)",
}


@dataclass(frozen=True)
class UnitPage:
    """Some units, by id.

    Attributes:
        more: others of the run follow.
    """

    units: tuple[UnitRow, ...]
    more: bool


@dataclass(frozen=True)
class UnitProgress:
    """How far a run has come.

    Attributes:
        states: units by their state.
        rows: of the stored units together.
    """

    states: dict[str, int]
    rows: RowCounts


def with_progress(runs: Iterable[Run], pages: UnitPages) -> list[Run]:
    """The same runs, with the counts so far of those that have not ended, which their records lack.

    All units of a run are read for that, so of the first 20 only.
    """
    counted: list[Run] = []
    left = _COUNTED_RUNS
    for run in runs:
        if not run.status.ended and run.units.total and left:
            left -= 1
            progress = pages.progress(run.run_id)
            states = Counter(progress.states)
            units = UnitTotals(
                total=run.units.total,
                stored=states[UnitState.STORED],
                failed=states[UnitState.FAILED],
                not_started=states[UnitState.NOT_STARTED],
            )
            counted.append(replace(run, units=units, rows=progress.rows))
        else:
            counted.append(run)
    return counted


class UnitPages:
    """The UNIT and JOB items of a ledger, by a DynamoDB client."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def page(
        self, run_id: str, *, after: str | None = None, state: UnitState | None = None, limit: int
    ) -> UnitPage:
        """The next units.

        Args:
            after: id of a unit; absent: from the first.
            state: only those in this state.
        """
        found = self._units(run_id, after, state, limit + 1)
        units = tuple(UnitRow.from_item(item) for item in islice(found, limit + 1))
        return UnitPage(units[:limit], len(units) > limit)

    def unit(self, run_id: str, unit_id: str) -> UnitRow | None:
        """One unit, or None where the ledger has no such one (yet)."""
        key = UnitItem.key_of(run_id, unit_id)
        response = self._dynamodb.get_item(TableName=self._table, Key=_wire(key))
        return UnitRow.from_item(plain_item(response["Item"])) if "Item" in response else None

    def progress(self, run_id: str) -> UnitProgress:
        """Units by state and what they stored: reads all of them, but nothing else of theirs."""
        states: Counter[str] = Counter()
        total = RowCounts()
        wanted = {"ProjectionExpression": "#status, not_started, #rows", "#rows": "rows"}
        for item in self._query(run_id, UnitItem.PREFIX, None, _PAGE, wanted, "#status"):
            state, rows = UnitItem.counted(item)
            states[state] += 1
            if state is UnitState.STORED and rows is not None:
                total += rows
        return UnitProgress(dict(states), total)

    def jobs(self, run_id: str, unit_id: str) -> list[JobRow]:
        """The jobs of one unit."""
        prefix = f"{JobItem.PREFIX}{unit_id}#"
        return [JobRow.from_item(item) for item in self._query(run_id, prefix, None, _PAGE, {})]

    def _units(
        self, run_id: str, after: str | None, state: UnitState | None, limit: int
    ) -> Iterator[Item]:
        if state is None:
            return self._query(run_id, UnitItem.PREFIX, after, limit, {})
        # Read in large pages: few of them may be in this state.
        wanted = {"FilterExpression": _CONDITIONS[state], ":status": _status(state)}
        return self._query(run_id, UnitItem.PREFIX, after, _PAGE, wanted, "#status")

    def _query(
        self,
        run_id: str,
        prefix: str,
        after: str | None,
        page: int,
        wanted: dict[str, str],
        *named: str,
    ) -> Iterator[Item]:
        names = dict(zip(("#run", "#item"), Key._fields, strict=True))
        names |= {name: name[1:] for name in named}
        names |= {name: text for name, text in wanted.items() if name.startswith("#")}
        values = {":run": {"S": run_id}, ":prefix": {"S": prefix}}
        values |= {name: {"S": text} for name, text in wanted.items() if name.startswith(":")}
        start = {} if after is None else {"ExclusiveStartKey": _wire(Key(run_id, prefix + after))}
        while True:
            response = self._dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="#run = :run AND begins_with(#item, :prefix)",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                Limit=page,
                **{name: text for name, text in wanted.items() if name[0].isalpha()},
                **start,
            )
            yield from (plain_item(item) for item in response["Items"])
            if "LastEvaluatedKey" not in response:
                return
            start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def _status(state: UnitState) -> str:
    return UnitStatus.FAILED if state is UnitState.NOT_STARTED else UnitStatus(state.value)


def _wire(key: Key) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in key._asdict().items()}
