"""A source as a relation of texts, chunk by chunk.

Nothing is read into tables: a relation is SQL over a file. The same rules as in
`jobs/clean_csv.py`, which has to stand alone; a test holds the two together. Values stay text here:
empty and absent are both NULL. Types are the business of `validation.checks`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from contracts.columns import source_names
from contracts.dataset import CsvFormat, Dataset, ParquetFormat
from contracts.errors import InvalidData
from reading.chunks import Chunk
from reading.column_positions import in_contract_names, json_paths, json_texts, positions_of
from reading.header import header_of
from reading.parquet_source import FAULT, ParquetSelect, select_columns
from tabular.sql import any_of, sql_identifier, sql_literal

REJECTS: Final = "unread"  # the table of what could not be read, see `reading.malformed`
NUMBER: Final = '"row-number"'  # of a row in its chunk, from 1
LONGEST_RECORD: Final = 2_000_000  # bytes; DuckDB's own default
# Left to itself, DuckDB takes the first line end for that of all lines, even one within a value.
_LINE_ENDS: Final = {False: r"new_line = '\n'", True: r"new_line = '\r\n'"}
# `ignore_errors` is no way to pass over what cannot be read: with DuckDB 2.0 good rows that follow
# a bad quote are lost with it, without a word.
_REJECTS: Final = (
    f"parallel = false, store_rejects = true, rejects_limit = 0, rejects_table = '{REJECTS}',"
    f" rejects_scan = '{REJECTS}_scan', rejects_line_size_limit = {LONGEST_RECORD}"
)
# A path of ours, which says nothing to those who read the message: it names the object before.
_SCRATCH_FILE: Final = re.compile(r" (['\"])[^'\"]*/duck-[^'\"]*\1")
_LINE: Final = '"json-line"'  # hyphens keep our columns apart from every contract column
_FOUND: Final = '"json-values"'
_IS_OBJECT: Final = f"(CASE WHEN json_valid({_LINE}) THEN json_type({_LINE}) END) = 'OBJECT'"
# Numbers that come through a double with another value or in another writing.
_DELICATE: Final = r"[0-9.]{16}|\.[0-9]*0([^0-9]|$)|0\.000|[0-9][eE][-+0-9]|-0"
_TOKENS: Final = r'("(?:[^"\\]|\\.)*")|(-?[0-9][-+0-9.eE]*)'


@dataclass(frozen=True)
class Reader:
    """How the records of one source are read.

    Attributes:
        relation: SQL for every record of a chunk, in order, but for those that DuckDB cannot read.
        fields: SQL: a record's texts as VARCHAR[], for evidence; of Parquet the last one is no
            column's, but what is wrong with a malformed row.
        columns: for each contract column, its position in `fields`.
        header: the names of the fields.
        malformed: SQL, true for a record that is no row and has to be rejected.
        blank: SQL, true for a record that is no row and means nothing.
        breaks: SQL, how many line breaks a record holds, NULL for none; absent: never any.
        touched: SQL that is never true but reads the fields that no column needs, so that these
            must be text of the encoding, too.
        heads: how many lines come before the first record.
        passes_empty_lines: whether an empty line is no record.
        is_text: whether the source has lines.
        ignored_columns: those the contract does not know.
    """

    relation: Callable[[Chunk], str]
    fields: str
    columns: dict[str, int]
    header: tuple[str, ...]
    malformed: str | None = None
    blank: str | None = None
    breaks: str | None = None
    touched: str | None = None
    heads: int = 0
    passes_empty_lines: bool = False
    is_text: bool = True
    ignored_columns: tuple[str, ...] = ()


def text_column(column: str) -> str:
    """Name of a column's text; the hyphen keeps it apart from every contract column."""
    return sql_identifier(f"text-{column}")


