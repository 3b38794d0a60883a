"""A run with rejected rows, and what happens to those that are sent again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli_world import World, pipeline
from json_documents import document

from contracts import layout
from contracts.dataset import DatasetSnapshot

SOURCE = "s3://data/landing/visits/a.csv"
MALFORMED = {
    "source": SOURCE,
    "line": 4,
    "rule": "malformed",
    "reason": "4 columns instead of 3",
    "raw": 'v3,"Anna, B.",7,?',
}
BROKEN = {
    "source": SOURCE,
    "line": 2,
    "row": 1,
    "rule": "type",
    "column": "minutes",
    "value": "many",
    "reason": "'many' is not an integer",
    "raw": {"visit_id": "v1", "minutes": "many", "name": None},
}
AS_TEXT = {**BROKEN, "line": 3, "raw": "v2,,few"}


class Quarantine:
    """The run `run-1` of the dataset visits; `file` is where its rejected rows are corrected."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.file = world, folder / "corrected.jsonl"
        world.put_run(dataset_name="visits", status="SUCCEEDED")
        self.put("landing/visits/a.csv", b"visit_id,name,minutes\nv1,,many\n")

    def put(self, key: str, body: bytes) -> None:
        self.world.deployment.client("s3").put_object(Bucket="data", Key=key, Body=body)

    def freeze(self, group: dict[str, Any] | None = None, **contract: Any) -> Quarantine:
        dataset = {
            "name": "visits",
            "source": {"prefix": "landing/visits/"},
            "columns": [
                {"name": "visit_id"},
                {"name": "minutes", "type": "integer"},
                {"name": "name"},
            ],
            "targets": {"dynamodb": {"key": ["visit_id"]}},
            **contract,
        }
        snapshot = DatasetSnapshot.from_json(
            {
                "dataset": dataset,
                "version": "0123456789ab",
                "query": "minutes > 1",
                "index": "late",
                "runId": "run-1",
                "runStartedAt": "2026-11-20T08:00:00Z",
                "outputColumns": [],
                **({} if group is None else {"group": group}),
            }
        )
        self.put(layout.dataset_snapshot_key("run-1"), json.dumps(snapshot.to_json()).encode())
        return self

    def reject(self, *rows: dict[str, Any], unit: str = "00000-000") -> Quarantine:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self.put(layout.quarantine_key("visits", "run-1", unit), lines.encode())
        return self

    def set_aside(self, *rows: dict[str, Any], unit: str = "00000-000") -> Quarantine:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self.put(layout.transform_quarantine_key("visits", "run-1", unit), lines.encode())
        return self

    def written(self, *options: str) -> list[dict[str, Any]]:
        result = pipeline("rejected", "run-1", "--out", str(self.file), *options)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def correct(self, *values: dict[str, Any]) -> Quarantine:
        self.file.write_text("".join(json.dumps({"values": row}) + "\n" for row in values))
        return self

    def resend(self) -> dict[str, Any]:
        result = pipeline("resend", str(self.file), "--run", "run-1", "--json")
        assert result.exit_code == 0, result.output
        return document("resend", result.output)

    def resent(self) -> dict[str, bytes]:
        s3 = self.world.deployment.client("s3")
        found = s3.list_objects_v2(Bucket="data", Prefix="runs/run-1/resent/").get("Contents", [])
        return {
            item["Key"]: s3.get_object(Bucket="data", Key=item["Key"])["Body"].read()
            for item in found
        }
