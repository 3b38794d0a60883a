# ruff: noqa: S608 -- names and texts are quoted by steps.duck; SQL has no other way to take them
"""Read a source file into a table of texts, and tell what could not be read.

The same rules as in `jobs/clean_csv.py`, which has to stand alone; a test holds the two together.
Values stay text here: empty and absent are both NULL. Types are the business of `steps.checks`.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self, cast

import duckdb

from contracts.dataset import CsvFormat, Dataset, JsonLinesFormat
from contracts.errors import InvalidData
from steps.duck import MEGABYTE, Workspace, quoted, text

ROWS: Final = "source_rows"  # the table: one text column per contract column, see `text_column`
_COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}
_REASONS: Final = {
    "UNQUOTED VALUE": "a quote is not closed, or text follows a closing quote",
    "INVALID ENCODING": "not UTF-8",
}
_COLUMN_COUNT: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")


@dataclass(frozen=True)
class Malformed:
    """A row that could not be read.

    Attributes:
        line: where it starts, from 1, in the decompressed file (in a zstd file: its number among
            the records).
        raw: its text; DuckDB keeps the first 10,000 characters.
    """

    line: int
    reason: str
    raw: str
    column: str | None = None


@dataclass(frozen=True)
class Reading:
    """What reading a file came to: rows in the table, and rows that were malformed."""

    rows: int
    malformed: int
    ignored_columns: tuple[str, ...] = ()


def text_column(column: str) -> str:
    """Name of a column's text; the hyphen keeps it apart from every contract column."""
    return quoted(f"text-{column}")


def read_file(space: Workspace, path: Path, dataset: Dataset, source: str) -> Reading:
    """Load a file into the table `source_rows`, once per workspace.

    Args:
        path: in the workspace; ends like the object's key (`.gz`, `.zst`).
        source: how messages name it.

    Raises:
        InvalidData: the file as a whole is unreadable, or lacks a column of the contract.
    """
    names = [column.name for column in dataset.columns]
    try:
        if isinstance(dataset.format, CsvFormat):
            return _read_csv(space, path, dataset.format, names, source)
        if isinstance(dataset.format, JsonLinesFormat):
            return _read_json_lines(space, path, names)
        return _read_parquet(space, path, names, source)
    except duckdb.Error as error:
        raise InvalidData(f"{source} cannot be read: {first_line(error)}") from error


def malformed_rows(space: Workspace, path: Path) -> Iterator[Malformed]:
    """The rows that `read_file` had to leave out, in the file's order."""
    rows = space.connection.cursor().execute(
        "SELECT position, line, kind, message, column_name, raw FROM malformed"
        " ORDER BY position, line"
    )
    by_number = _compression(path) == "zstd"  # its bytes cannot be counted here
    with _LineCounter(path) as counter:
        while batch := rows.fetchmany(1000):
            for position, line, kind, message, column, raw in batch:
                if position is not None and not by_number:
                    line = counter.line_at(position)
                yield Malformed(line, _reason(kind, message), raw.strip("\r\n"), column)


def first_line(error: Exception) -> str:
    """The part of a DuckDB message that says what is wrong."""
    message = str(error)
    if "CSV Parser state machine" in message:
        return "its line ends are mixed (some CR LF, some LF), or it is not CSV at all"
    return " ".join(message.split("\n\n")[0].split("Possible ")[0].split())[:400]


def _reason(kind: str, message: str) -> str:
    count = _COLUMN_COUNT.search(message)
    if count:
        return f"{count[2]} columns instead of {count[1]}"
    return _REASONS.get(kind, message)


def _read_csv(
    space: Workspace, path: Path, csv_format: CsvFormat, names: Sequence[str], source: str
) -> Reading:
    header = _header(space, path, csv_format, source) if csv_format.header else list(names)
    positions = _positions(header or list(names), names, source)
    if header is None:  # an empty file
        header = list(names)
    fields = ", ".join(f"{text(f'f{i}')}: 'VARCHAR'" for i in range(len(header)))
    selected = ", ".join(f"f{positions[name]} AS {text_column(name)}" for name in names)
    space.connection.execute(
        f"CREATE TABLE {ROWS} AS SELECT {selected} FROM read_csv({text(path)},"
        f" auto_detect = false, header = {str(csv_format.header).lower()},"
        f" delim = {text(csv_format.delimiter)}, quote = {text(csv_format.quote)},"
        f" escape = {text(csv_format.quote)}, columns = {{{fields}}}, nullstr = '',"
        f" compression = {text(_compression(path))}, store_rejects = true, rejects_limit = 0)"
    )
    _keep_rejects(space, header)
    return _reading(space, tuple(name for name in header if name not in positions))


