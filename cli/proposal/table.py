"""A sample's rows as a table of texts, read as the contract's format will be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import duckdb

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.preamble import preamble_of
from cli.proposal.sample import SampleObject
from cli.proposal.value_types import dirt
from reading.parquet_source import opened
from reading_rules.header import field_names, fields_of
from reading_rules.json.records import (
    IS_BLANK,
    IS_OBJECT,
    JSON_LINE,
    json_pointer,
    json_values,
)
from reading_rules.parquet.schema import TEXT_BYTES, columns_of, shapes_of
from reading_rules.parquet.texts import Text, text_of
from reading_rules.plain_text import plain_text
from reading_rules.scans import csv_scan, line_scan, store_rejects
from reading_rules.source_lines import SourceLines
from tabular.sql import any_of, sql_literal

_SEPARATORS: Final = ",;\t|^~"
_LINES: Final = 200  # of the beginning are examined for them
_NO_NAME: Final = re.compile(r"^[+-]?[\d.]+$|^\d{4}-\d{2}-\d{2}")  # a value, no column's name


@dataclass(frozen=True)
class Loaded:
    """A sample's fields, and how they are written. In the table they are called f0, f1 and so on.

    Attributes:
        names: what the file calls the fields; without a header `column_1` and so on.
        format: fields of the contract's `format`, beside encoding and compression.
        unreadable: rows that could not be read.
        notes: what a person should look at.
        unusable: why the values of columns cannot be read, by their positions.
    """

    names: list[str]
    format: dict[str, Any]
    unreadable: int = 0
    notes: tuple[str, ...] = ()
    unusable: Mapping[int, str] = MappingProxyType({})


def load(
    connection: duckdb.DuckDBPyConnection,
    sample: SampleObject,
    known: Mapping[str, Any] = MappingProxyType({}),
) -> Loaded:
    """Make the table `sample`: texts, with NULL for what is empty.

    Args:
        known: of CSV: what is known of the format, `quote` and `escape`; else it is guessed. Or
            `padShortRows`.

    Raises:
        CommandFailed: it is CSV that no contract can describe; says what to do.
    """
    if sample.kind == "csv":
        return _load_csv(connection, sample, known)
    unusable: Mapping[int, str] = {}
    if sample.kind == "parquet":
        names, values, relation, readable, unusable = _parquet(connection, sample)
    else:
        # As validation reads them: with all digits of numbers, in one look for all columns.
        readable = f"({IS_OBJECT}) IS TRUE"
        lines = line_scan(sample.path, store_rejects(at_most=1))
        relation = f"(SELECT * FROM {lines} WHERE ({IS_BLANK}) IS NOT TRUE)"
        names = _keys(connection, relation)
        found = json_values(map(json_pointer, names))
        relation = f"(SELECT *, {found} AS found FROM {relation})"
        values = [f"found[{at}]" for at in range(1, len(names) + 1)]
    described = {"type": sample.kind, **sample.layout}
    if not names:
        connection.execute("CREATE TABLE sample (nothing VARCHAR)")
        unreadable = number_of(connection, f"SELECT count(*) FROM {relation}")
        return Loaded([], described, unreadable)
    selected = ", ".join(f"nullif({sql}, '') AS f{i}" for i, sql in enumerate(values))
    connection.execute(f"CREATE TABLE sample AS SELECT {selected} FROM {relation} WHERE {readable}")
    unreadable = number_of(connection, f"SELECT count(*) FROM {relation} WHERE NOT ({readable})")
    return Loaded(names, described, unreadable, unusable=unusable)


def _parquet(
    connection: duckdb.DuckDBPyConnection, sample: SampleObject
) -> tuple[list[str], list[str], str, str, dict[int, str]]:
    """Names, texts, relation and the condition of a row that can be read, as the pipeline has them.

    Last come the columns, by position, that it cannot read, or only in some rows, and why.
    """
    with opened() as reader:
        columns = columns_of(reader, sample.path)
        shapes = shapes_of(reader, sample.path, columns, range(len(columns)), raw=True)
    labels = ", ".join(f"c{at}" for at in range(len(columns)))
    relation = f"read_parquet({sql_literal(sample.path)}) AS file({labels})"
    rows = number_of(connection, f"SELECT count(*) FROM {relation}")
    values, faults, unusable = [], [], {}
    for at in range(len(columns)):
        shape = shapes[at]
        shown = text_of(f"c{at}", shape) if shape else Text("CAST(NULL AS VARCHAR)")
        values.append(shown.sql)
        broken = any_of(broken for broken, _ in shown.faults)
        if shape is None:
            unusable[at] = "there is no exact text of its values"
            continue
        is_binary = any(leaf.kind == TEXT_BYTES for leaf in shape.leaves())
        lost = number_of(connection, f"SELECT count(*) FILTER ({broken}) FROM {relation}")
        if lost > (dirt(rows) if is_binary else rows // 2):
            unusable[at] = shown.faults[0][1].partition(";")[0]
        else:
            faults.append(broken)
    readable = f"({any_of(faults)}) IS NOT TRUE"
    return [column.name for column in columns], values, relation, readable, unusable


def _keys(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """Every key of the objects, about in their order."""
    objects = f"SELECT json_keys({JSON_LINE}) AS keys FROM {relation} WHERE {IS_OBJECT}"
    found = connection.execute(
        "SELECT key, min(position) FROM (SELECT unnest(keys) AS key,"
        f" generate_subscripts(keys, 1) AS position FROM ({objects}))"
        " GROUP BY key ORDER BY 2, 1"
    ).fetchall()
    return [str(key) for key, _ in found]


def _load_csv(
    connection: duckdb.DuckDBPyConnection, sample: SampleObject, known: Mapping[str, Any]
) -> Loaded:
    text = sample.path.read_text(encoding="utf-8")
    preamble = preamble_of(text, whole=sample.whole)
    path = sample.path.with_suffix(".table")
    path.write_text(preamble.without(text), encoding="utf-8", newline="")
    notes = list(preamble.notes)
    dialect = _dialect(connection, path, {"delimiter": preamble.delimiter, **known})
    described: dict[str, Any] = {
        "type": "csv",
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        **preamble.fields,
        **known,
    }
    with path.open("wb") as table:
        table.writelines(plain_text([text.encode("utf-8")], described, SourceLines()))
    names = [f"column_{i + 1}" for i in range(dialect.fields)]
    header = dialect.header
    if header:
        first = _first_line(path, dialect)
        header = not any(_NO_NAME.match(name) for name in first) and any(first)
        names = first if header else names
    pads = bool(known.get("padShortRows"))
    in_order = ", parallel = false" if pads else ""  # DuckDB fills rows up in one thread only
    scan = csv_scan(
        path,
        [f"f{i}" for i in range(len(names))],
        f"store_rejects = true, rejects_limit = 0{in_order}",
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        header=header,
        pads=pads,
    )
    connection.execute(f"CREATE TABLE sample AS SELECT * FROM {scan}")
    if not header:
        notes.append("the first line looks like a row; if it is the header, say so: header: true")
    unreadable = number_of(connection, "SELECT count(DISTINCT line) FROM reject_errors")
    return Loaded(names, {**described, "header": header}, unreadable, tuple(notes))


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    quote: str
    header: bool
    fields: int


def _dialect(
    connection: duckdb.DuckDBPyConnection, path: Path, known: Mapping[str, Any]
) -> _Dialect:
    """How a table's lines are written, by DuckDB's guess but for what is known."""
    delimiter, quote = known.get("delimiter"), known.get("quote")
    asked = {"delim": delimiter, "quote": quote, "escape": known.get("escape") or quote}
    options = "".join(
        f", {name} = {sql_literal(value)}" for name, value in asked.items() if value is not None
    )
    if known.get("padShortRows"):  # else only a header that is longer than the rows fits
        options += ", null_padding = true"
    sniffed = connection.execute(
        "SELECT Delimiter, Quote, HasHeader, len(Columns), SkipRows"
        f" FROM sniff_csv({sql_literal(path)}, ignore_errors = true{options})"
    ).fetchone()
    if sniffed is None:
        return _Dialect(delimiter or ",", quote or '"', header=True, fields=1)
    found, quoted, header, count, skipped = sniffed
    if skipped:
        raise CommandFailed(
            f"no contract can describe this sample: {skipped} lines stand before its table, where"
            " the header is expected",
            REFUSED,
            "remove the lines before the header, here and in the program that writes these objects",
        )
    quoted = quoted if len(quoted) == 1 else '"'
    if count == 1 and delimiter is None and (other := _separates(path)):
        with path.open(encoding="utf-8") as lines:
            count = len(fields_of(next(lines), other, quote or quoted))
        return _Dialect(other, quote or quoted, header=True, fields=count)
    return _Dialect(delimiter or found, quote or quoted, bool(header), count)


def _separates(path: Path) -> str | None:
    """What most lines have as often as the first one, where DuckDB finds no delimiter."""
    with path.open(encoding="utf-8") as opened:
        first, *others = list(islice(opened, _LINES)) or [""]
    for sign in sorted(_SEPARATORS, key=first.count, reverse=True):
        alike = sum(line.count(sign) == first.count(sign) for line in others)
        if sign in first and alike * 2 > len(others):
            return sign
    return None


def _first_line(path: Path, dialect: _Dialect) -> list[str]:
    """The names in the header, read as the pipeline does."""
    with path.open(encoding="utf-8") as lines:
        line = next(lines, "").rstrip("\n")
    if line.count(dialect.quote) % 2:
        raise CommandFailed(
            "no contract can describe this sample: a name in its header continues on the next line",
            REFUSED,
            "write each name of the header on one line",
        )
    return field_names(line, dialect.delimiter, dialect.quote)


def row_of(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The first row that a query returns."""
    row = connection.execute(sql).fetchone()
    return row if row is not None else ()


def number_of(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The single integer that a query returns."""
    return int(row_of(connection, sql)[0])
