"""A sample's rows as a table of texts, read as the contract's format will be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.sample import SampleObject
from reading.parquet_schema import columns_of, opened, shapes_of
from reading.parquet_texts import Text, text_of
from reading_rules.header import field_names
from reading_rules.json_records import json_pointer
from reading_rules.scans import csv_scan
from tabular.sql import any_of, sql_literal

_NO_NAME: Final = re.compile(r"^[+-]?[\d.]+$|^\d{4}-\d{2}-\d{2}")  # a value, no column's name


@dataclass(frozen=True)
class Loaded:
    """A sample's fields, and how they are written. In the table they are called f0, f1 and so on.

    Attributes:
        names: what the file calls the fields; without a header `column_1` and so on.
        format: fields of the contract's `format`, beside encoding and compression.
        unreadable: rows that could not be read.
        notes: what a person should look at.
    """

    names: list[str]
    format: dict[str, Any]
    unreadable: int = 0
    notes: tuple[str, ...] = ()


def load(connection: duckdb.DuckDBPyConnection, sample: SampleObject) -> Loaded:
    """Make the table `sample`: texts, with NULL for what is empty.

    Raises:
        CommandFailed: it is CSV that no contract can describe; says what to do.
    """
    if sample.kind == "csv":
        return _load_csv(connection, sample)
    if sample.kind == "parquet":
        names, values, relation, readable = _parquet(sample)
    else:
        layout = "array" if sample.kind == "json" else "newline_delimited"
        readable = "coalesce(json_type(item) = 'OBJECT', false)"
        relation = (
            f"read_json({sql_literal(sample.path)}, format = '{layout}', records = false,"
            " columns = {item: 'JSON'}, maximum_object_size = 67108864,"
            f" ignore_errors = {str(sample.kind == 'jsonl').lower()})"
        )
        names = _keys(connection, relation)
        values = [f"json_extract_string(item, {sql_literal(json_pointer(name))})" for name in names]
    if not names:
        connection.execute("CREATE TABLE sample (nothing VARCHAR)")
        unreadable = number_of(connection, f"SELECT count(*) FROM {relation}")
        return Loaded([], {"type": sample.kind}, unreadable)
    selected = ", ".join(f"nullif({sql}, '') AS f{i}" for i, sql in enumerate(values))
    connection.execute(f"CREATE TABLE sample AS SELECT {selected} FROM {relation} WHERE {readable}")
    unreadable = number_of(connection, f"SELECT count(*) FROM {relation} WHERE NOT ({readable})")
    return Loaded(names, {"type": sample.kind}, unreadable)


def _parquet(sample: SampleObject) -> tuple[list[str], list[str], str, str]:
    """Names, texts, relation and the condition of a row that can be read, as the pipeline has them.

    A column whose texts the pipeline does not take is shown as DuckDB does.
    """
    with opened() as connection:
        columns = columns_of(connection, sample.path)
        shapes = shapes_of(connection, sample.path, columns, range(len(columns)), raw=True)
    values, faults = [], []
    for at in range(len(columns)):
        shape = shapes[at]
        shown = text_of(f"c{at}", shape) if shape else Text(f"CAST(c{at} AS VARCHAR)")
        values.append(shown.sql)
        faults += [broken for broken, _ in shown.faults]
    labels = ", ".join(f"c{at}" for at in range(len(columns)))
    relation = f"read_parquet({sql_literal(sample.path)}) AS file({labels})"
    return [column.name for column in columns], values, relation, f"({any_of(faults)}) IS NOT TRUE"


def _keys(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """Every key of the objects, about in their order."""
    objects = f"SELECT item FROM {relation} WHERE json_type(item) = 'OBJECT'"
    found = connection.execute(
        "SELECT key, min(position) FROM (SELECT unnest(json_keys(item)) AS key,"
        f" generate_subscripts(json_keys(item), 1) AS position FROM ({objects}))"
        " GROUP BY key ORDER BY 2, 1"
    ).fetchall()
    return [str(key) for key, _ in found]


def _load_csv(connection: duckdb.DuckDBPyConnection, sample: SampleObject) -> Loaded:
    sniffed = connection.execute(
        "SELECT Delimiter, Quote, Escape, HasHeader, len(Columns), SkipRows"
        " FROM sniff_csv(?, ignore_errors = true)",
        [str(sample.path)],
    ).fetchone()
    delimiter, quote, escape, header, count, skipped = sniffed or (",", '"', '"', True, 1, 0)
    _refuse_what_stands_before_the_table(sample, skipped)
    quote = quote if len(quote) == 1 else '"'
    notes = []
    if escape not in (quote, "(empty)"):
        notes.append(f"quotes seem to be escaped by {escape}; the pipeline expects them doubled")
    names = [f"column_{i + 1}" for i in range(count)]
    if header:
        first = _first_line(sample, delimiter, quote)
        header = not any(_NO_NAME.match(name) for name in first) and any(first)
        names = first if header else names
    scan = csv_scan(
        sample.path,
        [f"f{i}" for i in range(len(names))],
        "store_rejects = true, rejects_limit = 0",
        delimiter=delimiter,
        quote=quote,
        header=bool(header),
    )
    connection.execute(f"CREATE TABLE sample AS SELECT * FROM {scan}")
    if not header:
        notes.append("the first line looks like a row; if it is the header, say so: header: true")
    unreadable = number_of(connection, "SELECT count(DISTINCT line) FROM reject_errors")
    described = {"type": "csv", "delimiter": delimiter, "quote": quote, "header": bool(header)}
    return Loaded(names, described, unreadable, tuple(notes))


def _refuse_what_stands_before_the_table(sample: SampleObject, skipped: int) -> None:
    """The pipeline reads the first line as the header, or as a row."""
    with sample.path.open(encoding="utf-8") as lines:
        empty = not next(lines, "").strip()
    if empty or skipped:
        what = "its first line is empty" if empty else f"{skipped} lines stand before its table"
        raise CommandFailed(
            f"no contract can describe this sample: {what}, where the header is expected",
            REFUSED,
            "remove the lines before the header, here and in the program that writes these objects",
        )


def _first_line(sample: SampleObject, delimiter: str, quote: str) -> list[str]:
    """The names in the header, read as the pipeline does."""
    with sample.path.open(encoding="utf-8") as lines:
        line = next(lines, "").rstrip("\n")
    if line.count(quote) % 2:
        raise CommandFailed(
            "no contract can describe this sample: a name in its header continues on the next line",
            REFUSED,
            "write each name of the header on one line",
        )
    return field_names(line, delimiter, quote)


def row_of(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The first row that a query returns."""
    row = connection.execute(sql).fetchone()
    return row if row is not None else ()


def number_of(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The single integer that a query returns."""
    return int(row_of(connection, sql)[0])
