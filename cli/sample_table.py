# ruff: noqa: S608 -- names and texts are quoted by steps.duck
"""A sample's rows as a table of texts, read as the contract's format will be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from cli.sample_object import SampleObject
from steps.duck import quoted, text

_NO_NAME: Final = re.compile(r"^$|^[+-]?[\d.]+$|^\d{4}-\d{2}-\d{2}")  # a value, no column's name


@dataclass(frozen=True)
class Loaded:
    """A sample's columns by their names, and how they are written.

    Attributes:
        format: fields of the contract's `format`, beside encoding and compression.
        unreadable: rows that could not be read.
        notes: what a person should look at.
    """

    names: list[str]
    format: dict[str, Any]
    unreadable: int = 0
    notes: tuple[str, ...] = ()


def load(connection: duckdb.DuckDBPyConnection, sample: SampleObject) -> Loaded:
    """Make the table `sample`: texts, with NULL for what is empty."""
    if sample.kind == "csv":
        return _load_csv(connection, sample)
    if sample.kind == "parquet":
        relation = f"read_parquet({text(sample.path)})"
        found = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        names = {str(row[0]): f"CAST({quoted(str(row[0]))} AS VARCHAR)" for row in found}
    else:
        layout = "array" if sample.kind == "json" else "newline_delimited"
        relation = (
            f"read_json({text(sample.path)}, format = '{layout}', records = false,"
            " columns = {item: 'JSON'}, maximum_object_size = 67108864,"
            f" ignore_errors = {str(sample.kind == 'jsonl').lower()})"
        )
        keys = connection.execute(
            f"SELECT key, min(position) FROM (SELECT unnest(json_keys(item)) AS key,"
            f" generate_subscripts(json_keys(item), 1) AS position FROM {relation})"
            " GROUP BY key ORDER BY 2, 1"
        ).fetchall()
        paths = {str(key): '$."' + str(key).replace('"', '\\"') + '"' for key, _ in keys}
        names = {key: f"json_extract_string(item, {text(path)})" for key, path in paths.items()}
    if not names:
        connection.execute("CREATE TABLE sample (nothing VARCHAR)")
        return Loaded([], {"type": sample.kind})
    selected = ", ".join(f"nullif({sql}, '') AS {quoted(name)}" for name, sql in names.items())
    readable = "true" if sample.kind == "parquet" else "item IS NOT NULL"
    connection.execute(f"CREATE TABLE sample AS SELECT {selected} FROM {relation} WHERE {readable}")
    unreadable = number_of(connection, f"SELECT count(*) FROM {relation} WHERE NOT ({readable})")
    return Loaded(list(names), {"type": sample.kind}, unreadable)


def _load_csv(connection: duckdb.DuckDBPyConnection, sample: SampleObject) -> Loaded:
    sniffed = connection.execute(
        "SELECT Delimiter, Quote, Escape, HasHeader, len(Columns)"
        " FROM sniff_csv(?, ignore_errors = true)",
        [str(sample.path)],
    ).fetchone()
    delimiter, quote, escape, header, count = sniffed or (",", '"', '"', True, 1)
    quote = quote if len(quote) == 1 else '"'
    notes = []
    if escape not in (quote, "(empty)"):
        notes.append(f"quotes seem to be escaped by {escape}; the pipeline expects them doubled")
    fields = ", ".join(f"'f{i}': 'VARCHAR'" for i in range(count))
    options = (
        f"auto_detect = false, delim = {text(delimiter)}, quote = {text(quote)},"
        f" escape = {text(quote)}, columns = {{{fields}}}, nullstr = ''"
    )
    names = [f"column_{i + 1}" for i in range(count)]
    if header:
        first = connection.execute(
            f"SELECT * FROM read_csv({text(sample.path)}, header = false, {options},"
            " ignore_errors = true) LIMIT 1"
        ).fetchone()
        found = [str(name or "").strip().lower() for name in first or ()]
        header = not any(_NO_NAME.match(name) for name in found)
        names = found if header else names
    names = [name if names.index(name) == i else f"{name} (again)" for i, name in enumerate(names)]
    selected = ", ".join(f"f{i} AS {quoted(name)}" for i, name in enumerate(names))
    connection.execute(
        f"CREATE TABLE sample AS SELECT {selected} FROM read_csv({text(sample.path)},"
        f" header = {str(header).lower()}, {options}, store_rejects = true, rejects_limit = 0)"
    )
    unreadable = number_of(connection, "SELECT count(DISTINCT line) FROM reject_errors")
    described = {"type": "csv", "delimiter": delimiter, "quote": quote, "header": bool(header)}
    return Loaded(names, described, unreadable, tuple(notes))


def row_of(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The first row that a query answers."""
    row = connection.execute(sql).fetchone()
    return row if row is not None else ()


def number_of(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The single integer that a query answers."""
    return int(row_of(connection, sql)[0])
