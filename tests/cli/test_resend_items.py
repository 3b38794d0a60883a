"""Rejected items of an array are sent again as an array, and so each as a unit of its own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import World
from quarantine_world import Quarantine

from contracts import layout
from contracts.dataset import DatasetSnapshot, ItemArray


def of_items(quarantine: Quarantine, **array: Any) -> Quarantine:
    """Make the run one over an array, its contract that of its batches."""
    key = layout.dataset_snapshot_key("run-1")
    stored = quarantine.world.deployment.client("s3").get_object(Bucket="data", Key=key)
    snapshot = DatasetSnapshot.from_json(json.loads(stored["Body"].read()))
    reported = ItemArray(items_per_batch=7, megabytes=10, **array)
    changed = snapshot.model_copy(update={"array": reported, "query": None})
    quarantine.put(key, json.dumps(changed.to_json()).encode())
    return quarantine


@pytest.mark.parametrize("compression", ["auto", "gzip"])
def test_corrected_items_become_an_array_and_a_run_over_its_items(
    local: World, tmp_path: Path, compression: str
) -> None:
    quarantine = Quarantine(local, tmp_path).freeze(format={"type": "jsonl"})
    of_items(quarantine, compression=compression)
    quarantine.correct({"visit_id": "v1", "minutes": 3}, {"visit_id": "v2", "minutes": 4})

    response = quarantine.resend()

    ((key, body),) = quarantine.resent().items()
    text = gzip.decompress(body) if compression == "gzip" else body
    assert [row["visit_id"] for row in json.loads(text)] == ["v1", "v2"]
    (message,) = quarantine.world.sent()
    assert json.loads(message) == {
        "datasetName": "visits",
        "inputUrl": f"s3://data/{key}",
        "index": "late",
        "runId": response["runId"],
        "itemsPerBatch": 7,
    }
