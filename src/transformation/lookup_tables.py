"""The lookups of a run as typed tables that its transform joins by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb

from contracts import layout
from contracts.columns import Column, source_names
from contracts.dataset import CsvFormat, DatasetSnapshot, FrozenLookup, Lookup
from contracts.errors import InvalidData, InvalidDataset, Problem
from reading.header import positions_of
from reading.parquet_source import select_columns
from reading_rules.csv.rules import plain_nulls
from reading_rules.header import fields_of
from reading_rules.json.records import parted_fault
from reading_rules.malformed import first_line
from reading_rules.parquet.select import ROW_FAULT
from reading_rules.source_lines import SourceLines
from reading_rules.sql import or_null, text_column
from sources.fetch import fetch
from tabular.failures import failed
from tabular.sql import sql_identifier, sql_literal
from tabular.workspace import Workspace
from validation.checks import a_value_of, cast_column

_SHOWN: Final = 80  # characters of a value in a message


def load_lookups(space: Workspace, snapshot: DatasetSnapshot) -> None:
    """Make a table of each lookup, as it was when the run began.

    Raises:
        InvalidData: one has changed since, is unreadable, lacks a column, or holds a value that is
            none of its column's type; says which.
        NotFound: one is not there any more.
    """
    frozen = {found.name: found for found in snapshot.lookups}
    for lookup in snapshot.dataset.lookups:
        if lookup.name not in frozen:
            problem = Problem("lookups", "was not frozen with the run", lookup.name)
            raise InvalidDataset(snapshot.dataset.name, [problem])
        _load(space, lookup, frozen[lookup.name])


def _load(space: Workspace, lookup: Lookup, found: FrozenLookup) -> None:
    bucket, key = layout.split_s3_url(found.url)
    path = space.path(f"lookup-{lookup.name}")
    lines = SourceLines()
    fetch(bucket, key, path, lookup.format, etag=found.etag, lines=lines)
    where = f"lookup {lookup.name} ({found.url})"
    columns = [Column(name=column.name, type=column.type) for column in lookup.columns]
    try:
        relation = _texts(space, path, lookup, where, lines.line_of(1))
        typed = ", ".join(f"{cast_column(c)} AS {sql_identifier(c.name)}" for c in columns)
        space.connection.execute(
            f'CREATE TEMP TABLE "lookup-texts" AS SELECT *, {typed} FROM {relation}'
        )
    except duckdb.Error as error:
        raise failed(error, f"{where} cannot be read: {first_line(error)}") from error
    _check_rows(space, where)
    for column in columns:
        _check_values(space, column, where)
    names = ", ".join(sql_identifier(column.name) for column in columns)
    space.connection.execute(
        f'CREATE TABLE {sql_identifier(lookup.name)} AS SELECT {names} FROM "lookup-texts"'
    )
    space.connection.execute('DROP TABLE "lookup-texts"')
    path.unlink()


def _check_rows(space: Workspace, where: str) -> None:
    """Every row of a Parquet file could be read.

    Raises:
        InvalidData: one could not.
    """
    row = space.connection.execute(
        f'SELECT rowid + 1, {ROW_FAULT} FROM "lookup-texts" WHERE {ROW_FAULT} IS NOT NULL'
        " ORDER BY rowid LIMIT 1"
    ).fetchone()
    if row:
        column, reason = parted_fault(str(row[1]))
        raise InvalidData(f"{where}, row {row[0]}, column {column}: {reason}")


def _check_values(space: Workspace, column: Column, where: str) -> None:
    """Every text is missing or a value of the column's type.

    Raises:
        InvalidData: one is not.
    """
    raw = text_column(column.name)
    row = space.connection.execute(
        f'SELECT rowid + 1, {raw} FROM "lookup-texts"'
        f" WHERE {raw} IS NOT NULL AND {sql_identifier(column.name)} IS NULL ORDER BY rowid LIMIT 1"
    ).fetchone()
    if row:
        raise InvalidData(
            f"{where}, row {row[0]}, column {column.name}: {str(row[1])[:_SHOWN]!r} is not"
            f" {a_value_of(column.type)}"
        )


def _texts(space: Workspace, path: Path, lookup: Lookup, where: str, head: int) -> str:
    """A relation with a text column per column of the lookup.

    Args:
        head: the line of the header.
    """
    names = source_names(lookup.columns)
    if isinstance(lookup.format, CsvFormat):
        header = _header(space, path, lookup.format) if lookup.format.header else list(names)
        fields = [f"field-{number}" for number in range(len(header))]
        reader, fault = _csv(path, lookup.format, fields), "NULL"
        positions = positions_of(header, names, where, head)
        texts: Mapping[str, str] = {
            name: f"nullif({sql_identifier(fields[at])}, '')" for name, at in positions.items()
        }
    else:
        file = select_columns(path, names, where, raw=True)
        reader, fault, texts = file.relation, file.fault, file.texts
    nulls = plain_nulls(lookup.format.to_json())
    selected = ", ".join(
        f"{or_null(sql, nulls)} AS {text_column(name)}" for name, sql in texts.items()
    )
    return f"(SELECT {selected}, {fault} AS {ROW_FAULT} FROM {reader})"


def _csv(path: Path, form: CsvFormat, fields: list[str]) -> str:
    """A strict reader: a malformed row is an error."""
    columns = ", ".join(f"{sql_literal(field)}: 'VARCHAR'" for field in fields)
    pads = ", null_padding = true, parallel = false" if form.pad_short_rows else ""
    return (
        f"read_csv({sql_literal(path)}, auto_detect = false,"
        f" header = {str(form.header).lower()}, delim = {sql_literal(form.delimiter)},"
        f" quote = {sql_literal(form.quote)}, escape = {sql_literal(form.quote)},"
        f" columns = {{{columns}}}{pads})"
    )


def _header(space: Workspace, path: Path, form: CsvFormat) -> list[str]:
    """The names in the first line; there is none in an empty file."""
    row = space.connection.execute(
        f"SELECT line FROM read_csv({sql_literal(path)}, auto_detect = false, header = false,"
        " delim = '\x01', quote = '', escape = '', columns = {'line': 'VARCHAR'}) LIMIT 1"
    ).fetchone()
    line = str(row[0] or "") if row else ""
    return fields_of(line, form.delimiter, form.quote)