def _read_json_lines(space: Workspace, path: Path, names: Sequence[str]) -> Reading:
    space.connection.execute(f"CREATE TABLE json_lines AS SELECT line FROM {_lines_of(path)}")
    _keep_rejects(space, [])
    is_object = "(CASE WHEN json_valid(line) THEN json_type(line) END) = 'OBJECT'"
    selected = ", ".join(
        f"nullif(json_extract_string(line, {text(f'$.{name}')}), '') AS {text_column(name)}"
        for name in names
    )
    space.connection.execute(
        f"CREATE TABLE {ROWS} AS SELECT {selected} FROM json_lines WHERE {is_object}"
    )
    # Line i (from 0) of those that were read is line i + 1 + the rejected ones before it.
    space.connection.execute(
        "INSERT INTO malformed SELECT NULL, bad.i + 1 + coalesce(rejected.n, 0), 'JSON',"
        " 'not a JSON object', NULL, bad.line"
        f" FROM (SELECT rowid AS i, line FROM json_lines WHERE line IS NOT NULL"
        f" AND ({is_object}) IS NOT TRUE) AS bad"
        " ASOF LEFT JOIN (SELECT i, max(n) AS n FROM (SELECT line"
        " - row_number() OVER (ORDER BY line) AS i, row_number() OVER (ORDER BY line) AS n"
        " FROM malformed) GROUP BY i) AS rejected ON bad.i >= rejected.i"
    )
    space.connection.execute("UPDATE malformed SET position = NULL")  # the lines are exact
    return _reading(space)


def _read_parquet(space: Workspace, path: Path, names: Sequence[str], source: str) -> Reading:
    relation = f"read_parquet({text(path)})"
    described = space.connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    header = [row[0] for row in described]
    positions = _positions([name.strip().lower() for name in header], names, source)
    selected = ", ".join(
        f"nullif(CAST({quoted(header[positions[name]])} AS VARCHAR), '') AS {text_column(name)}"
        for name in names
    )
    space.connection.execute(f"CREATE TABLE {ROWS} AS SELECT {selected} FROM {relation}")
    _keep_rejects(space, [])
    return _reading(space, tuple(name for name in header if name.strip().lower() not in positions))


def _reading(space: Workspace, ignored_columns: tuple[str, ...] = ()) -> Reading:
    return Reading(
        rows=space.number(f"SELECT count(*) FROM {ROWS}"),
        malformed=space.number("SELECT count(*) FROM malformed"),
        ignored_columns=ignored_columns,
    )


def _compression(path: Path) -> str:
    return _COMPRESSIONS.get(path.suffix, "none")


def _lines_of(path: Path) -> str:
    """A relation with the file's lines, unparsed: \\x01 separates nothing that is text."""
    return (
        f"read_csv({text(path)}, auto_detect = false, header = false, delim = '\x01', quote = '',"
        f" escape = '', columns = {{'line': 'VARCHAR'}}, compression = {text(_compression(path))},"
        " store_rejects = true, rejects_limit = 0)"
    )


def _header(space: Workspace, path: Path, csv_format: CsvFormat, source: str) -> list[str] | None:
    """Column names of the first line, lower case; None when there is no line."""
    if _compression(path) == "zstd":
        row = space.connection.execute(f"SELECT line FROM {_lines_of(path)} LIMIT 1").fetchone()
        line = (row[0] or "") if row else ""
    else:
        with _opened(path) as file:
            try:
                line = file.readline(MEGABYTE).decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise InvalidData(f"{source}, line 1: the header is not UTF-8") from error
    if not line:
        return None
    fields = next(
        csv.reader(
            [line.strip("\r\n")], delimiter=csv_format.delimiter, quotechar=csv_format.quote
        ),
        [],
    )
    return [field.strip().lower() for field in fields]


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def _positions(header: Sequence[str], names: Sequence[str], source: str) -> dict[str, int]:
    """Where each contract column stands among the file's columns.

    Raises:
        InvalidData: one is missing, or there twice.
    """
    missing = [name for name in names if name not in header]
    if missing:
        raise InvalidData(
            f"{source}, line 1: the header lacks {', '.join(missing)};"
            f" it has {', '.join(header)[:400]}"
        )
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise InvalidData(f"{source}, line 1: the header has {', '.join(twice)} more than once")
    return {name: header.index(name) for name in names}


def _keep_rejects(space: Workspace, header: Sequence[str]) -> None:
    """Make the table `malformed`: one row per rejected record, with the error that tells most."""
    names = "[" + ", ".join(text(name) for name in header) + "]::VARCHAR[]"
    space.connection.execute(
        "CREATE TABLE malformed (position BIGINT, line BIGINT, kind VARCHAR, message VARCHAR,"
        " column_name VARCHAR, raw VARCHAR)"
    )
    tables = space.number("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'")
    if not tables:
        return
    # The position counts from 1 and may stand on the line break before the record. Of a record with
    # too many columns the last error has the true number, of any other the first error is told.
    space.connection.execute(
        "INSERT INTO malformed SELECT line_byte_position - 1 + length(any_value(csv_line))"
        " - length(ltrim(any_value(csv_line), chr(10) || chr(13))), min(line),"
        " arg_min(error_type, byte_position), CASE WHEN bool_or(error_type = 'TOO MANY COLUMNS')"
        " THEN arg_max(error_message, byte_position)"
        " ELSE arg_min(error_message, byte_position) END,"
        " CASE WHEN NOT bool_or(error_type LIKE '%COLUMNS')"
        f" THEN ({names})[arg_min(column_idx, byte_position)::BIGINT] END, any_value(csv_line)"
        " FROM reject_errors GROUP BY line_byte_position"
    )


class _LineCounter:
    """Lines of byte positions that only grow, in one pass over the file."""

    def __init__(self, path: Path) -> None:
        self._file = _opened(path)
        self._position = 0
        self._line = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def line_at(self, position: int) -> int:
        while self._position < position:
            piece = self._file.read(min(MEGABYTE, position - self._position))
            if not piece:
                break
            self._position += len(piece)
            self._line += piece.count(b"\n")
        return self._line
