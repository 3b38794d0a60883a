"""Runs with the target `files`, as their steps leave them, and the reader of what they publish."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from fake_s3 import FakeS3

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot
from contracts.manifest import ManifestSummary
from contracts.messages import PublishedFiles, PublishFiles, PublishProgress
from contracts.output.files import FileRecord, UnitFiles, file_key
from contracts.output.manifest import OutputManifest, PublishedFile, current_files
from contracts.run_request import RunRequest, format_timestamp, parse_timestamp
from publishing.publisher import publish_run
from sources import frozen

DATA, OUTPUT, PREFIX = "data-bucket", "output-bucket", "results/orders/"
START = parse_timestamp("2026-11-20T08:00:00Z")
Rows = Mapping[str, Sequence[str]]  # rows by day, the partition; or under "" without partitions


class FakeLedger:
    """The ledger in memory, as far as publishing reads it."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def get_item(self, run_id: str, item: str) -> dict[str, Any] | None:
        found = self.items.get((run_id, item))
        return None if found is None else {"run_id": run_id, "item": item, **found}

    def query(self, run_id: str, prefix: str, after: str | None = None) -> Any:
        for (run, item), values in sorted(self.items.items()):
            if run == run_id and item.startswith(prefix) and (after is None or item > after):
                yield {"run_id": run, "item": item, **values}


