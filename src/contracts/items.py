"""Runs over one JSON array: each of its items is a unit of the run, for tolerance and results.

The items go through the steps in small batches: JSON lines, one line an item. A batch is a unit in
the ledger, and what it costs is what an object costs.
"""

from __future__ import annotations

from typing import Final, TypeVar

from contracts.columns import Column, Rule, Severity
from contracts.dataset import Dataset, ItemArray
from contracts.errors import Problem
from contracts.run_request import ITEMS_PER_BATCH, RunRequest
from contracts.source import Format, JsonFormat, JsonLinesFormat

Checked = TypeVar("Checked", Column, Rule)
ARRAY_ENDINGS: Final = (".json", ".json.gz", ".json.zst")


def is_array(request: RunRequest, dataset: Dataset) -> bool:
    """Whether `inputUrl` names a JSON array, decided without reading the object.

    By the request (`itemsPerBatch`), else by the contract's format, else by the key's ending; a
    contract of JSON lines always means lines, whatever the key's ending.
    """
    if request.input_url is None:
        return False
    if request.items_per_batch is not None or isinstance(dataset.format, JsonFormat):
        return True
    lines = isinstance(dataset.format, JsonLinesFormat)
    return request.input_url.endswith(ARRAY_ENDINGS) and not lines


def problems_of(request: RunRequest, dataset: Dataset) -> list[Problem]:
    """What keeps the items of an array from being units of their own under this contract."""
    if not is_array(request, dataset):
        return []
    referring = [column.name for column in dataset.columns if column.references]
    found = []
    whole = ", ".join(job.stage for job in dataset.jobs if not job.engine.invoked)
    if whole:
        found.append(
            f"only jobs of engine lambda work on items, and dataset {dataset.name} has others"
            f" ({whole})"
        )
    if request.query is not None:
        found.append("a query leaves rows out, and every item has a result: leave query out")
    if referring:
        found.append(
            f"references hold within an object, and {', '.join(referring)} of {dataset.name}"
            " refer to other items"
        )
    return [
        Problem(
            "inputUrl", f"is taken for a JSON array, each item a unit: {why}", request.input_url
        )
        for why in found
    ]


def array_of(request: RunRequest, dataset: Dataset) -> ItemArray:
    """What of the request and the contract applies to the array as a whole."""
    form = dataset.format
    return ItemArray(
        items_per_batch=request.items_per_batch or ITEMS_PER_BATCH,
        megabytes=dataset.limits.object_megabytes,
        rows=dataset.rows,
        compression=form.compression if isinstance(form, JsonFormat) else "auto",
        records=form.records if isinstance(form, JsonFormat) else None,
    )


def for_batches(dataset: Dataset) -> Dataset:
    """The contract as it applies to a batch.

    One bad item must not fail the others of its batch: what would fail an object only rejects the
    item, and the run's tolerance is the only limit of rejected items. The limits on the number of
    rows apply to the whole array.
    """
    limits = dataset.limits.model_copy(update={"rejected_percentage": 100.0})
    return dataset.model_copy(
        update={
            "format": _of_batches(dataset.format),
            "columns": tuple(_rejecting(column) for column in dataset.columns),
            "rules": tuple(_rejecting(rule) for rule in dataset.rules),
            "rows": None,
            "limits": limits,
        }
    )


def _of_batches(form: Format) -> JsonLinesFormat:
    ignores_case = form.case_insensitive if isinstance(form, JsonFormat | JsonLinesFormat) else None
    return JsonLinesFormat(
        type="jsonl", compression="none", nulls=form.nulls, case_insensitive=ignores_case
    )


def _rejecting(checked: Checked) -> Checked:
    if checked.severity is not Severity.FAIL:
        return checked
    return checked.model_copy(update={"severity": Severity.QUARANTINE})
