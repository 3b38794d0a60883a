"""Runs of earlier releases are put into the index of runs, from which the lists are read.

How far that got stands in the ledger itself, so that the next call goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.ledger import plain_item
from contracts.ledger_items import Changes, IndexingItem, Key, RunItem, place_in_list
from ledger.conditions import RUN
from ledger.expressions import update_expressions

_REFUSED: Final = "ConditionalCheckFailedException"


@dataclass(frozen=True)
class Progress:
    """What was done up to here.

    Attributes:
        examined: items of the ledger that were read in this call.
        indexed: runs that were put into the index in this call.
        resumed: an earlier call was interrupted, and this one goes on where that was.
        done: the end of the table is reached.
    """

    examined: int = 0
    indexed: int = 0
    resumed: bool = False
    done: bool = False


def index_older_runs(dynamodb: Any, table: str) -> Iterator[Progress]:
    """Put runs into the index that have no place there; yields after each page of the table."""
    there = dynamodb.get_item(
        TableName=table, Key=_wire(IndexingItem.key_of()), ConsistentRead=True
    )
    start = IndexingItem.from_item(plain_item(there.get("Item", {}))).scanned_to
    progress = Progress(resumed=bool(start))
    while not progress.done:
        response = dynamodb.scan(
            TableName=table,
            FilterExpression="#item = :run",
            ExpressionAttributeNames={"#item": Key._fields[1]},
            ExpressionAttributeValues={":run": {"S": RunItem.SORT}},
            **({"ExclusiveStartKey": _wire(Key(*start))} if start else {}),
        )
        runs = [RunItem.from_item(plain_item(item)) for item in response["Items"]]
        indexed = sum(_index(dynamodb, table, run) for run in runs if run.claimed is None)
        last = plain_item(response.get("LastEvaluatedKey", {}))
        start = tuple(last[name] for name in Key._fields) if last else ()
        _note(dynamodb, table, start)
        progress = Progress(
            examined=progress.examined + response["ScannedCount"],
            indexed=progress.indexed + indexed,
            resumed=progress.resumed,
            done=not start,
        )
        yield progress


def _index(dynamodb: Any, table: str, run: RunItem) -> bool:
    """Whether the run got its place now; not if nobody noted its claim, or it is gone meanwhile."""
    if run.claimed_at is None:
        return False
    place = place_in_list(run.claimed_at, run.run_id)
    without_place = RUN.claimed_at.exists() & RUN.claimed.not_exists()
    change = update_expressions(place, (), without_place)
    try:
        dynamodb.update_item(TableName=table, Key=_wire(RunItem.key_of(run.run_id)), **change)
    except ClientError as error:
        if error.response["Error"]["Code"] != _REFUSED:
            raise
        return False
    return True


def _note(dynamodb: Any, table: str, scanned_to: tuple[str, ...]) -> None:
    changes: Changes = IndexingItem.changes(scanned_to=scanned_to or None)
    change = update_expressions(changes.values, changes.removed, None)
    dynamodb.update_item(TableName=table, Key=_wire(IndexingItem.key_of()), **change)


def _wire(key: Key) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in key._asdict().items()}
