"""Whatever types the columns of a Parquet file have, nested or not, its values come exactly."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from parquet_values import DRAWN, Drawn
from scratch_duckdb import connect

from reading.parquet_source import select_columns


def texts_of(values: list[Drawn]) -> list[str | None]:
    """What the values of columns named `c0`, `c1` … of one row are read as."""
    names = {f"c{n}": f"c{n}" for n in range(len(values))}
    columns = ", ".join(f"{one.sql} AS c{n}" for n, one in enumerate(values))
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        path = Path(folder) / "a.parquet"
        connection.execute(f"COPY (SELECT {columns}) TO '{path}' (FORMAT parquet)")
        found = select_columns(path, names, "a.parquet")
        row = connection.execute(
            f"SELECT {found.fault}, {', '.join(found.texts.values())} FROM {found.relation}"
        ).fetchone()
    assert row is not None
    assert row[0] is None
    return list(row[1:])


def read(text: str | None) -> Any:
    return json.loads(text or "null", parse_float=Decimal, parse_int=Decimal)


def same(found: Any, drawn: Any) -> bool:
    """Equal as values; numbers of a double have no other spelling to compare."""
    if isinstance(drawn, dict):
        return found.keys() == drawn.keys() and all(same(found[key], drawn[key]) for key in drawn)
    if isinstance(drawn, list):
        return len(found) == len(drawn) and all(map(same, found, drawn))
    return type(found) is type(drawn) and found == drawn


@settings(max_examples=10, phases=[Phase.generate])  # shrinking takes too long
@given(st.lists(DRAWN, min_size=4, max_size=12))
def test_every_value_comes_exactly(values: list[Drawn]) -> None:
    for drawn, text in zip(values, texts_of(values), strict=True):
        if isinstance(drawn.json, (dict, list)):
            assert same(read(text), drawn.json), (drawn.sql, text)
        elif isinstance(drawn.json, Decimal):
            assert Decimal(text or "nothing") == drawn.json, drawn.sql
        elif isinstance(drawn.json, bool):
            assert text == str(drawn.json).lower()
        else:
            assert (text or "") == drawn.json, drawn.sql
