"""This project: the step functions `validate` and `transform` as they are deployed, but for S3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import yaml

from benchmarks.data.store import FileS3, Store
from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot
from contracts.manifest import ManifestEntry, ManifestPart, ManifestSummary
from contracts.messages import Transform, Validate
from runtime import clients
from tabular.capacity import Capacity
from transformation.transformer import transform_unit
from validation.validator import validate_unit

BUCKET: Final = "bench"
RUN: Final = "bench"
EPHEMERAL_MEGABYTES: Final = 10240
UNIT: Final = layout.unit_id(0, 0)
_CONTRACT: Final = Path(__file__).resolve().parents[2] / "datasets" / "orders.yaml"
# Of sources whose name says so: every row breaks the first, about half of them the others, too.
_WARNINGS: Final = (
    {"name": "large-order", "check": "items > 500", "severity": "warn"},
    {"name": "even", "check": "items % 2 = 0", "severity": "warn"},
    {"name": "has-a-note", "check": "note IS NOT NULL AND length(note) > 20", "severity": "warn"},
)
_LIMITS: Final = {"objectMegabytes": 1_000_000, "rejectedPercentage": 100}
_OUTPUT: Final = (
    *(("order_id", "string"), ("customer_id", "string"), ("ordered_at", "timestamp")),
    *(("order_date", "date"), ("shipped_on", "date"), ("status", "string")),
    *(("country", "string"), ("items", "integer"), ("amount", "decimal(12,2)")),
    *(("currency", "string"), ("amount_per_item", "decimal(12,2)"), ("gift", "boolean")),
    ("note", "string"),
)


class PipelineWay:
    """The shipped contract `orders`, without its job."""

    def __init__(self, store: Store, source_key: str, memory_megabytes: int) -> None:
        self._capacity = Capacity(memory_megabytes, EPHEMERAL_MEGABYTES)
        client = FileS3(store)
        clients.client = lambda service: client  # noqa: ARG005 -- S3 is the only one they use
        size = store.path(source_key).stat().st_size
        for key, document in _run_documents(source_key, size).items():
            client.put_object(Key=key, Body=json.dumps(document).encode())

    def clean(self) -> None:
        validate_unit(Validate(run_id=RUN, unit_id=UNIT), BUCKET, self._capacity)

    def transform(self) -> None:
        transform_unit(Transform(run_id=RUN, unit_id=UNIT), BUCKET, self._capacity)


def _run_documents(source_key: str, size: int) -> dict[str, object]:
    contract = yaml.safe_load(_CONTRACT.read_text())
    contract = {**contract, "jobs": [], "limits": _LIMITS}
    if "-warned." in source_key:
        contract["rules"] = [*contract["rules"], *_WARNINGS]
    suffix = source_key.rpartition(".")[2]
    if suffix != "csv":
        contract["format"] = {"type": suffix}
        contract["source"] = {**contract["source"], "suffix": f".{suffix}"}
    snapshot = DatasetSnapshot(
        dataset=Dataset.from_json(contract),
        version="0123456789ab",
        index="orders",
        run_id=RUN,
        run_started_at="2026-11-20T08:00:00Z",
        output_columns=_OUTPUT,
    )
    entry = ManifestEntry(
        bucket=BUCKET,
        key=source_key,
        size=size,
        etag="0" * 32,
        last_modified="2026-11-20T00:00:00Z",
    )
    part = ManifestPart(run_id=RUN, shard=0, entries=(entry,))
    return {
        layout.dataset_snapshot_key(RUN): snapshot.to_json(),
        layout.manifest_part_key(RUN, 0): part.to_json(),
        layout.manifest_summary_key(RUN): ManifestSummary(
            manifest_url=layout.s3_url(BUCKET, layout.manifest_summary_key(RUN)),
            objects=1,
            total_bytes=size,
            shard_sizes=(1,),
            pending=(),
        ).to_json(),
    }
