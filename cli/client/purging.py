"""Removing what the pipeline holds of a run: its files, its rejected rows, its ledger records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.client.deployment import Deployment
from cli.client.ledger import Run
from contracts import layout
from contracts.ledger_items import Key, RunItem

_OBJECTS_AT_ONCE: Final = 1000
_ITEMS_AT_ONCE: Final = 25


@dataclass(frozen=True)
class Held:
    """What there is of a run.

    Attributes:
        size: of the objects, in bytes.
        keys: of its objects in the data bucket.
        items: sort keys of its records in the ledger.
    """

    keys: tuple[str, ...]
    size: int
    items: tuple[str, ...]


def held_of(deployment: Deployment, run: Run) -> Held:
    """What the data bucket and the ledger hold of a run."""
    objects = list(_objects(deployment, run))
    return Held(
        keys=tuple(key for key, _ in objects),
        size=sum(size for _, size in objects),
        items=tuple(_items(deployment, run.run_id)),
    )


def remove(deployment: Deployment, run: Run, held: Held, progress: Callable[[int], None]) -> None:
    """Remove it; the run's own record last, so that the command can be repeated until then.

    Args:
        progress: called with how many objects and records are gone.
    """
    gone = 0
    s3, bucket = deployment.client("s3"), deployment.output("DataBucketName")
    for keys in _batches(held.keys, _OBJECTS_AT_ONCE):
        named = [{"Key": key} for key in keys]
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
        _refuse_left(response.get("Errors", []))
        gone += len(keys)
        progress(gone)
    others = [item for item in held.items if item != RunItem.SORT]
    for items in _batches(others, _ITEMS_AT_ONCE):
        _remove_items(deployment, run.run_id, items)
        gone += len(items)
        progress(gone)
    _remove_items(deployment, run.run_id, (RunItem.SORT,))
    progress(gone + 1)


def _batches(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[first : first + size] for first in range(0, len(names), size))


class NotRemoved(Exception):
    """S3 did not remove an object; says which and why."""


def _refuse_left(errors: list[dict[str, Any]]) -> None:
    if errors:
        first = errors[0]
        raise NotRemoved(f"{first['Key']}: {first.get('Code')} {first.get('Message')}")


def _objects(deployment: Deployment, run: Run) -> Iterator[tuple[str, int]]:
    prefixes = (
        layout.run_prefix(run.run_id),
        layout.quarantine_prefix(run.dataset_name, run.run_id),
    )
    paginator = deployment.client("s3").get_paginator("list_objects_v2")
    for prefix in prefixes:
        for page in paginator.paginate(Bucket=deployment.output("DataBucketName"), Prefix=prefix):
            yield from ((found["Key"], found["Size"]) for found in page.get("Contents", ()))


def _items(deployment: Deployment, run_id: str) -> Iterator[str]:
    partition, sort = Key._fields
    pages = (
        deployment.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=deployment.output("LedgerTable"),
            KeyConditionExpression="#run = :run",
            ProjectionExpression="#item",
            ExpressionAttributeNames={"#run": partition, "#item": sort},
            ExpressionAttributeValues={":run": {"S": run_id}},
            ConsistentRead=True,
        )
    )
    for page in pages:
        yield from (str(item[sort]["S"]) for item in page["Items"])


def _remove_items(deployment: Deployment, run_id: str, items: Sequence[str]) -> None:
    table = deployment.output("LedgerTable")
    keys = [Key(run_id, item)._asdict() for item in items]
    left: dict[str, Any] = {
        table: [
            {"DeleteRequest": {"Key": {name: {"S": value} for name, value in key.items()}}}
            for key in keys
        ]
    }
    while left:  # what the table had no capacity for comes back; the client waits between calls
        left = deployment.client("dynamodb").batch_write_item(RequestItems=left)["UnprocessedItems"]
