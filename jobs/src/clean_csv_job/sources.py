"""The file as a relation of texts, one column for each of the contract's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from clean_csv_job.fetching import MEGABYTE, Fetched
from clean_csv_job.options import InvalidData, JobError
from clean_csv_job.zstd_text import line_breaks_of_any_kind
from reading_rules.csv.rules import plain_nulls
from reading_rules.csv.short_rows import FOUND, WORTHWHILE, with_fields_found
from reading_rules.header import (
    HeaderError,
    field_names,
    first_line_of,
    folded,
    in_contract_names,
    positions_of,
)
from reading_rules.json.records import (
    IS_BLANK,
    IS_NO_OBJECT,
    JSON_LINE,
    json_fault,
    json_texts,
)
from reading_rules.malformed import first_line
from reading_rules.parquet.select import ROW_FAULT, NoExactText, parquet_select
from reading_rules.scans import (
    csv_scan,
    field_labels,
    line_breaks,
    line_scan,
    never_but_reads,
    store_rejects,
)
from reading_rules.sql import or_null, sql_identifier, sql_literal, text_column
from reading_rules.values.file_columns import columns_of_key

CSV: dict[str, Any] = {"type": "csv", "delimiter": ",", "quote": '"', "header": True}
# duckdb 1.4, the last for Python 3.9, has no limit for the lines that it keeps of rejects.
DUCKDB_2 = int(duckdb.__version__.partition(".")[0]) >= 2
# Of a database that lacked memory or disk: another machine may have it.
OF_THE_MACHINE = (duckdb.OutOfMemoryException, duckdb.IOException)


class Source(NamedTuple):
    """How the records of the file are read.

    Attributes:
        first: SQL for the records; what cannot be read is stored by this scan.
        again: the same for further scans, whose rejects go elsewhere.
        header: names of the fields, by the contract's names where it has one; of what has no
            header: none.
        ignored: those that the contract does not know.
        skipped: SQL, true for a record that is no row, or never: then it reads every field, so that
            all scans reject the same rows.
        malformed: SQL, true for a record that is no row and is rejected.
        fault: SQL, what is wrong with such a record, see `json_fault`; NULL: it is no JSON object.
        breaks: SQL, how many line breaks a record holds.
        fills_up: whether rows of too few columns are among the records, see
            `reading_rules.csv.short_rows`.
        spans_lines: whether a record may take several lines.
        has_header: whether the first line is no record.
    """

    first: str
    again: str
    header: Sequence[str] = ()
    ignored: Sequence[str] = ()
    skipped: str = "false"
    malformed: str | None = None
    fault: str = "NULL"
    breaks: str | None = None
    fills_up: bool = False
    spans_lines: bool = False
    has_header: bool = False


def open_source(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    dataset: Mapping[str, Any],
    source: str,
) -> Source:
    """Look at the file's head, and say how to read it.

    Args:
        source: how messages name the object.
    """
    form = format_of(dataset)
    absent = columns_of_key(dataset["columns"], source)
    names = {
        c["name"]: c.get("source") or c["name"]
        for c in dataset["columns"]
        if c["name"] not in absent
    }
    try:
        return _with_absent(_opened(connection, file, form, names, source), absent)
    except HeaderError as error:
        raise InvalidData(f"{source}, line {file.lines.line_of(1)}: {error}") from error
    except duckdb.Error as error:
        raise blame(error)(f"{source} cannot be read: {first_line(error)}") from error


def _opened(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    form: Mapping[str, Any],
    names: Mapping[str, str],
    source: str,
) -> Source:
    if form["type"] == "csv":
        return _csv(connection, file, form, names)
    if form["type"] in ("json", "jsonl"):
        return _json(file, names, form)
    return _parquet(connection, file, names, source, form.get("nulls") or ())


def _with_absent(source: Source, absent: Sequence[str]) -> Source:
    """With a column for those that are not in the file, which validate fills."""
    if not absent:
        return source
    nulls = ", ".join(f"CAST(NULL AS VARCHAR) AS {text_column(name)}" for name in absent)
    first, again = (f"(SELECT *, {nulls} FROM {sql})" for sql in (source.first, source.again))
    return source._replace(first=first, again=again)


def blame(error: duckdb.Error) -> type[JobError]:
    """How the job ends for this error: by its input, or by where it ran."""
    return JobError if isinstance(error, OF_THE_MACHINE) else InvalidData


def format_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {**CSV, **(dataset.get("format") or {})}


def _options(file: Fetched, *, is_first: bool) -> str:
    rejects = (
        store_rejects(has_size_limit=DUCKDB_2)
        if is_first
        else store_rejects("unreadable_again", at_most=1, has_size_limit=DUCKDB_2)
    )
    return f"compression = {sql_literal(file.compression)}, {rejects}"


def _csv(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    form: Mapping[str, Any],
    names: Mapping[str, str],
) -> Source:
    header = list(names)
    if form["header"]:
        header = _header(file, form) or header
    positions = positions_of(header, names)
    header = in_contract_names(header, positions)
    fields = [sql_identifier(label) for label in field_labels(len(header))]
    nulls = plain_nulls(form)
    selected = ", ".join(
        f"{or_null(fields[positions[name]], nulls)} AS {text_column(name)}" for name in names
    )
    spans_lines = _may_span_lines(connection, file, form)
    fills_up = file.missing >= WORTHWHILE and len(header) > 1
    every = field_labels(len(header) + file.surplus)
    surplus = [sql_identifier(label) for label in every[len(header) :]]

    def relation(*, is_first: bool) -> str:
        is_parallel = str(not spans_lines).lower()
        rows = csv_scan(
            file.path,
            every,
            f"parallel = {is_parallel}, {_options(file, is_first=is_first)}",
            delimiter=form["delimiter"],
            quote=form["quote"],
            header=form["header"],
            pads=bool(form.get("padShortRows")),
            marks_missing=fills_up,
        )
        if fills_up:
            rows = with_fields_found(rows, fields, surplus)
        return f"(SELECT *, {selected} FROM {rows})"

    touched = never_but_reads(fields)
    return Source(
        relation(is_first=True),
        relation(is_first=False),
        header,
        ignored=[name for name in header if name not in positions],
        skipped=f"{FOUND} IS NOT NULL OR {touched}" if fills_up else touched,
        breaks=(line_breaks_of_any_kind if file.compression == "zstd" else line_breaks)(
            [*fields, *surplus]
        ),
        fills_up=fills_up,
        spans_lines=spans_lines,
        has_header=bool(form["header"]),
    )


def _header(file: Fetched, form: Mapping[str, Any]) -> list[str] | None:
    """Names in the first line, lower case; None when there is no line."""
    if file.looked:
        if file.looked.first is None:
            return None
        line = file.looked.first
    else:
        with open(file.path, "rb") as opened:
            block = opened.readline(MEGABYTE)
        if not block:
            return None
        line = first_line_of(block, form.get("encoding", "utf-8"))
    return [folded(name) for name in field_names(line, form["delimiter"], form["quote"])]


def _may_span_lines(
    connection: duckdb.DuckDBPyConnection, file: Fetched, form: Mapping[str, Any]
) -> bool:
    """Whether a quote is open at the end of some line; then one thread has to read the file."""
    if file.compression == "zstd":
        return True
    without = f"replace({JSON_LINE}, {sql_literal(form['quote'])}, '')"
    odd = f"(strlen({JSON_LINE}) - strlen({without})) % 2 = 1"
    lines = line_scan(file.path, _options(file, is_first=False))
    try:
        row = connection.execute(f"SELECT count(*) FROM {lines} WHERE {odd}").fetchone()
    except duckdb.Error:  # not even lines: whatever it is, it is read in order
        return True
    return bool(row and row[0])


def _json(file: Fetched, names: Mapping[str, str], form: Mapping[str, Any]) -> Source:
    ignores_case = bool(form.get("caseInsensitive"))
    found = json_texts(names, ignores_case=ignores_case)
    nulls = form.get("nulls") or ()
    texts = [or_null(f'"json-values"[{n}]', nulls) for n in range(1, len(names) + 1)]
    selected = ", ".join(
        f"nullif({text}, '') AS {text_column(name)}" for text, name in zip(texts, names)
    )

    def relation(*, is_first: bool) -> str:
        lines = line_scan(file.path, _options(file, is_first=is_first))
        values = f'SELECT {JSON_LINE}, {found} AS "json-values" FROM {lines}'
        return f"(SELECT *, {selected} FROM ({values}))"

    fault = json_fault('"json-values"', names, ignores_case=ignores_case) or "NULL"
    malformed = f"({IS_NO_OBJECT} OR {fault} IS NOT NULL)"
    return Source(
        relation(is_first=True),
        relation(is_first=False),
        skipped=f"{IS_BLANK} OR {malformed}",
        malformed=malformed,
        fault=fault,
    )


def _parquet(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    names: Mapping[str, str],
    source: str,
    nulls: Sequence[str],
) -> Source:
    try:
        found = parquet_select(
            connection,
            Path(file.path),
            names,
            raw=file.has_raw_texts,
            reads_nanoseconds=DUCKDB_2,
        )
    except NoExactText as error:
        raise InvalidData(f"{source}: {error}") from error
    selected = ", ".join(
        f"{or_null(found.texts[name], nulls)} AS {text_column(name)}" for name in names
    )
    relation = f"(SELECT {selected}, {found.fault} AS {ROW_FAULT} FROM {found.relation})"
    skipped = f"{ROW_FAULT} IS NOT NULL"
    return Source(relation, relation, ignored=found.ignored, skipped=skipped)
