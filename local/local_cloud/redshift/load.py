"""COPY: files into a table, and what is wrong with a file that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import duckdb

from local.local_cloud.redshift.copy import Copy, Format
from local.local_cloud.redshift.database import TableColumn, table_columns
from local.local_cloud.redshift.json import json_to_csv
from local.local_cloud.redshift.objects import Objects
from local.local_cloud.redshift.tokens import SqlError, quote, quote_name

_WRONG_LINE: Final = re.compile(r"CSV Error on Line: (\d+)")
_WRONG_COUNT: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_TIMESTAMPS: Final = frozenset(
    {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
)
_NESTED: Final = re.compile(r"(\[\d*\]$)|^(STRUCT|MAP|JSON)")


class LoadError(SqlError):
    """A COPY whose file does not fit.

    Attributes:
        file: its URL.
        line: 1, 2, …; -1 in columnar files, as Redshift has it: their lines are not known to it.
        column: where it is one column's value.
        reason: in words.
    """

    def __init__(
        self, table: str, file: str, reason: str, line: int, column: TableColumn | None
    ) -> None:
        super().__init__(f"Load into table '{table}' failed: {file}: {reason}")
        self.file, self.reason, self.line, self.column = file, reason, line, column


@dataclass(frozen=True)
class _Misfit:
    """A value that its column does not take."""

    row: int
    column: TableColumn
    reason: str
    value: str | None

    def __str__(self) -> str:
        value = "NULL" if self.value is None else repr(self.value[:100])
        return f"row {self.row}, column {self.column.name}: {self.reason} (value {value})"


def copy_into(
    cursor: duckdb.DuckDBPyConnection, command: Copy, objects: Objects, directory: Path
) -> int:
    """Run a COPY in the cursor's transaction.

    Args:
        directory: for downloads.

    Returns:
        How many rows were loaded.

    Raises:
        SqlError: no objects, or one that does not fit; names the file, line and column.
    """
    columns = _target_columns(cursor, command)
    if command.manifest:
        urls: Iterable[str] = objects.of_manifest(command.url, command.format is Format.PARQUET)
    else:
        urls = objects.under(command.url)
    rows = 0
    for number, url in enumerate(urls):
        file = objects.download(url, directory / f"copy-{number}", command.gzip)
        load = _Load(cursor, command, columns, url, file)
        rows += load.parquet() if command.format is Format.PARQUET else load.text()
        file.unlink()
    return rows


def _target_columns(cursor: duckdb.DuckDBPyConnection, command: Copy) -> list[TableColumn]:
    try:
        columns = table_columns(cursor, command.table)
    except SqlError as error:
        name = ".".join(command.table)
        raise SqlError(f"Cannot COPY into nonexistent table {name}") from error
    if command.columns is None:
        return [column for column in columns if not column.is_identity]
    by_name = {column.name.lower(): column for column in columns}
    for name in command.columns:
        if name not in by_name:
            raise SqlError(f'column "{name}" of relation "{command.table[-1]}" does not exist')
    return [by_name[name] for name in command.columns]


class _Load:
    """One file into the table."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        command: Copy,
        columns: Sequence[TableColumn],
        url: str,
        file: Path,
    ) -> None:
        self._cursor, self._command, self._columns = cursor, command, columns
        self._url, self._file = url, file

    def parquet(self) -> int:
        source = f"read_parquet({quote(str(self._file))})"
        try:
            with self._cursor.cursor() as reader:  # a wrong file shall not end the transaction
                found = reader.execute(f"DESCRIBE FROM {source}").fetchall()
        except duckdb.Error as error:
            self._fail(f"not a Parquet file ({str(error).splitlines()[0]})")
        if len(found) != len(self._columns):
            self._fail(
                "Unmatched number of columns between table and file. "
                f"Table columns: {len(self._columns)}, Data columns: {len(found)}"
            )
        values = []
        for column, (name, kind, *_) in zip(self._columns, found, strict=True):
            values.append(self._parquet_value(column, str(name), str(kind)))
        return self._insert(f"SELECT {', '.join(values)} FROM {source}")  # noqa: S608

    def text(self) -> int:
        if self._command.format is Format.JSON:
            names = [column.name for column in self._columns]
            problem = json_to_csv(self._file, names, self._command.ignore_case)
            if problem:
                self._fail(problem)
        values = [self._text_value(index, column) for index, column in enumerate(self._columns)]
        return self._insert(f"SELECT {', '.join(values)} FROM {self._csv()}")  # noqa: S608

    def _insert(self, query: str) -> int:
        names = ", ".join(quote_name(column.name) for column in self._columns)
        table = quote_name(self._command.table)
        try:
            done = self._cursor.execute(f"INSERT INTO {table} ({names}) {query}").fetchone()
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            self._explain(error)
        return int(done[0]) if done else 0

    def _csv(self) -> str:
        command = self._command
        quoted, json_lines = command.format is not Format.TEXT, command.format is Format.JSON
        delimiter = "," if json_lines else command.delimiter
        mark = ('"' if json_lines else command.quote) if quoted else ""
        null = "\\N" if json_lines else command.null_as
        names = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(self._columns)))
        return (
            f"read_csv({quote(str(self._file))}, auto_detect = false, header = false,"
            f" skip = {0 if json_lines else command.header_lines}, delim = {quote(delimiter)},"
            f" quote = {quote(mark)}, escape = {quote(mark)}, nullstr = {quote(null)},"
            f" allow_quoted_nulls = false, columns = {{{names}}})"
        )

    def _raw(self, index: int, column: TableColumn) -> str:
        """A field of the file before it takes the column's type."""
        value = f"c{index}"
        if column.kind != "VARCHAR" or self._command.empty_as_null:
            value = f"NULLIF({value}, '')"
        if self._command.blanks_as_null:
            value = f"CASE WHEN trim({value}) <> '' THEN {value} END"
        if self._command.trim_blanks:
            value = f"rtrim({value})"
        return value

    def _text_value(self, index: int, column: TableColumn, cast: str = "CAST") -> str:
        raw = self._raw(index, column)
        if column.kind == "VARCHAR":
            return raw
        if column.kind == "TIMESTAMP" and self._command.time_format != "auto":
            scale = 1_000_000 if self._command.time_format == "epochsecs" else 1_000
            return f"make_timestamp(CAST({cast}({raw} AS DOUBLE) * {scale} AS BIGINT))"
        return f"{cast}({raw} AS {column.kind})"

    def _parquet_value(self, column: TableColumn, name: str, kind: str) -> str:
        value = quote_name(name)
        if column.kind == "JSON":
            if not self._command.serialize_to_json:
                self._fail(f"column {column.name} is SUPER: COPY needs SERIALIZETOJSON")
            return value if kind == "JSON" else f"to_json({value})"
        if not fits(kind, column.kind):
            self._fail(
                f"incompatible Parquet schema for column {column.name}. "
                f"Column type: {column.kind}, Parquet type: {kind}"
            )
        return f"CAST({value} AS {column.kind})"

    def _explain(self, error: duckdb.Error) -> NoReturn:
        """Say where in the file the trouble is; DuckDB's own message does not."""
        text = str(error)
        line = _WRONG_LINE.search(text)
        count = _WRONG_COUNT.search(text)
        where = f"line {line[1]}: " if line else ""
        if count:
            few = int(count[2]) < int(count[1])
            problem = "Delimiter not found" if few else "Extra column(s) found"
            self._fail(f"{where}{problem}: {count[2]} columns where {count[1]} were expected")
        if "Invalid unicode" in text:
            self._fail(f"{where}not valid UTF-8")
        misfit = self._wrong_value()
        if misfit is None:
            self._fail(f"{where}{text.splitlines()[0]}", line=int(line[1]) if line else -1)
        self._fail(str(misfit), misfit.row, misfit.column)

    def _wrong_value(self) -> _Misfit | None:
        """The first value that does not fit its column, read again beside the transaction."""
        columnar = self._command.format is Format.PARQUET
        headed = not columnar and self._command.format is not Format.JSON
        begin = self._command.header_lines if headed else 0
        source = f"read_parquet({quote(str(self._file))})" if columnar else self._csv()
        with self._cursor.cursor() as reader:
            for index, column in enumerate(self._columns):
                if columnar:
                    names = reader.execute(f"DESCRIBE FROM {source}").fetchall()
                    raw = quote_name(str(names[index][0]))
                    reason, wrong = self._limits(column, raw)
                else:
                    raw = self._raw(index, column)
                    reason, wrong = self._test(index, column, raw)
                query = (
                    f"SELECT n, CAST({raw} AS VARCHAR) FROM (SELECT *, row_number() OVER () AS n"  # noqa: S608
                    f" FROM {source}) WHERE {wrong} ORDER BY n LIMIT 1"
                )
                found = reader.execute(query).fetchone()
                if found is not None:
                    return _Misfit(int(found[0]) + begin, column, reason, found[1])
        return None

    def _test(self, index: int, column: TableColumn, raw: str) -> tuple[str, str]:
        """What may be wrong with a column's values, and the condition that finds it."""
        reason, wrong = self._limits(column, raw)
        if column.kind == "VARCHAR":
            return reason, wrong
        tried = self._text_value(index, column, "TRY_CAST")
        return reason, f"({raw} IS NOT NULL AND {tried} IS NULL) OR {wrong}"

    def _limits(self, column: TableColumn, raw: str) -> tuple[str, str]:
        """As `_test`, for values that have the column's type."""
        tests = []
        reason = f"not a valid {column.kind}"
        if column.length is not None:
            reason = f"String length exceeds DDL length of {column.length} bytes"
            tests.append(f"strlen({raw}) > {column.length}")
        if column.not_null:
            reason = f"{reason}, or missing data for a not-null field"
            tests.append(f"{raw} IS NULL")
        return reason, " OR ".join(tests) or "false"

    def _fail(self, reason: str, line: int = -1, column: TableColumn | None = None) -> NoReturn:
        if self._command.format is Format.PARQUET:
            line = -1
        raise LoadError(self._command.table[-1], self._url, reason, line, column)


def fits(file_type: str, column_type: str) -> bool:
    """Whether a Parquet column of a type may be loaded: nearly nothing is converted.

    Args:
        file_type, column_type: DuckDB's names of the types.
    """
    if file_type == column_type:
        return True
    if column_type in _TIMESTAMPS:
        return file_type in _TIMESTAMPS
    if column_type == "VARCHAR":
        return file_type == "JSON"  # text with another label
    if column_type.startswith("DECIMAL") and file_type.startswith("DECIMAL"):
        wanted, given = (_precision(kind) for kind in (column_type, file_type))
        return wanted[1] == given[1] and wanted[0] >= given[0]
    return False


def _precision(decimal: str) -> tuple[int, int]:
    precision, scale = decimal.removeprefix("DECIMAL(").removesuffix(")").split(",")
    return int(precision), int(scale)
