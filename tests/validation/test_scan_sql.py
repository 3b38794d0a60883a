"""scan_sql: the SQL of a scan, as a person can read it; `golden` holds it for each format.

After a change that is meant, write the files anew with `GOLDEN=write` in pytest's environment.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scratch_duckdb import connect

from contracts.dataset import Dataset
from reading.chunks import Chunk, Cutter
from reading.reader import Reader, open_source
from tabular import workspace
from validation.checks import RowChecks
from validation.flagged_rows import FlaggedRows
from validation.scan_sql import FILTERED, ScanSource, scan_query

GOLDEN = Path(__file__).parent / "golden"
COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "required": True, "unique": True},
    {"name": "n", "type": "integer", "minimum": "0"},
    {"name": "country", "allowed": ["AT", "DE"], "severity": "warn"},
]
RULES = [{"name": "small", "check": "n < 1000 OR country = 'AT'"}]
TEXTS = {
    "csv": 'id,n,country,other\na,1,AT,"two\nlines"\n',
    "jsonl": '{"id": "a", "n": 1, "country": "AT"}\n',
    "json": '{"id": "a", "n": 1, "country": "AT"}\n',  # as `sources` hands arrays on
}


def contract(form: str, **changes: Any) -> Dataset:
    return Dataset.from_json(
        {
            "name": "sales",
            "source": {"prefix": "landing/sales/"},
            "format": {"type": form},
            "columns": COLUMNS,
            "rules": RULES,
            "targets": {"dynamodb": {"key": ["id"]}},
            **changes,
        }
    )


def first_chunk(directory: Path, dataset: Dataset) -> tuple[Reader, Chunk]:
    """The first chunk of a source of a contract's format, and what reads it."""
    if dataset.format.type == "parquet":
        path = directory / "source.parquet"
        with connect() as connection:
            rows = "SELECT 'a' AS id, 1 AS n, 'AT' AS country, 'x' AS other"
            connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
        first = Chunk(0, path, 1, 1, first_row=0)
    else:
        cutter = Cutter(directory, dataset.format, "chunk", None)
        (first,) = cutter.cut([TEXTS[dataset.format.type].encode()])
    return open_source(first, dataset, "source"), first


def shown(sql: str, directory: Path) -> str:
    """Without the path of the test, and with control characters as people write them."""
    text = sql.replace(str(directory), "/tmp/duck-scratch")
    for character in "\x01\x02\x03\r":
        text = text.replace(character, f"\\x{ord(character):02x}")
    return text + "\n"


def scan_of(
    directory: Path, dataset: Dataset, query: str | None = None, *, logs_breaks: bool = False
) -> str:
    reader, chunk = first_chunk(directory, dataset)
    source = ScanSource.of(reader, chunk, logs_breaks=logs_breaks)
    return scan_query(source, RowChecks.of(dataset), query)


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet"])
def test_the_sql_of_each_format_is_the_one_on_record(form: str, tmp_path: Path) -> None:
    sql = shown(scan_of(tmp_path, contract(form), "n > 10", logs_breaks=True), tmp_path)
    golden = GOLDEN / f"{'jsonl' if form == 'json' else form}.sql"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(sql, encoding="utf-8")
    assert sql == golden.read_text(encoding="utf-8")


def test_the_sql_of_a_chunk_of_short_rows_is_the_one_on_record(tmp_path: Path) -> None:
    dataset = contract("csv", rules=[])
    reader, chunk = first_chunk(tmp_path, dataset)
    source = ScanSource.of(reader, replace(chunk, missing=10_000, surplus=1))
    sql = shown(scan_query(source, RowChecks.of(dataset), None), tmp_path)
    golden = GOLDEN / "csv-short.sql"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(sql, encoding="utf-8")
    assert sql == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(("query", "state"), [(None, []), ("n > 10", [FILTERED])])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_sql_selects_valid_rows_and_logs_the_others(
    form: str, query: str | None, state: list[str]
) -> None:
    with (
        workspace.workspace(512) as space,
        workspace.parallel_connections(space, 1) as (connection,),
    ):
        flagged = FlaggedRows(connection, RowChecks.of(contract(form)))
        flagged.forget()
        rows = connection.execute(scan_of(space.directory, contract(form), query)).fetchall()
        logged = flagged.read()
    assert rows == ([] if query else [("a", 1, "AT")])
    assert [row.state for row in logged] == state


def test_without_rules_that_warn_a_flagged_row_is_never_valid(tmp_path: Path) -> None:
    columns = [{"name": "id"}, {"name": "n", "type": "integer"}]
    sql = scan_of(tmp_path, contract("csv", columns=columns, rules=[]))
    assert "log_type := 'flagged') IS NOT NULL\n  ELSE true" in sql


def test_breaks_of_valid_rows_are_looked_at_only_when_asked_and_possible(tmp_path: Path) -> None:
    assert "more than one line" in scan_of(tmp_path, contract("csv"), logs_breaks=True)
    assert "more than one line" not in scan_of(tmp_path, contract("csv"))
    assert "more than one line" not in scan_of(tmp_path, contract("jsonl"), logs_breaks=True)


def test_nothing_but_a_query_filters(tmp_path: Path) -> None:
    assert "'filtered'" not in scan_of(tmp_path, contract("csv"))
    assert "'filtered'" in scan_of(tmp_path, contract("csv"), "n > 10")
