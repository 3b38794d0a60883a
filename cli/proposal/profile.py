"""Profile a sample's columns with DuckDB: types, absent values, ranges, candidate keys.

A value's type is recognised as strictly as in validation. Real samples are dirty: a column gets the
type that nearly all its values have, with the number of values that do not have it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import duckdb

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.key import Key, KeyColumn, key_of
from cli.proposal.names import LeftOut, NamedField, named_fields
from cli.proposal.sample import SampleObject
from cli.proposal.table import Loaded, load, number_of, row_of
from cli.proposal.value_types import ValueType, dirt, type_of
from contracts.dataset import COLUMNS_AT_MOST
from reading_rules.sql import text_column
from reading_rules.values.forms import value_form, value_of, with_readings
from tabular.workspace import connect

_SCRATCH_FILE: Final = r'(file )?"?{}/[^\s"\']+"?'
_KEY_BYTES: Final = 500  # of a value: a DynamoDB key has 2,048, and holds up to three of them
_ALLOWED_AT_MOST: Final = 20
_ROWS_PER_ALLOWED: Final = 5
_ROWS_FOR_RULES: Final = 20  # fewer say nothing about values to come
_CODE: Final = re.compile(r"\S{1,30}")


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the sample.

    Attributes:
        source: what the file calls it, where that is not its name.
        reading: how its texts are written, as fields of the contract's column.
        type: the narrowest contract type that takes (nearly) all values.
        absent: rows without a value.
        distinct: how many values it has.
        unique: no value occurs twice.
        longest: bytes of its longest value.
        misfits: values that are not of the type.
        lowest, highest: of numbers, dates and timestamps, as text.
        allowed: all values, where they are few and come again and again.
        pattern: that all values match, where they differ in their digits only.
    """

    name: str
    type: str
    absent: int
    distinct: int
    unique: bool
    longest: int = 0
    misfits: int = 0
    lowest: str | None = None
    highest: str | None = None
    allowed: tuple[str, ...] = ()
    pattern: str | None = None
    source: str | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    remark: str | None = None

    def complete(self, rows: int) -> bool:
        """Present in every row, but for dirt."""
        return self.absent <= dirt(rows)


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
    key: Key = field(default=Key())
    notes: tuple[str, ...] = field(default=())