@dataclass
class PublishingWorld:
    """Attributes:
    replace: of the contract's target.
    """

    s3: FakeS3 = field(default_factory=FakeS3)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    replace: str = "none"
    partitioned: bool = True

    @property
    def dataset(self) -> Dataset:
        target: dict[str, Any] = {"prefix": PREFIX}
        if self.partitioned:
            target |= {"partitionBy": ["day"], "replace": self.replace}
        return Dataset.from_json(
            {
                "name": "orders",
                "source": {"prefix": "landing/orders/"},
                "columns": [{"name": "id"}, {"name": "day"}],
                "targets": {"files": target},
            }
        )

    def begin(
        self,
        run_id: str,
        second: int,
        units: int,
        attempt: int = 1,
        already_stored: int | None = None,
        **asked: Any,
    ) -> None:
        """Claim a run and freeze its contract and manifest.

        Args:
            second: of its start.
            already_stored: objects that it left out.
            asked: fields of its request.
        """
        request = {"datasetName": "orders", "runId": run_id, **asked}
        if "inputUrl" not in request:
            request.setdefault("startDateTime", "2026-11-19")
        run = {"status": "RUNNING", "run_attempt": attempt, "holder": f"arn:{run_id}/{attempt}"}
        self.ledger.items[run_id, "RUN"] = {**run, "request": json.dumps(request)}
        key = layout.dataset_snapshot_key(run_id)
        started = START.replace(minute=second // 60, second=second % 60)
        snapshot = DatasetSnapshot(
            dataset=self.dataset,
            version="0123456789ab",
            index=request.get("index", "orders"),
            run_id=run_id,
            run_started_at=format_timestamp(started),
            output_columns=(("id", "string"), ("day", "string")),
        )
        if (DATA, key) not in self.s3.objects:
            self.s3.put(DATA, key, json.dumps(snapshot.to_json()))
            summary = ManifestSummary(
                manifest_url="s3://d/m",
                objects=units,
                total_bytes=1,
                shard_sizes=(units,) if units else (),
                pending=(),
                already_stored=already_stored,
            )
            self.s3.put(DATA, layout.manifest_summary_key(run_id), json.dumps(summary.to_json()))

    def store(self, run_id: str, unit: int, source: str, rows: Rows, attempt: int = 1) -> list[str]:
        """Leave a stored unit: its files, their record, its outcome; the files' keys."""
        keys = self.write(run_id, unit, rows, attempt)
        count = sum(len(some) for some in rows.values())
        self._end(run_id, unit, source, "STORED", attempt, {"rows_in": count, "stored": count})
        return keys

    def write(self, run_id: str, unit: int, rows: Rows, attempt: int = 1) -> list[str]:
        """The files and their record only."""
        unit_id, files = layout.unit_id(0, unit), []
        for day, some in sorted(rows.items()):
            partition: dict[str, str | None] = {"day": day} if self.partitioned else {}
            key = file_key(PREFIX, partition, run_id, unit_id, 0, "csv")
            body = "".join(f"{row}\n" for row in some).encode()
            self.s3.put(OUTPUT, key, body)
            files.append(FileRecord(key=key, rows=len(some), bytes=len(body), partition=partition))
        record = UnitFiles(
            run_id=run_id,
            unit_id=unit_id,
            run_attempt=attempt,
            files=tuple(files),
            rows=sum(file.rows for file in files),
            bytes=sum(file.bytes for file in files),
        )
        key = layout.files_record_key(run_id, unit_id)
        self.s3.put(DATA, key, json.dumps(record.to_json()))
        return [file.key for file in files]

    def fail(self, run_id: str, unit: int, source: str, attempt: int = 1) -> None:
        self._end(run_id, unit, source, "FAILED", attempt, {})

    def _end(
        self, run_id: str, unit: int, source: str, status: str, attempt: int, rows: Any
    ) -> None:
        values: dict[str, Any] = {"status": status, "run_attempt": attempt, "rows": rows}
        if status == "FAILED":
            failure = {"stage": "store-redshift", "error_type": "JobFailed", "message": "broken"}
            values["failure"] = failure
        item = f"UNIT#{layout.unit_id(0, unit)}"
        self.ledger.items[run_id, item] = {**values, "source_url": source}

    def publish(
        self,
        run_id: str,
        remaining: Callable[[], float] = lambda: 900.0,
        attempt: int | None = None,
        progress: PublishProgress | None = None,
    ) -> PublishedFiles:
        """One call of the step, as its execution makes it."""
        run = self.ledger.items[run_id, "RUN"]
        attempt = attempt or run["run_attempt"]
        message = PublishFiles(
            request=RunRequest.from_json(json.loads(run["request"])),
            run_attempt=attempt,
            execution_arn=f"arn:{run_id}/{attempt}",
            progress=progress or PublishProgress(),
        )
        frozen.read_snapshot.cache_clear()
        ledger: Any = self.ledger
        return publish_run(message, DATA, OUTPUT, ledger, remaining)

    def publish_in_slices(self, run_id: str) -> tuple[PublishedFiles, int]:
        """As the orchestrator calls it, where each call has hardly any time; and how often."""
        progress, calls = PublishProgress(), 0
        while True:
            response = self.publish(run_id, remaining=lambda: 1.0, progress=progress)
            calls += 1
            if response.progress is None:
                return response, calls
            progress = PublishProgress.from_json(response.progress.to_json())

    def manifest(self, run_id: str) -> OutputManifest:
        key = layout.output_manifest_key(PREFIX, run_id)
        return OutputManifest.from_json(json.loads(self.s3.objects[OUTPUT, key].body))

    def manifests(self) -> list[OutputManifest]:
        prefix = f"{PREFIX}{layout.MANIFESTS}"
        keys = self.s3.keys(OUTPUT, prefix)
        return [OutputManifest.from_json(json.loads(self.s3.objects[OUTPUT, k].body)) for k in keys]

    def current(self) -> list[PublishedFile]:
        return current_files(self.manifests())

    def read(self) -> Counter[str]:
        """What a reader sees at this moment; a file that counts and is gone is a KeyError."""
        return rows_in(self.s3.objects[OUTPUT, file.key].body for file in self.current())

    def lying(self) -> list[str]:
        """Keys of all files of rows in the output bucket."""
        keys = self.s3.keys(OUTPUT, PREFIX)
        return [key for key in keys if f"/{layout.MANIFESTS}" not in key]


def rows_in(bodies: Iterable[bytes]) -> Counter[str]:
    return Counter(row for body in bodies for row in body.decode().splitlines())


def use_s3(monkeypatch: Any, s3: FakeS3) -> None:
    """From now on the steps' client of S3 is this one."""
    from runtime import clients as aws

    clients = SimpleNamespace(s3=s3)
    monkeypatch.setattr(aws, "client", lambda service: getattr(clients, service))
