"""Profile a sample's columns with DuckDB: types, absent values, ranges, candidate keys.

A value's type is recognised as strictly as in validation. Real samples are dirty: a column gets the
type that nearly all its values have, with the number of values that do not have it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.names import LeftOut, NamedField, named_fields
from cli.proposal.sample import SampleObject
from cli.proposal.table import Loaded, load, number_of, row_of
from contracts.dataset import COLUMNS_AT_MOST
from reading_rules.casts import cast_text
from tabular.sql import column_type, sql_literal
from tabular.workspace import connect

_ALLOWED_AT_MOST: Final = 20
_ROWS_PER_ALLOWED: Final = 5
_ROWS_FOR_RULES: Final = 20  # fewer say nothing about values to come
_DIRT: Final = 0.02  # of the values may be of another type, and of a key's be absent
_ROWS_FOR_DIRT: Final = 50
_KEY_COLUMNS_TRIED: Final = 12
_NUMBER: Final = r"[+-]?(\d+(\.\d+)?|\.\d+)"
_CODE: Final = re.compile(r"\S{1,30}")
_KEY_NAMES: Final = re.compile(r"(^|_)(id|key|no|nr|number|code|uuid)$")


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the sample.

    Attributes:
        source: what the file calls it, where that is not its name.
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
    source: str | None = None

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
        left_out: fields that no contract can name.
        key: columns that identify a row; empty where none do.
    """

    format: dict[str, Any]
    rows: int
    columns: tuple[ColumnProfile, ...]
    unreadable: int = 0
    left_out: tuple[LeftOut, ...] = ()
    key: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def profile(sample: SampleObject) -> Profile:
    """Read a sample.

    Raises:
        CommandFailed: it has no rows, or no column that a contract can name.
    """
    with connect(config={"python_enable_replacements": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            loaded = load(connection, sample)
        except duckdb.Error as error:
            reported = " ".join(str(error).split("\n\n")[0].split())[:300]
            raise CommandFailed(
                f"the sample cannot be read as {sample.kind}: {reported}", REFUSED
            ) from None
        rows = number_of(connection, "SELECT count(*) FROM sample")
        keys = sample.kind in ("json", "jsonl")
        fields, left_out = named_fields(loaded.names, keys=keys)
        if not rows or not fields:
            raise CommandFailed(_why_none(loaded, left_out), REFUSED)
        if len(fields) > COLUMNS_AT_MOST:
            raise CommandFailed(
                f"the sample has {len(fields)} columns; a contract may have {COLUMNS_AT_MOST}",
                REFUSED,
                "leave some out by a job, or split the object",
            )
        columns = tuple(_column(connection, field, rows) for field in fields)
        return Profile(
            format=loaded.format,
            rows=rows,
            columns=columns,
            unreadable=loaded.unreadable,
            left_out=left_out,
            key=_key(connection, columns, fields, rows),
            notes=loaded.notes,
        )


def _why_none(loaded: Loaded, left_out: Sequence[LeftOut]) -> str:
    names = loaded.names
    if names and len(left_out) == len(names):
        reported = "; ".join(f"{field.source[:80]!r}: {field.why}" for field in left_out[:5])
        return f"the sample has no column that a contract can name: {reported}"
    has = ", ".join(names)[:400] or "nothing"
    if loaded.unreadable and loaded.format["type"] == "csv":
        return (
            f"none of the sample's rows has as many fields as its header ({len(names)}: {has});"
            " values that hold the delimiter must be in quotes"
        )
    if loaded.unreadable:
        return "the sample holds no JSON object: write one on each line, or an array of them"
    return f"the sample has no rows; it has {has}: take an object with rows"


def _column(connection: duckdb.DuckDBPyConnection, named: NamedField, rows: int) -> ColumnProfile:
    value = f"f{named.at}"
    (present,) = row_of(connection, f"SELECT count({value}) FROM sample")
    kind, misfits = _type(connection, value, present) if present else ("string", 0)
    (distinct,) = row_of(connection, f"SELECT count(DISTINCT {_typed(value, kind)}) FROM sample")
    lowest = highest = pattern = None
    allowed: tuple[str, ...] = ()
    if present and kind not in ("string", "boolean"):
        typed = _typed(value, kind)
        bounds = f"SELECT min({typed})::VARCHAR, max({typed})::VARCHAR FROM sample"
        lowest, highest = row_of(connection, bounds)
    elif kind == "string" and present >= _ROWS_FOR_RULES:
        if distinct <= _ALLOWED_AT_MOST and distinct * _ROWS_PER_ALLOWED <= present:
            allowed = _codes(connection, value)
        else:
            pattern = _pattern(connection, value)
    return ColumnProfile(
        name=named.name,
        source=named.source,
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

    def count(kind: str, condition: str = "true") -> str:
        """Values of a type, as validation reads it."""
        return f"count(*) FILTER (WHERE {cast_text(value, kind)} IS NOT NULL AND {condition})"

    whole = f"length(regexp_replace(split_part({trimmed}, '.', 1), '[^0-9]', '', 'g'))"
    booleans = "('true', 'false', 't', 'f', 'yes', 'no', 'y', 'n')"
    is_number = f"regexp_full_match({trimmed}, {sql_literal(_NUMBER)})"
    numeric = f"FILTER (WHERE {is_number})"
    has_time = f"regexp_matches({trimmed}, '^.{{10}}[T ]')"
    asked = (
        f"SELECT count(*) FILTER (WHERE lower({trimmed}) IN {booleans}), {count('date')},"
        f" {count('timestamp', has_time)}, {count('integer')},"
        f" count(*) FILTER (WHERE {is_number} AND TRY_CAST({trimmed} AS DOUBLE) IS NOT NULL),"
        f" {count('double')},"
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
        exact = _exact_type(scale, digits) if number else None
        if exact:
            fits[exact] = number
        if exact or not number or scale:  # else a double would bend a long whole number
            fits["double"] = double
    most = present - _dirt(present)
    kind = next((kind for kind, count in fits.items() if count >= most), "string")
    return kind, present - fits.get(kind, present)


def _exact_type(scale: int, digits: int) -> str | None:
    """The decimal of so many places and digits before them; none for what floating point leaves."""
    if scale > 6 or digits + scale > 38:
        return None
    return f"decimal(18,{scale})" if scale and digits + scale <= 15 else f"decimal(38,{scale})"


def _typed(value: str, kind: str) -> str:
    if kind == "string":
        return value
    readable = "TIMESTAMPTZ" if kind == "timestamp" else column_type(kind)
    return f"TRY_CAST(trim({value}) AS {readable})"


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
    return tuple(values) if all(_CODE.fullmatch(found) for found in values) else ()


def _literal(part: str) -> str:
    """As RE2 takes it, without needless backslashes."""
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", part)


def _key(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[ColumnProfile],
    fields: Sequence[NamedField],
    rows: int,
) -> tuple[str, ...]:
    """One column that is unique, else two that are together; what is named like a key first."""
    able = [c for c in columns if c.complete(rows) and not c.misfits and c.type != "double"]
    able.sort(key=lambda column: _KEY_NAMES.search(column.name) is None)
    alone = next((column.name for column in able if column.unique), None)
    if alone:
        return (alone,)
    places = {field.name: f"f{field.at}" for field in fields}
    for one, other in itertools.combinations(able[:_KEY_COLUMNS_TRIED], 2):
        values = [_typed(places[column.name], column.type) for column in (one, other)]
        asked = (
            f"SELECT count(*), count(DISTINCT ({', '.join(values)})) FROM sample"
            f" WHERE {values[0]} IS NOT NULL AND {values[1]} IS NOT NULL"
        )
        present, distinct = row_of(connection, asked)
        if distinct == present:
            return (one.name, other.name)
    return ()