def open_source(first: Chunk, dataset: Dataset, source: str, *, raw_texts: bool = False) -> Reader:
    """Look at a source's head, and say how to read it.

    Args:
        first: its first chunk.
        source: how messages name it.
        raw_texts: of Parquet: some texts are none, see `has_bytes_for_texts`.

    Raises:
        InvalidData: the source as a whole is unreadable, or lacks a column of the contract.
    """
    names = source_names(dataset.columns)
    if isinstance(dataset.format, CsvFormat):
        return _csv(first, dataset.format, names, source)
    if isinstance(dataset.format, ParquetFormat):
        return _parquet(first, names, source, raw=raw_texts)
    return _json(names)


def unreadable(source: str, error: Exception) -> InvalidData:
    return InvalidData(f"{source} cannot be read: {first_line(error)}")


def has_mixed_line_ends(error: Exception) -> bool:
    """Whether a scan failed for what `chunks.with_equal_line_ends` may mend."""
    return "CSV Parser state machine" in str(error)


def has_bytes_for_texts(error: Exception) -> bool:
    """Whether a scan failed for texts in Parquet that are no UTF-8."""
    return "Invalid string encoding found in Parquet" in str(error)


def first_line(error: Exception) -> str:
    """The part of a DuckDB message that says what is wrong."""
    message = str(error)
    if has_mixed_line_ends(error):
        return "it is not CSV of this dialect"
    told = _SCRATCH_FILE.sub("", message.split("\n\n")[0].split("Possible ")[0])
    return " ".join(told.split())[:400]


def _csv(first: Chunk, form: CsvFormat, names: Mapping[str, str], source: str) -> Reader:
    header = header_of(first.path, form, source) if form.header else list(names)
    positions = positions_of(header or list(names), names, source)
    # None: an empty file
    header = list(names) if header is None else in_contract_names(header, positions)
    labels = [f"field-{number}" for number in range(len(header))]
    fields = [sql_identifier(label) for label in labels]
    columns = ", ".join(f"{sql_literal(label)}: 'VARCHAR'" for label in labels)
    texts = ",\n      ".join(f"{fields[positions[name]]} AS {text_column(name)}" for name in names)

    def relation(chunk: Chunk) -> str:
        has_header = str(form.header and chunk.number == 0).lower()
        rows = (
            f"read_csv({sql_literal(chunk.path)}, auto_detect = false, header = {has_header},"
            f" delim = {sql_literal(form.delimiter)}, quote = {sql_literal(form.quote)},"
            f" escape = {sql_literal(form.quote)}, columns = {{{columns}}}, nullstr = '',"
            f" {_LINE_ENDS[chunk.returns]}, {_REJECTS})"
        )
        return f"(\n    SELECT\n      *,\n      {texts}\n    FROM {_numbered(rows)}\n  )"

    return Reader(
        relation=relation,
        fields=f"[{', '.join(fields)}]",
        columns=positions,
        header=tuple(header),
        breaks=_breaks(fields),
        touched=any_of(
            [f"strlen({name}) < 0" for n, name in enumerate(fields) if n not in positions.values()]
        ),
        heads=int(form.header),
        passes_empty_lines=len(header) > 1,
        ignored_columns=tuple(name for name in header if name not in positions),
    )


def _breaks(fields: Sequence[str]) -> str:
    """SQL; no operators between fields, as DuckDB nests a thousand of them at most."""
    all_of_it = f"concat_ws('', {', '.join(fields)})"
    count = f"strlen({all_of_it}) - strlen(replace({all_of_it}, chr(10), ''))"
    return f"CASE WHEN contains({all_of_it}, chr(10)) THEN {count} END"


