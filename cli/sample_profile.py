# ruff: noqa: S608 -- names and texts are quoted by steps.duck
"""What a sample's columns hold: types, absent values, ranges, candidate keys. Read by DuckDB.

Types are told as strictly as validation reads them. Real samples are dirty: a type that nearly all
values have is proposed, with the number of those that have it not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from cli.exit_codes import REFUSED, CommandFailed
from cli.sample_object import SampleObject
from cli.sample_table import load, number_of, row_of
from contracts.dataset import COLUMN_NAME_PATTERN
from steps.duck import column_type, quoted, text

_ALLOWED_AT_MOST: Final = 20
_ROWS_PER_ALLOWED: Final = 5
_ROWS_FOR_RULES: Final = 20  # fewer tell nothing of values that are to come
_DIRT: Final = 0.02  # of the values may be of another type, and of a key's be absent
_ROWS_FOR_DIRT: Final = 50
_KEY_COLUMNS_TRIED: Final = 12
_DATE: Final = r"\d{4}-\d{2}-\d{2}"
_TIMESTAMP: Final = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?"
_NUMBER: Final = r"[+-]?(\d+(\.\d+)?|\.\d+)"
_CODE: Final = re.compile(r"^\S{1,30}$")
_KEY_NAMES: Final = re.compile(r"(^|_)(id|key|no|nr|number|code|uuid)$")


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the sample.

    Attributes:
        type: the narrowest contract type that takes (nearly) all values.
        absent: rows without a value.
        unique: no value occurs twice.
        misfits: values that are not of the type.
        lowest, highest: of numbers, dates and timestamps, as text.
        allowed: all values, where they are few and come again and again.
        pattern: that all values match, where they differ in their digits only.
    """

    name: str
    type: str
    absent: int
    unique: bool
    misfits: int = 0
    lowest: str | None = None
    highest: str | None = None
    allowed: tuple[str, ...] = ()
    pattern: str | None = None

    def complete(self, rows: int) -> bool:
        """Present in every row, but for dirt."""
        return self.absent <= _dirt(rows)


@dataclass(frozen=True)
class Profile:
    """A sample.

    Attributes:
        format: fields of the contract's `format` beside encoding and compression.
        rows: as many could be read.
        unreadable: rows that could not.
        unnameable: columns whose names no contract column can have.
        key: columns that tell rows apart; empty where none do.
    """

    format: dict[str, Any]
    rows: int
    columns: tuple[ColumnProfile, ...]
    unreadable: int = 0
    unnameable: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def profile(sample: SampleObject) -> Profile:
    """Read a sample.

    Raises:
        CommandFailed: it has no rows, or no column that a contract can name.
    """
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            loaded = load(connection, sample)
        except duckdb.Error as error:
            told = " ".join(str(error).split("\n\n")[0].split())[:300]
            raise CommandFailed(
                f"the sample cannot be read as {sample.kind}: {told}", REFUSED
            ) from None
        rows = number_of(connection, "SELECT count(*) FROM sample")
        names = [name for name in loaded.names if re.match(COLUMN_NAME_PATTERN, name)]
        if not rows or not names:
            lacking = "rows" if names else "columns with names of a-z, 0-9 and _"
            raise CommandFailed(
                f"the sample has no {lacking}; it has {', '.join(loaded.names) or 'nothing'}",
                REFUSED,
            )
        columns = tuple(_column(connection, name, rows) for name in names)
        return Profile(
            format=loaded.format,
            rows=rows,
            columns=columns,
            unreadable=loaded.unreadable,
            unnameable=tuple(name for name in loaded.names if name not in names),
            key=_key(connection, columns, rows),
            notes=loaded.notes,
        )


def _column(connection: duckdb.DuckDBPyConnection, name: str, rows: int) -> ColumnProfile:
    value = quoted(name)
    present, distinct = row_of(
        connection, f"SELECT count({value}), count(DISTINCT {value}) FROM sample"
    )
    kind, misfits = _type(connection, value, present) if present else ("string", 0)
    lowest = highest = pattern = None
    allowed: tuple[str, ...] = ()
    if present and kind not in ("string", "boolean"):
        typed = f"TRY_CAST(trim({value}) AS {_readable_type(kind)})"
        bounds = f"SELECT min({typed})::VARCHAR, max({typed})::VARCHAR FROM sample"
        lowest, highest = row_of(connection, bounds)
    elif kind == "string" and present >= _ROWS_FOR_RULES:
        if distinct <= _ALLOWED_AT_MOST and distinct * _ROWS_PER_ALLOWED <= present:
            allowed = _codes(connection, value)
        else:
            pattern = _pattern(connection, value)
    return ColumnProfile(
        name=name,
        type=kind,
        absent=rows - present,
        unique=0 < present == distinct,
        misfits=misfits,
        lowest=lowest,
        highest=highest,
        allowed=allowed,
        pattern=pattern,
    )


