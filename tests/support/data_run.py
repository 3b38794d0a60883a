"""A run's data in S3, as claim-run, load-dataset and list-urls would have left it."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from manifests import put_manifest
from scratch_duckdb import connect

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot, FrozenLookup, Group, ItemArray
from contracts.manifest import ManifestEntry
from contracts.messages import StoreDynamodb, Transform, Transformed, Validate, Validated
from runtime.handler import utc_now
from sources import frozen
from stores.dynamodb.slices import store_slice
from tabular.capacity import Capacity
from transformation.transformer import transform_unit
from validation.validator import validate_unit

DATA_BUCKET = "data-bucket"
UNIT = "00000-000"
COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "required": True, "pattern": "[a-z]+[0-9]*"},
    {"name": "amount", "type": "decimal(10,2)", "required": True, "minimum": "0"},
    {"name": "seen_on", "type": "date"},
    {"name": "country", "allowed": ["AT", "DE"]},
]


def dataset(**changes: Any) -> Dataset:
    return Dataset.from_json(
        {
            "name": "sales",
            "source": {"prefix": "landing/sales/"},
            "columns": COLUMNS,
            "targets": {"dynamodb": {"key": ["id"]}},
            "limits": {"rejectedPercentage": 100},
            **changes,
        }
    )


def _object(name: str) -> ManifestEntry:
    return ManifestEntry.from_json(
        {
            "bucket": DATA_BUCKET,
            "key": f"landing/sales/{name}",
            "size": 1,
            "etag": "etag",
            "lastModified": "2026-11-20T07:00:00Z",
        }
    )


@dataclass
class DataRun:
    """One run with one unit: lay it out, run its steps, look at what they left."""

    cloud: Any
    dataset: Dataset = field(default_factory=dataset)
    run_id: str = "run-1"
    query: str | None = None
    started_at: str = "2026-11-20T08:00:00Z"
    output_columns: tuple[tuple[str, str], ...] | None = None
    lookups: tuple[FrozenLookup, ...] = ()
    array: ItemArray | None = None
    group: Group | None = None
    input_url: str | None = None

    def lay_out(self, body: bytes | str, name: str = "a.csv", **entry: Any) -> DataRun:
        data = body.encode() if isinstance(body, str) else body
        key = f"landing/sales/{name}"
        self.cloud.put(key, data)
        etag = self.cloud.client("s3").head_object(Bucket=DATA_BUCKET, Key=key)["ETag"]
        found = {
            "bucket": DATA_BUCKET,
            "key": key,
            "size": len(data),
            "etag": etag.strip('"'),
            "lastModified": "2026-11-20T07:00:00Z",
            **entry,
        }
        put_manifest(self.cloud.put, self.run_id, (ManifestEntry.from_json(found),))
        return self.freeze()

    def freeze(self) -> DataRun:
        """Write the snapshot; from here on the run's contract is this one.

        A run without a manifest gets one of two objects.
        """
        if not self.cloud.keys(layout.manifest_summary_key(self.run_id)):
            put_manifest(self.cloud.put, self.run_id, tuple(map(_object, ("a.csv", "b.csv"))))
        columns = self.output_columns or tuple((c.name, c.type) for c in self.dataset.columns)
        snapshot = DatasetSnapshot(
            dataset=self.dataset,
            version="0123456789ab",
            query=self.query,
            index="sales",
            run_id=self.run_id,
            run_started_at=self.started_at,
            output_columns=columns,
            lookups=self.lookups,
            array=self.array,
            group=self.group,
            input_url=self.input_url,
        )
        self.cloud.put(layout.dataset_snapshot_key(self.run_id), json.dumps(snapshot.to_json()))
        frozen.read_snapshot.cache_clear()
        frozen.read_manifest_part.cache_clear()
        frozen.objects_of.cache_clear()
        return self

    def validate(self, input_url: str | None = None) -> Validated:
        message = Validate(run_id=self.run_id, unit_id=UNIT, input_url=input_url)
        return validate_unit(message, DATA_BUCKET, Capacity(1024, 10240))

    def transform(
        self, memory_megabytes: int = 1024, ephemeral_megabytes: int = 512, **fields: Any
    ) -> Transformed:
        message = Transform(run_id=self.run_id, unit_id=UNIT, **fields)
        capacity = Capacity(memory_megabytes, ephemeral_megabytes)
        return transform_unit(message, DATA_BUCKET, capacity)

    def put_part(self, query: str, number: int = 0, unit: str = UNIT) -> DataRun:
        """A part of the unit's output, as transform would have left it: a query's rows."""
        key = f"{layout.output_prefix(self.run_id, unit)}part-{number:05d}.parquet"
        with tempfile.TemporaryDirectory() as folder, connect() as maker:
            path = Path(folder) / "part.parquet"
            maker.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
            self.cloud.put(key, path.read_bytes())
        return self

    def store(self, job_id: str | None = "job-1", **options: Any) -> Any:
        """Store a unit, or a slice of it: `unit`, `first_row`, `remaining` seconds, `pause`."""
        fields = ("first_row", "files", "run_attempt", "execution_arn")
        given = {name: options[name] for name in fields if name in options}
        unit = options.get("unit", UNIT)
        message = StoreDynamodb(run_id=self.run_id, unit_id=unit, job_id=job_id, **given)
        remaining = options.get("remaining", lambda: 900.0)
        pause = options.get("pause", lambda _seconds: None)
        now = options.get("now", utc_now)
        return store_slice(message, DATA_BUCKET, "processed-data", 1024, remaining, pause, now)

    def set_aside(self) -> list[dict[str, Any]]:
        """The rows that transform found unstorable."""
        key = layout.transform_quarantine_key(self.dataset.name, self.run_id, UNIT)
        return [json.loads(line) for line in self.object(key).decode().splitlines()]

    def valid_rows(self) -> list[tuple[Any, ...]]:
        keys = self.cloud.keys(layout.valid_prefix(self.run_id, UNIT))
        return [row for key in keys for row in self.parquet(key)]

    def put_valid(self, query: str) -> DataRun:
        """Leave the rows of a query where validate leaves its valid ones.

        In small row groups, as these are what DuckDB's threads share out among themselves.
        """
        with tempfile.TemporaryDirectory() as folder, connect() as maker:
            path = Path(folder) / "valid.parquet"
            maker.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
            self.cloud.put(
                layout.valid_prefix(self.run_id, UNIT) + "part-00000.parquet", path.read_bytes()
            )
        return self

    def output_keys(self) -> list[str]:
        keys: list[str] = self.cloud.keys(layout.output_prefix(self.run_id, UNIT))
        return keys

    def output_rows(self) -> list[tuple[Any, ...]]:
        """The rows of all parts, in their order."""
        return [row for key in self.output_keys() for row in self.parquet(key)]

    def parquet(self, key: str) -> list[tuple[Any, ...]]:
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            file.write(self.object(key))
            file.flush()
            with connect() as connection:
                found = connection.execute("SELECT * FROM read_parquet(?)", [file.name])
                return found.fetchall()

    def object(self, key: str) -> bytes:
        body: bytes = self.cloud.client("s3").get_object(Bucket=DATA_BUCKET, Key=key)["Body"].read()
        return body

    def rejects(self) -> list[dict[str, Any]]:
        key = layout.quarantine_key(self.dataset.name, self.run_id, UNIT)
        return [json.loads(line) for line in self.object(key).decode().splitlines()]

    def put_job_output(self, report: dict[str, Any], data: str, rejected: str = "") -> str:
        prefix = layout.job_prefix(self.run_id, UNIT, "clean", 1)
        self.cloud.put(f"{prefix}data/part-00000.csv", data)
        self.cloud.put(f"{prefix}rejected.jsonl", rejected)
        self.cloud.put(f"{prefix}report.json", json.dumps(report))
        return layout.s3_url(DATA_BUCKET, prefix)

    def put_parquet_output(self, report: dict[str, Any], *parts: str) -> str:
        """A job's output whose data files hold the result of a query each."""
        prefix = layout.job_prefix(self.run_id, UNIT, "enrich", 1)
        files = []
        for number, query in enumerate(parts):
            files.append(f"data/part-{number:05d}-of-spark.parquet")
            with tempfile.TemporaryDirectory() as folder, connect() as maker:
                path = Path(folder) / "part.parquet"
                maker.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
                self.cloud.put(prefix + files[-1], path.read_bytes())
        self.cloud.put(f"{prefix}rejected.jsonl", "")
        reported = {"files": files, "format": "parquet", **report}
        self.cloud.put(f"{prefix}report.json", json.dumps(reported))
        return layout.s3_url(DATA_BUCKET, prefix)

    def item_count(self) -> int:
        """How many items there are; cheaper than to read them when they are many."""
        response = self.cloud.client("dynamodb").scan(TableName="processed-data", Select="COUNT")
        count: int = response["Count"]
        return count

    def items(self) -> dict[str, dict[str, Any]]:
        table = boto3.resource("dynamodb", region_name="us-east-1").Table("processed-data")
        return {item["pk"]: item for item in table.scan()["Items"]}