def profile(sample: SampleObject, known: Mapping[str, Any] = MappingProxyType({})) -> Profile:
    """Read a sample.

    Args:
        known: of CSV: what is known of the format, as of `load`; else it is guessed.

    Raises:
        CommandFailed: it has no rows, or no column that a contract can name.
    """
    with connect(config={"python_enable_replacements": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            loaded = load(connection, sample, known)
        except duckdb.Error as error:
            said = re.sub(
                _SCRATCH_FILE.format(re.escape(str(sample.path.parent))), "it", str(error)
            )
            reported = " ".join(said.split("\n\n")[0].split())[:300]
            raise CommandFailed(
                f"the sample cannot be read as {sample.kind}: {reported}", REFUSED
            ) from None
        rows = number_of(connection, "SELECT count(*) FROM sample")
        keys = sample.kind in ("json", "jsonl")
        fields, left_out = named_fields(loaded.names, keys=keys, unusable=loaded.unusable)
        if not rows or not fields:
            raise CommandFailed(_why_none(loaded, left_out), REFUSED)
        if len(fields) > COLUMNS_AT_MOST:
            raise CommandFailed(
                f"the sample has {len(fields)} columns; a contract may have {COLUMNS_AT_MOST}",
                REFUSED,
                "leave some out by a job, or split the object",
            )
        types = [_type(connection, field) for field in fields]
        _read_values(connection, fields, types)
        columns = tuple(
            _column(connection, field, found, rows)
            for field, found in zip(fields, types, strict=True)
        )
        return Profile(
            format=loaded.format,
            rows=rows,
            columns=columns,
            unreadable=loaded.unreadable,
            left_out=left_out,
            key=_key(connection, columns, fields, rows),
            notes=(*sample.notes, *loaded.notes),
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


def _type(connection: duckdb.DuckDBPyConnection, named: NamedField) -> ValueType:
    value = f"f{named.at}"
    (present,) = row_of(connection, f"SELECT count({value}) FROM sample")
    return type_of(connection, named.name, value, present) if present else ValueType()


def _read_values(
    connection: duckdb.DuckDBPyConnection, fields: Sequence[NamedField], types: Sequence[ValueType]
) -> None:
    """Make the table `typed`: of each field its text `t…` and value `v…`, as validation has them.

    A text that stands for nothing is NULL there.
    """
    forms = [
        value_form({"name": f"f{field.at}", "type": found.kind, **found.reading})
        for field, found in zip(fields, types, strict=True)
    ]
    texts = ", ".join(f"f{field.at} AS {text_column(f'f{field.at}')}" for field in fields)
    values = ", ".join(
        f"{form.text} AS t{field.at}, {value_of(form)} AS v{field.at}"
        for field, form in zip(fields, forms, strict=True)
    )
    relation = with_readings(f"(SELECT {texts} FROM sample)", forms)
    connection.execute(f"CREATE TABLE typed AS SELECT {values} FROM {relation}")


def _column(
    connection: duckdb.DuckDBPyConnection, named: NamedField, found: ValueType, rows: int
) -> ColumnProfile:
    text, value = f"t{named.at}", f"v{named.at}"
    kind = found.kind
    present, distinct, longest = row_of(
        connection,
        f"SELECT count({text}), count(DISTINCT {value}), max(strlen({text})) FROM typed",
    )
    lowest = highest = pattern = None
    allowed: tuple[str, ...] = ()
    if present and kind not in ("string", "boolean"):
        bounds = f"SELECT min({value})::VARCHAR, max({value})::VARCHAR FROM typed"
        lowest, highest = row_of(connection, bounds)
    elif kind == "string" and present >= _ROWS_FOR_RULES:
        if distinct <= _ALLOWED_AT_MOST and distinct * _ROWS_PER_ALLOWED <= present:
            allowed = _codes(connection, text)
        else:
            pattern = _pattern(connection, text)
    return ColumnProfile(
        name=named.name,
        source=named.source,
        type=kind,
        reading=found.reading,
        absent=rows - present,
        distinct=distinct,
        unique=0 < present == distinct,
        longest=longest or 0,
        misfits=found.misfits,
        remark=found.remark,
        lowest=lowest,
        highest=highest,
        allowed=allowed,
        pattern=pattern,
    )


def _pattern(connection: duckdb.DuckDBPyConnection, value: str) -> str | None:
    """`ORD-[0-9]{8}` for values that differ in their digits only."""
    shape = f"regexp_replace({value}, '[0-9]', '0', 'g')"
    count, one = row_of(
        connection, f"SELECT count(DISTINCT {shape}), any_value({shape}) FROM typed"
    )
    if count != 1 or "0" not in one or len(one) > 60:
        return None
    parts = re.findall(r"0+|[^0]+", one)
    return "".join(f"[0-9]{{{len(part)}}}" if part[0] == "0" else _literal(part) for part in parts)


def _codes(connection: duckdb.DuckDBPyConnection, value: str) -> tuple[str, ...]:
    """The few values, if they are codes and not prose."""
    asked = f"SELECT DISTINCT {value} FROM typed WHERE {value} IS NOT NULL ORDER BY 1"
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
) -> Key:
    able = [
        KeyColumn(column.name, column.type, column.distinct, is_first=field is fields[0])
        for column, field in zip(columns, fields, strict=True)
        if column.complete(rows)
        and not column.misfits
        and column.type != "double"
        and column.longest <= _KEY_BYTES
    ]
    values = {field.name: f"v{field.at}" for field in fields}

    def is_key(names: Sequence[str]) -> bool:
        typed = [values[name] for name in names]
        present, distinct = row_of(
            connection,
            f"SELECT count(*), count(DISTINCT ({', '.join(typed)})) FROM typed"
            f" WHERE {' AND '.join(f'{value} IS NOT NULL' for value in typed)}",
        )
        return bool(present == distinct)

    return key_of(able, rows, is_key)
