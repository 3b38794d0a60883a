"""The sample data through job, validation, transform and stores: nothing lost, nothing twice."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from data_run import UNIT, DataRun

from contracts import layout
from dataset_loading.check import check_dataset
from local import sample_data, sample_readings

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = sample_data.make(seed=1)


def run_of(cloud: Any, name: str, body: bytes, **options: Any) -> DataRun:
    checked = check_dataset((ROOT / "datasets" / f"{name}.yaml").read_text(), name)
    columns = checked.output_columns
    run = DataRun(cloud, checked.dataset, output_columns=columns, **options)
    return run.lay_out(body)


@pytest.mark.slow
@pytest.mark.parametrize("file", SAMPLE.files, ids=lambda file: file.key[-27:])
@pytest.mark.parametrize("query", [None, "country = 'DE' AND amount >= 100"])
def test_the_counts_of_the_orders_add_up(
    cloud: Any, file: sample_data.SampleFile, query: str | None
) -> None:
    run = run_of(cloud, "orders", file.body, query=query)
    prefix = layout.job_prefix("run-1", UNIT, "clean", 1)
    arguments = {
        "JOB_ID": "job-1",
        "INPUT_URL": "s3://data-bucket/landing/sales/a.csv",
        "OUTPUT_URL": layout.s3_url("data-bucket", prefix),
        "DATASET_URL": layout.s3_url("data-bucket", layout.dataset_snapshot_key("run-1")),
        **({} if query is None else {"QUERY": query}),
    }
    job = runpy.run_path(str(ROOT / "jobs" / "clean_csv.py"))
    argv = [part for name, value in arguments.items() for part in (f"--{name}", value)]
    assert job["main"](argv) is None
    validated = run.validate(layout.s3_url("data-bucket", prefix))
    direct = run.validate()
    assert (validated.rows_in, validated.filtered, validated.valid) == (
        direct.rows_in,
        direct.filtered,
        direct.valid,
    )
    assert validated.rows_in == file.rows
    assert validated.rows_in == validated.filtered + validated.rejected + validated.valid
    assert len(run.rejects()) == validated.rejected
    if query is None:
        assert validated.rejected == file.malformed + file.invalid
        assert validated.valid == file.valid
    transformed = run.transform()
    assert (transformed.rows, transformed.removed) == (validated.valid, 0)
    assert run.store().rows == run.item_count() == validated.valid


def test_the_readings_go_straight_through(cloud: Any) -> None:
    run = run_of(cloud, "standard", sample_readings.readings(1))
    validated = run.validate()
    assert (validated.rows_in, validated.valid) == (100, 100)
    run.transform()
    assert run.store().rows == 100
    assert "sales#sensor-1|2026-11-01T00:00:00Z" in run.items()
