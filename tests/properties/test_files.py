"""For any values: a file of rows, read by other programs, has what was written."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pipeline_run import fewer

from contracts.output.files import escaped
from contracts.targets import FilesTarget
from stores.files.formats import FileFormat
from tabular import workspace
from tabular.sql import sql_literal

COLUMNS = (("s", "string"), ("n", "integer"), ("d", "decimal(38,7)"), ("at", "timestamp"))
KINDS = {"s": "VARCHAR", "n": "BIGINT", "d": "DECIMAL(38,7)", "at": "TIMESTAMP"}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text(
    '",;\n\r\t \\N\x00#-a', max_size=6
)
values = st.tuples(
    st.none() | texts,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.decimals(-(10**31) + 1, 10**31 - 1, places=7, allow_nan=False),
    st.none() | st.datetimes(),
)
rows = st.lists(values, min_size=1, max_size=5)
Row = tuple[str | None, int | None, Decimal | None, datetime | None]


def written(target: FilesTarget, drawn: list[Row]) -> bytes:
    """The file of these rows."""
    form = FileFormat.of(target, COLUMNS)
    with workspace.workspace(512) as space:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in KINDS.items())
        space.connection.execute(f"CREATE TABLE drawn ({columns})")
        space.connection.executemany("INSERT INTO drawn VALUES (?, ?, ?, ?)", drawn)
        path = space.path("file")
        space.connection.execute(
            f"COPY (SELECT {form.select} FROM drawn) TO {sql_literal(path)} {form.options}"
        )
        return path.read_bytes()


def shown(value: Any) -> str:
    """As the documentation says that values stand in text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        text = value.isoformat(timespec="microseconds")
        return text.rstrip("0").rstrip(".") + "Z"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "-", "#", " ", "'"])
@fewer(5)
@given(drawn=rows)
@example(drawn=[("", None, None, None), (None, 0, Decimal("-0.0000001"), None)])
def test_csv(delimiter: str, drawn: list[Row]) -> None:
    data = written(FilesTarget(prefix="out/", delimiter=delimiter), drawn)
    found = list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))
    assert found == [list(KINDS), *([shown(value) for value in row] for row in drawn)]


@fewer(5)
@given(drawn=rows)
def test_json_lines(drawn: list[Row]) -> None:
    data = written(FilesTarget(prefix="out/", format="jsonl"), drawn)
    lines = data.decode().removesuffix("\n").split("\n")
    found = [tuple(json.loads(line, parse_float=Decimal).values()) for line in lines]
    assert found == [(*row[:3], row[3] and shown(row[3])) for row in drawn]


@given(value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
def test_a_value_in_a_key_is_read_by_whoever_unescapes_percent_signs(value: str) -> None:
    key = escaped(value)
    assert not set(key) & set("/=%:*?\"'\\#{}[]^ +&") - {"%"}
    plain, *parts = key.split("%")
    assert plain + "".join(chr(int(part[:2], 16)) + part[2:] for part in parts) == value
