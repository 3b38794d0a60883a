"""A source as a relation of texts, chunk by chunk.

Nothing is read into tables: a relation is SQL over a file. `reading_rules` holds the rules, which
the Glue job shares. Values stay text here: empty and absent are both NULL. `validation.checks`
casts them to their types.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb

from contracts.columns import source_names
from contracts.dataset import CsvFormat, Dataset, JsonFormat, JsonLinesFormat, ParquetFormat
from contracts.errors import PipelineError
from reading.chunks import Chunk
from reading.header import header_of, positions_of
from reading.parquet_source import select_columns
from reading.short_rows import has_many
from reading_rules.csv.rules import plain_nulls
from reading_rules.csv.short_rows import with_fields_found
from reading_rules.header import in_contract_names
from reading_rules.json.records import IS_BLANK, IS_NO_OBJECT, json_fault, json_texts
from reading_rules.malformed import first_line
from reading_rules.parquet.select import ROW_FAULT, ParquetSelect
from reading_rules.scans import (
    csv_scan,
    field_labels,
    line_breaks,
    line_scan,
    never_but_reads,
    store_rejects,
)
from reading_rules.source_lines import SourceLines
from reading_rules.sql import or_null, text_column
from tabular.failures import failed
from tabular.sql import sql_identifier, sql_literal

NUMBER: Final = '"row-number"'  # of a row in its chunk, from 1
# By default DuckDB takes the first line end, even one within a value, for that of all lines.
_LINE_ENDS: Final = {False: r"new_line = '\n'", True: r"new_line = '\r\n'"}
_OPTIONS: Final = f"parallel = false, {store_rejects()}"
NOTHING_GIVEN: Final[Mapping[str, str | None]] = {}
_FOUND: Final = '"json-values"'


@dataclass(frozen=True)
class Reader:
    """How the records of one source are read.

    Attributes:
        relation: SQL for every record of a chunk, in order, but for those that DuckDB cannot read.
        fields: SQL: a record's texts as VARCHAR[], for evidence; of a malformed row of Parquet or
            JSON that has any the last one is no column's, but what is wrong with it.
        columns: for each contract column, its position in `fields`.
        header: the names of the fields.
        malformed: SQL, true for a record that is no row and has to be rejected.
        blank: SQL, true for a record that is no row and means nothing.
        breaks: SQL, how many line breaks a record holds, NULL for none; absent: never any.
        touched: SQL that is never true but reads the fields that no column needs, so that these
            must be text of the encoding, too.
        fills_up: whether a chunk's rows of too few columns are among its records, see
            `reading.short_rows`.
        heads: how many lines come before the first record.
        passes_empty_lines: whether an empty line is no record.
        is_text: whether the source has lines.
    """

    relation: Callable[[Chunk], str]
    fields: str
    columns: dict[str, int]
    header: tuple[str, ...]
    malformed: str | None = None
    blank: str | None = None
    breaks: str | None = None
    touched: str | None = None
    fills_up: Callable[[Chunk], bool] = lambda _chunk: False
    heads: int = 0
    passes_empty_lines: bool = False
    is_text: bool = True


def open_source(
    first: Chunk,
    dataset: Dataset,
    source: str,
    *,
    raw_texts: bool = False,
    lines: SourceLines | None = None,
    given: Mapping[str, str | None] = NOTHING_GIVEN,
) -> Reader:
    """Look at a source's head, and say how to read it.

    Args:
        first: its first chunk.
        source: how messages name it.
        given: texts of the columns that are not in the source, by name.
        raw_texts: of Parquet: some texts are none, see `has_bytes_for_texts`.
        lines: of a text, where they are not its own.

    Raises:
        InvalidData: the source as a whole is unreadable, or lacks a column of the contract.
    """
    names = source_names(column for column in dataset.columns if column.name not in given)
    if isinstance(dataset.format, CsvFormat):
        head = lines.line_of(1) if lines else 1
        reader = _csv(first, dataset.format, names, source, head)
    elif isinstance(dataset.format, ParquetFormat):
        reader = _parquet(first, names, source, dataset.format.nulls or (), raw=raw_texts)
    else:
        reader = _json(names, dataset.format)
    return _with_given(reader, given) if given else reader


def _with_given(reader: Reader, given: Mapping[str, str | None]) -> Reader:
    """The same records with these texts in front of their own."""
    texts = {
        name: "CAST(NULL AS VARCHAR)" if text is None else sql_literal(text)
        for name, text in given.items()
    }
    added = ", ".join(f"{sql} AS {text_column(name)}" for name, sql in texts.items())
    own = {name: len(given) + at for name, at in reader.columns.items()}
    every = f"list_concat([{', '.join(texts.values())}], {reader.fields})"
    return replace(
        reader,
        relation=lambda chunk: f"(SELECT *, {added} FROM {reader.relation(chunk)})",
        # What is no JSON object has no fields, and that is how it is known.
        fields=f"CASE WHEN {reader.fields} IS NOT NULL THEN {every} END",
        columns={**{name: at for at, name in enumerate(given)}, **own},
    )


def unreadable(source: str, error: Exception) -> PipelineError:
    return failed(error, f"{source} cannot be read: {first_line(error)}")


def _csv(first: Chunk, form: CsvFormat, names: Mapping[str, str], source: str, head: int) -> Reader:
    header = header_of(first.path, form, source, head) if form.header else list(names)
    positions = positions_of(header or list(names), names, source, head)
    # None: an empty file
    header = list(names) if header is None else in_contract_names(header, positions)
    labels = field_labels(len(header))
    fields = [sql_identifier(label) for label in labels]
    nulls = plain_nulls(form.to_json())
    texts = ",\n      ".join(
        f"{or_null(fields[positions[name]], nulls)} AS {text_column(name)}" for name in names
    )

    def fills_up(chunk: Chunk) -> bool:
        return has_many(chunk, form, len(header))

    def relation(chunk: Chunk) -> str:
        every = field_labels(len(header) + chunk.surplus)
        rows = csv_scan(
            chunk.path,
            every,
            f"{_LINE_ENDS[chunk.returns]}, {_OPTIONS}",
            delimiter=form.delimiter,
            quote=form.quote,
            header=form.header and chunk.number == 0,
            pads=form.pad_short_rows is True,
            marks_missing=fills_up(chunk),
        )
        rows = _numbered(rows)
        if fills_up(chunk):
            surplus = [sql_identifier(label) for label in every[len(header) :]]
            rows = with_fields_found(rows, fields, surplus)
        return f"(\n    SELECT\n      *,\n      {texts}\n    FROM {rows}\n  )"

    return Reader(
        relation=relation,
        fields=f"[{', '.join(fields)}]",
        columns=positions,
        header=tuple(header),
        breaks=line_breaks(fields),
        touched=never_but_reads(
            [name for n, name in enumerate(fields) if n not in positions.values()]
        ),
        fills_up=fills_up,
        heads=int(form.header),
        passes_empty_lines=len(header) > 1,
    )


def _json(names: Mapping[str, str], form: JsonLinesFormat | JsonFormat) -> Reader:
    ignores_case = form.case_insensitive is True
    found = json_texts(names, ignores_case=ignores_case)
    nulls = form.nulls or ()
    fault = json_fault(_FOUND, names, ignores_case=ignores_case)
    texts = ",\n      ".join(
        f"nullif({or_null(f'{_FOUND}[{n}]', nulls)}, '') AS {text_column(name)}"
        for n, name in enumerate(names, start=1)
    )

    def relation(chunk: Chunk) -> str:
        lines = line_scan(chunk.path, f"{_LINE_ENDS[chunk.returns]}, {_OPTIONS}")
        rows = f"(\n      SELECT *, {found} AS {_FOUND}\n      FROM {_numbered(lines)}\n    )"
        return f"(\n    SELECT\n      *,\n      {texts}\n    FROM {rows}\n  )"

    return Reader(
        relation=relation,
        fields=_FOUND,
        columns={name: n for n, name in enumerate(names)},
        header=tuple(names),
        malformed=f"{IS_NO_OBJECT} OR {fault} IS NOT NULL" if fault else IS_NO_OBJECT,
        blank=IS_BLANK,
    )


def _parquet(
    first: Chunk, names: Mapping[str, str], source: str, nulls: Sequence[str], *, raw: bool
) -> Reader:
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
            f"{or_null(sql, nulls)} AS {text_column(name)}" for name, sql in file.texts.items()
        )
        return (
            f"(\n    SELECT\n      file.file_row_number - {begin} + 1 AS {NUMBER},\n      {texts},"
            f"\n      {file.fault} AS {ROW_FAULT}\n    FROM {file.relation}\n"
            f"    WHERE file.file_row_number >= {begin} AND file.file_row_number < {end}\n  )"
        )

    selected(first.path)  # now: a column that is missing fails here, not in the first scan
    return Reader(
        relation=relation,
        fields=f"[{', '.join([*(text_column(name) for name in names), ROW_FAULT])}]",
        columns={name: n for n, name in enumerate(names)},
        header=tuple(names),
        malformed=f"{ROW_FAULT} IS NOT NULL",
        is_text=False,
    )


def _numbered(rows: str) -> str:
    """With the number of each row: one thread reads a chunk, so it is that of the record."""
    return f"(\n      SELECT *, row_number() OVER () AS {NUMBER}\n      FROM {rows}\n    )"
