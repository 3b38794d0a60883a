"""Corrected rows come back through validation as they were written, however odd the format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cloud import _environment, cloud
from data_run import DataRun, dataset

from cli.client.corrected_rows import UnusableRows, corrected_object
from cli.client.quarantine import VALUES
from contracts.dataset import DatasetSnapshot

__all__ = ["_environment", "cloud"]
COLUMNS = [{"name": "id"}, {"name": "note", "source": "the note"}]
ROWS: list[dict[str, str | None]] = [
    {"id": "#1", "note": 'a "quote", || and \\N'},
    {"id": "2", "note": "two\nlines \\"},
    {"id": "\\N", "note": None},
    {"id": None, "note": "ä;\t"},
]


def snapshot(form: dict[str, Any]) -> DatasetSnapshot:
    return DatasetSnapshot(
        dataset=dataset(format=form, columns=COLUMNS),
        version="1",
        index="sales",
        run_id="run-1",
        run_started_at="2026-11-20T08:00:00Z",
        output_columns=(),
    )


def file_of(rows: list[dict[str, str | None]]) -> str:
    return "".join(json.dumps({VALUES: row}) + "\n" for row in rows)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"skipLines": 2, "footerLines": 3},
        {"comment": "#", "header": False},
        {"escape": "\\", "nulls": ["\\N"]},
        {"delimiter": "||", "padShortRows": True},
        {"skipLines": 1, "comment": "#", "escape": "\\", "delimiter": "||", "quote": "'"},
        {"encoding": "utf-16-le", "compression": "bzip2"},
        {"encoding": "utf-16-be", "compression": "zip"},
        {"type": "jsonl", "concatenated": True, "compression": "zip"},
        {"type": "json", "records": "$.a.b"},
        {"type": "json", "caseInsensitive": True, "nulls": ["NA"]},
    ],
    ids=str,
)
def test_corrected_rows_are_read_as_they_were_written(cloud: Any, form: dict[str, Any]) -> None:
    made = corrected_object(file_of(ROWS), snapshot(form))
    assert made == corrected_object(file_of(ROWS), snapshot(form))
    run = DataRun(cloud, dataset(format=form, columns=COLUMNS))
    response = run.lay_out(made.body, f"rows{made.ending}").validate()
    assert response.rejected == 0
    assert run.valid_rows() == [tuple(row.values()) for row in ROWS]


def test_a_value_that_the_contract_reads_as_missing_is_refused() -> None:
    rows: list[dict[str, str | None]] = [{"id": "1", "note": "NA"}]
    with pytest.raises(UnusableRows, match=r"note: 'NA' stands for a missing value .*; write null"):
        corrected_object(file_of(rows), snapshot({"nulls": ["NA"]}))
