"""Footers that are changed in place, and given back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scratch_duckdb import connect

from reading.parquet_source import select_columns
from reading_rules.parquet.footer import declare_as_bytes, restore_footer
from tabular.sql import sql_literal

FIXTURES = Path(__file__).with_name("fixtures")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file of 20 texts and 20 numbers: lists of over 14 items are written in another way."""
    columns = ", ".join(f"'t{n}' AS t{n}, {n} AS n{n}" for n in range(20))
    file = tmp_path / "many.parquet"
    with connect() as maker:
        maker.execute(f"COPY (SELECT {columns}) TO {sql_literal(file)} (FORMAT parquet)")
    return file


def test_texts_are_bytes_and_all_else_is_as_it_was(many: Path) -> None:
    declare_as_bytes(many, {1, 3, 39})
    with connect() as connection:
        found = connection.sql(f"FROM read_parquet({sql_literal(many)})")
        kinds = dict(zip(found.columns, map(str, found.types), strict=True))
        (row,) = found.fetchall()

    assert [name for name, kind in kinds.items() if kind == "BLOB"] == ["t0", "t1", "t19"]
    assert set(kinds.values()) == {"BLOB", "VARCHAR", "INTEGER"}
    assert [one.decode() if isinstance(one, bytes) else one for one in row] == [
        value for n in range(20) for value in (f"t{n}", n)
    ]


def test_a_file_gets_its_own_footer_back(many: Path) -> None:
    before = many.read_bytes()
    declare_as_bytes(many, {1})
    declare_as_bytes(many, {1, 3})
    assert many.read_bytes() != before

    restore_footer(many)

    assert many.read_bytes() == before


def test_a_file_is_read_alike_however_often_it_is_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    shutil.copyfile(FIXTURES / "bent-values.parquet", file)
    names = {"wide": "wide", "moment": "moment"}

    first, raw, last = (select_columns(file, names, "a", raw=raw) for raw in (False, True, False))

    assert first == raw == last