def _dirt(values: int) -> int:
    """How many of so many values may be dirt."""
    return int(values * _DIRT) if values >= _ROWS_FOR_DIRT else 0


def _type(connection: duckdb.DuckDBPyConnection, value: str, present: int) -> tuple[str, int]:
    """The narrowest type and the values that are not of it.

    Numbers that begin with a needless zero are texts, such as postcodes.
    """
    trimmed = f"trim({value})"

    def count(shape: str, kind: str) -> str:
        cast = f"TRY_CAST({trimmed} AS {kind}) IS NOT NULL"
        return f"count(*) FILTER (WHERE regexp_full_match({trimmed}, {text(shape)}) AND {cast})"

    whole = f"length(regexp_replace(split_part({trimmed}, '.', 1), '[^0-9]', '', 'g'))"
    numeric = f"FILTER (WHERE regexp_full_match({trimmed}, {text(_NUMBER)}))"
    booleans = "('true', 'false', 't', 'f', 'yes', 'no', 'y', 'n')"
    asked = (
        f"SELECT count(*) FILTER (WHERE lower({trimmed}) IN {booleans}), {count(_DATE, 'DATE')},"
        f" {count(_TIMESTAMP, 'TIMESTAMPTZ')}, {count('[+-]?[0-9]+', 'BIGINT')},"
        f" {count(_NUMBER, 'DOUBLE')}, "
        f" count(*) FILTER (WHERE isfinite(TRY_CAST({trimmed} AS DOUBLE))),"
        f" bool_or(regexp_matches({trimmed}, '^[+-]?0[0-9]')),"
        f" max(length(split_part({trimmed}, '.', 2))) {numeric}, max({whole}) {numeric}"
        " FROM sample"
    )
    boolean, date, timestamp, integer, number, double, zeros, scale, digits = row_of(
        connection, asked
    )
    fits = {"boolean": boolean, "date": date, "timestamp": timestamp}
    if not zeros:
        fits["integer"] = integer
        if number and scale and scale <= 6 and digits + scale <= 15:
            fits[f"decimal(18,{scale})"] = number
        fits["double"] = double
    most = present - _dirt(present)
    kind = next((kind for kind, count in fits.items() if count >= most), "string")
    return kind, present - fits.get(kind, present)


def _readable_type(kind: str) -> str:
    return "TIMESTAMPTZ" if kind == "timestamp" else column_type(kind)


def _pattern(connection: duckdb.DuckDBPyConnection, value: str) -> str | None:
    """`ORD-[0-9]{8}` for values that differ in their digits only."""
    shape = f"regexp_replace({value}, '[0-9]', '0', 'g')"
    count, one = row_of(
        connection, f"SELECT count(DISTINCT {shape}), any_value({shape}) FROM sample"
    )
    if count != 1 or "0" not in one or len(one) > 60:
        return None
    parts = re.findall(r"0+|[^0]+", one)
    return "".join(f"[0-9]{{{len(part)}}}" if part[0] == "0" else _literal(part) for part in parts)


def _codes(connection: duckdb.DuckDBPyConnection, value: str) -> tuple[str, ...]:
    """The few values, if they are codes and not prose."""
    asked = f"SELECT DISTINCT {value} FROM sample WHERE {value} IS NOT NULL ORDER BY 1"
    values = [str(found) for (found,) in connection.execute(asked).fetchall()]
    return tuple(values) if all(_CODE.match(found) for found in values) else ()


def _literal(part: str) -> str:
    """As RE2 takes it, without needless backslashes."""
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", part)


def _key(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[ColumnProfile], rows: int
) -> tuple[str, ...]:
    """One column that is unique, else two that are together; what is named like a key first."""
    able = [c for c in columns if c.complete(rows) and not c.misfits and c.type != "double"]
    able.sort(key=lambda column: _KEY_NAMES.search(column.name) is None)
    alone = next((column.name for column in able if column.unique), None)
    if alone:
        return (alone,)
    for pair in itertools.combinations(able[:_KEY_COLUMNS_TRIED], 2):
        names = tuple(column.name for column in pair)
        listed = ", ".join(quoted(name) for name in names)
        whole = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names)
        asked = f"SELECT count(*), count(DISTINCT ({listed})) FROM sample WHERE {whole}"
        present, distinct = row_of(connection, asked)
        if distinct == present:
            return names
    return ()