def _json(names: Mapping[str, str]) -> Reader:
    found = json_texts(json_values(json_paths(names)), names)
    texts = ",\n      ".join(
        f"nullif({_FOUND}[{n}], '') AS {text_column(name)}" for n, name in enumerate(names, start=1)
    )

    def relation(chunk: Chunk) -> str:
        # \x01 separates nothing that is text: the lines as they are.
        lines = (
            f"read_csv({sql_literal(chunk.path)}, auto_detect = false, header = false,"
            f" delim = '\x01', quote = '', escape = '',"
            f" columns = {{{sql_literal(_LINE[1:-1])}: 'VARCHAR'}},"
            f" {_LINE_ENDS[chunk.returns]}, {_REJECTS})"
        )
        rows = f"(\n      SELECT *, {found} AS {_FOUND}\n      FROM {_numbered(lines)}\n    )"
        return f"(\n    SELECT\n      *,\n      {texts}\n    FROM {rows}\n  )"

    return Reader(
        relation=relation,
        fields=_FOUND,
        columns={name: n for n, name in enumerate(names)},
        header=tuple(names),
        malformed=f"{_LINE} IS NOT NULL AND ({_IS_OBJECT}) IS NOT TRUE",
        blank=f"{_LINE} IS NULL",
    )


def json_values(paths: Sequence[str]) -> str:
    """The texts at these paths, all in one look, as the line is parsed for each look anew.

    DuckDB passes numbers through a double. Where that may change one, the line is read again with
    its numbers made texts. (Numbers within objects and arrays stay as DuckDB writes them.)
    """
    wanted = f"[{', '.join(sql_literal(path) for path in paths)}]"
    # Behind each token comes what makes a number a text, and is taken away again behind a text.
    marked = f"regexp_replace({_LINE}, {sql_literal(_TOKENS)}, '\\1\x02\\2\x03', 'g')"
    texts = f"replace(replace(replace({marked}, '\x02\x03', ''), '\x02', '\"'), '\x03', '\"')"
    plain = f"json_extract_string({_LINE}, {wanted})"
    exact = (
        f"list_transform(list_zip(json_type({_LINE}, {wanted}), {plain},"
        f" json_extract_string({texts}, {wanted})),"
        " lambda found: CASE WHEN found[1] IN ('DOUBLE', 'BIGINT', 'UBIGINT')"
        " THEN found[3] ELSE found[2] END)"
    )
    return (
        f"CASE WHEN ({_IS_OBJECT}) IS NOT TRUE THEN NULL"
        f" WHEN regexp_matches({_LINE}, {sql_literal(_DELICATE)}) THEN {exact} ELSE {plain} END"
    )


def _parquet(first: Chunk, names: Mapping[str, str], source: str, *, raw: bool) -> Reader:
    known: dict[Path, ParquetSelect] = {}
    one_at_a_time = threading.Lock()

    def selected(path: Path) -> ParquetSelect:
        with one_at_a_time:
            if path not in known:
                try:
                    known[path] = select_columns(path, names, source, raw=raw)
                except duckdb.Error as error:
                    raise unreadable(source, error) from error
            return known[path]

    def relation(chunk: Chunk) -> str:
        begin, end = chunk.first_row, chunk.first_row + chunk.lines
        file = selected(chunk.path)
        texts = ",\n      ".join(
            f"{sql} AS {text_column(name)}" for name, sql in file.texts.items()
        )
        return (
            f"(\n    SELECT\n      file.file_row_number - {begin} + 1 AS {NUMBER},\n      {texts},"
            f"\n      {file.fault} AS {FAULT}\n    FROM {file.relation}\n"
            f"    WHERE file.file_row_number >= {begin} AND file.file_row_number < {end}\n  )"
        )

    return Reader(
        relation=relation,
        fields=f"[{', '.join([*(text_column(name) for name in names), FAULT])}]",
        columns={name: n for n, name in enumerate(names)},
        header=tuple(names),
        malformed=f"{FAULT} IS NOT NULL",
        is_text=False,
        ignored_columns=selected(first.path).ignored,
    )


def _numbered(rows: str) -> str:
    """With the number of each row: one thread reads a chunk, so it is that of the record."""
    return f"(\n      SELECT *, row_number() OVER () AS {NUMBER}\n      FROM {rows}\n    )"
