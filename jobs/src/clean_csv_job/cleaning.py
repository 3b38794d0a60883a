"""What becomes of one object: its rows as clean CSV, those that are malformed, and their counts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import duckdb

from clean_csv_job.fetching import Fetched, equalized
from clean_csv_job.options import InvalidData, log
from clean_csv_job.parquet import write_faulty
from clean_csv_job.rejects import check_lines, unreadable_records, write_rejects
from clean_csv_job.short_rows import MoreSurplus, NotFilledUp, ended, refuse_more_surplus
from clean_csv_job.sources import Source, blame, format_of, open_source
from clean_csv_job.zstd_text import GZIP
from reading_rules.json.near_keys import has_key_query, keys_query, missing_key, near_keys
from reading_rules.malformed import FORGET_REJECTS, first_line, has_mixed_line_ends
from reading_rules.parquet.select import has_bytes_for_texts
from reading_rules.sql import sql_identifier, sql_literal, text_column
from reading_rules.values.forms import (
    ValueForm,
    filtered_out,
    value_form,
    value_of,
    with_readings,
)


class MixedLineEnds(Exception):
    """The scan came to a line end unlike the others before it."""


class BytesForTexts(Exception):
    """Texts in a Parquet file are none."""


class Counts(NamedTuple):
    """Rows that are written, and rows that the query leaves out."""

    written: int
    filtered: int


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    source: Source,
    forms: Sequence[ValueForm],
    query: str | None,
) -> Counts:
    """Write the rows for which the query is true.

    Args:
        forms: how the texts of the contract's columns are written.
    """
    texts = ", ".join(f"{text_column(f.name)} AS {sql_identifier(f.name)}" for f in forms)
    filtered = "false"
    first, again = source.first, source.again
    if query:
        typed = ", ".join(f"{value_of(form)} AS {sql_identifier(form.name)}" for form in forms)
        first = f"(SELECT *, {typed} FROM {with_readings(first, forms)})"
        again = f"(SELECT *, {typed} FROM {with_readings(again, forms)})"
        filtered = f"({filtered_out(forms, query)})"
    try:
        row = connection.execute(
            f"COPY (SELECT {texts} FROM {first} WHERE CASE WHEN {source.skipped} THEN false"
            f" WHEN {filtered} THEN false ELSE true END) TO {sql_literal(path)}"
            " (FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
        ).fetchone()
        written = int(row[0]) if row else 0
        if not query:
            return Counts(written, 0)
        left_out = f"CASE WHEN {source.skipped} THEN false ELSE {filtered} END"
        row = connection.execute(f"SELECT count(*) FROM {again} WHERE {left_out}").fetchone()
        return Counts(written, int(row[0]) if row else 0)
    except duckdb.Error as error:
        if has_mixed_line_ends(error):
            raise MixedLineEnds(first_line(error)) from error
        if has_bytes_for_texts(error):
            raise BytesForTexts(first_line(error)) from error
        if query and not isinstance(error, duckdb.InvalidInputException):
            raise blame(error)(f"the query {query!r} fails: {first_line(error)}") from error
        raise blame(error)(f"the object cannot be read: {first_line(error)}") from error


def refuse_missing_keys(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    dataset: Mapping[str, Any],
    url: str,
) -> None:
    """Look for columns that no record has, where records have a key that is nearly the same."""
    columns = [column for column in dataset["columns"] if not column.get("from")]
    names = {column["name"]: column.get("source") or column["name"] for column in columns}
    ignores_case = bool(format_of(dataset).get("caseInsensitive"))
    required = {
        column["name"]
        for column in columns
        if column.get("required") and column.get("severity") != "warn"
    }
    keys = [str(row[0]) for row in connection.execute(keys_query(source.again)).fetchall()]
    for name, near in near_keys(names, keys, ignores_case=ignores_case).items():
        query = has_key_query(source.again, name, names[name])
        if connection.execute(query).fetchone() is None:
            problem = missing_key(names[name], near)
            if name in required:
                raise InvalidData(f"{url}: {problem}")
            log("missing key", input=url, column=name, problem=problem)


def connect(directory: str) -> duckdb.DuckDBPyConnection:
    """A database in the scratch directory that SQL of a message cannot look out of."""
    connection = duckdb.connect(
        os.path.join(directory, "work.duckdb"),
        config={
            "temp_directory": os.path.join(directory, "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    connection.execute("SET enable_external_file_cache = false")  # footers of Parquet change
    connection.execute("SET enable_progress_bar = false")  # it would go to standard output
    connection.execute("SET TimeZone = 'UTC'")
    for name in ("date_trunc", "datetrunc"):  # DuckDB 1 returns a DATE, DuckDB 2 a TIMESTAMP
        built_in = f"system.main.{name}(part, moment)"
        connection.execute(
            f"CREATE TEMP MACRO {name}(part, moment TIMESTAMP) AS CAST({built_in} AS TIMESTAMP),"
            f" (part, moment TIMESTAMPTZ) AS {built_in}, (part, moment INTERVAL) AS {built_in}"
        )
    connection.execute(f"SET allowed_directories = [{sql_literal(directory + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def clean(
    file: Fetched, dataset: Mapping[str, Any], directory: str, url: str, query: str | None
) -> dict[str, Any]:
    """Write data.csv and rejected.jsonl into the directory; returns what the report says of them.

    Args:
        url: how messages and rejects name the object.
    """
    connection = connect(directory)
    has_equal_ends = False
    while True:
        try:
            found = cleaned(connection, file, dataset, directory, url, query)
            break
        except MixedLineEnds:
            if file.compression == "zstd":
                raise InvalidData(f"{url} has line ends of several kinds, and {GZIP}") from None
            if has_equal_ends:
                raise
            file, has_equal_ends = equalized(file), True
        except MoreSurplus as more:
            file = file._replace(surplus=more.args[0])
        except BytesForTexts:
            if file.has_raw_texts:
                raise
            file = file._replace(has_raw_texts=True)
        except NotFilledUp:
            file = file._replace(missing=0)
        for statement in FORGET_REJECTS:
            connection.execute(statement)
    connection.close()
    file.lines.close()
    return found


def cleaned(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    dataset: Mapping[str, Any],
    directory: str,
    url: str,
    query: str | None,
) -> dict[str, Any]:
    """One try of `clean`.

    Raises:
        MixedLineEnds, BytesForTexts, MoreSurplus, NotFilledUp: try again, with another file, or
            read otherwise.
    """
    form = format_of(dataset)
    forms = [value_form(column) for column in dataset["columns"]]
    data = os.path.join(directory, "data.csv")
    rejected, encoding = os.path.join(directory, "rejected.jsonl"), form.get("encoding", "utf-8")
    source = open_source(connection, file, dataset, url)
    with ended(file, form) if source.fills_up else nullcontext():
        counts = write_rows(connection, data, source, forms, query)
        if source.fills_up:
            columns = len(source.header)
            refuse_more_surplus(connection, file, form["delimiter"], form["quote"], columns)
        unreadable = unreadable_records(connection, file)
        if form["type"] in ("json", "jsonl"):
            refuse_missing_keys(connection, source, dataset, url)
        rows = counts.written + counts.filtered
        if form["type"] == "parquet":
            names = [column["name"] for column in dataset["columns"]]
            bad = write_faulty(connection, rejected, source.again, names, url)
        else:
            bad = write_rejects(
                connection,
                rejected,
                source,
                unreadable,
                read=file,
                rows=rows,
                url=url,
                encoding=encoding,
            )
    rows += bad - len(unreadable)
    check_lines(connection, file, form, source, unreadable, rows=rows, url=url)
    return {
        "rowsIn": counts.written + counts.filtered + bad,
        "rowsOut": counts.written,
        "rowsFiltered": counts.filtered,
        "rowsBad": bad,
        "format": "csv",
        "files": ["data/part-00000.csv"],
        "ignoredColumns": list(source.ignored),
    }
