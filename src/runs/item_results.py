"""Writes the result of each item of a unit's batch, one small document per item.

The documents lie under the item's index in its array, so a later attempt overwrites what an earlier
one wrote, and a repeat writes the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.errors import InvalidData
from contracts.ledger_items import RunItem
from contracts.messages import RecordItems
from contracts.run import ItemTotals, StageFailure
from ledger.runs import owned_run
from ledger.table import Ledger
from runtime import clients, s3
from runtime.handler import logger, metrics
from sources import frozen
from sources.arrays.item_rows import by_item

WRITERS: Final = 16
_OF_A_REJECT: Final = ("rule", "column", "reason", "value", "broken")


class ItemStatus(StrEnum):
    """STORED: it passed, and what the transform makes of its batch is stored. REJECTED: malformed,
    against a rule, or such as a store cannot take. FAILED: its batch has failed."""

    STORED = "STORED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class ItemResult:
    """The result of one item.

    Attributes:
        index: in the array, from 0.
        text: the item itself, as the array has it.
    """

    index: int
    status: ItemStatus
    text: str
    errors: Sequence[Mapping[str, Any]] = ()


def record_items(message: RecordItems, data_bucket: str, ledger: Ledger) -> ItemTotals:
    """Write the result of every item of the batch.

    Raises:
        OwnershipLost: a later attempt holds the run, and its results are not to be overwritten.
        InvalidData: the unit is no batch of items, or rows that were rejected or unstorable are not
            of this batch.
    """
    run = owned_run(ledger, message.run_id, message.run_attempt)
    results = list(_results(message, data_bucket))
    about = {
        "runId": message.run_id,
        "unitId": message.unit_id,
        "source": _source(message, run, data_bucket),
    }
    client = clients.client("s3")  # made here: making clients is not thread-safe

    def write(result: ItemResult) -> None:
        key = layout.item_result_key(message.run_id, result.index)
        with clients.translated(f"writing s3://{data_bucket}/{key}"):
            client.put_object(
                Bucket=data_bucket,
                Key=key,
                Body=_document(result, about).encode(),
                ContentType="application/json",
            )

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, results))
    totals = _totals(results)
    for status in ItemStatus:
        number = sum(result.status is status for result in results)
        metrics.add_metric(name=f"Items{status.value.title()}", unit=MetricUnit.Count, value=number)
    logger.info("items recorded", extra={"items": totals.model_dump()})
    return totals


def _source(message: RecordItems, run: RunItem, data_bucket: str) -> str | None:
    """The array's URL. Snapshots of an earlier release lack it; requests then had it in full."""
    url = frozen.read_snapshot(data_bucket, message.run_id).input_url
    return url or run.requested.input_url


def _results(message: RecordItems, data_bucket: str) -> Iterator[ItemResult]:
    batch = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    if batch.items is None:
        raise InvalidData(f"unit {message.unit_id}: {batch.url} is no batch of items")
    lines = s3.read_bytes(batch.bucket, batch.key).decode().split("\n")[: batch.items]
    rejects = _rejects_by_item(message, len(lines))
    foreign = sorted(line for line in rejects if not 1 <= line <= len(lines))
    if foreign:
        raise InvalidData(
            f"{message.rejected_url}: line {foreign[0]} is not one of the {len(lines)} items of"
            f" {batch.url}"
        )
    rejects |= _unstorable(message.set_aside_url, lines, rejects)
    first = layout.first_item(batch.key)
    for number, text in enumerate(lines, start=1):
        index = first + number - 1
        if number in rejects:
            yield ItemResult(index, ItemStatus.REJECTED, text, rejects[number])
        elif message.failure is not None:
            yield ItemResult(index, ItemStatus.FAILED, text, [_error(message.failure)])
        else:
            yield ItemResult(index, ItemStatus.STORED, text)


def _unstorable(
    url: str | None, lines: Sequence[str], rejects: Mapping[int, Any]
) -> dict[int, list[dict[str, Any]]]:
    """Why rows were unstorable in transform, by their line in the batch.

    Its rows are numbered among the valid ones, which are in the batch's order.
    """
    valid = [number for number in range(1, len(lines) + 1) if number not in rejects]
    found = _rejects_by(url, "valid_row")
    if found and max(found) > len(valid):
        raise InvalidData(f"{url}: there is no valid row {max(found)}, only {len(valid)}")
    return {valid[number - 1]: why for number, why in found.items()}


def _rejects_by_item(message: RecordItems, items: int) -> dict[int, list[dict[str, Any]]]:
    """Why items were rejected, by their line in the batch."""
    rejects = _rejects_at(message.rejected_url)
    if message.job_output_url is not None:
        return _grouped(by_item(rejects, message.job_output_url, items))
    return _grouped((int(reject["line"]), reject) for reject in rejects)


def _rejects_by(url: str | None, number: str) -> dict[int, list[dict[str, Any]]]:
    """Why rows were rejected, by their number."""
    return _grouped((int(reject[number]), reject) for reject in _rejects_at(url))


def _rejects_at(url: str | None) -> list[dict[str, Any]]:
    if url is None:
        return []
    lines = s3.read_bytes(*layout.split_s3_url(url)).decode().split("\n")
    return [json.loads(text) for text in lines if text]


def _grouped(rejects: Iterable[tuple[int, Mapping[str, Any]]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for number, reject in rejects:
        found[number].append({name: reject[name] for name in _OF_A_REJECT if name in reject})
    return found


def _error(failure: StageFailure) -> dict[str, Any]:
    return {
        "stage": failure.stage,
        "errorType": failure.error_type,
        "message": failure.message,
    }


def _document(result: ItemResult, about: Mapping[str, Any]) -> str:
    """The result as JSON; the item in it is the text that came, digit for digit."""
    head = {
        "index": result.index,
        "status": result.status.value,
        **about,
        "errors": list(result.errors),
    }
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "item": {result.text}}}\n'


def _totals(results: Sequence[ItemResult]) -> ItemTotals:
    statuses = [result.status for result in results]
    return ItemTotals(
        total=len(statuses),
        stored=statuses.count(ItemStatus.STORED),
        rejected=statuses.count(ItemStatus.REJECTED),
        failed=statuses.count(ItemStatus.FAILED),
    )
