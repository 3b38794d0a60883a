"""Checks that need the other rows: `unique` and `references`.

They are made over the rows that pass every other check, which lie in Parquet files by then: reading
two columns of them is cheap, and mostly finds nothing. Only where it does are files written anew,
and the pieces that the rows come from read again for their texts.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Final

import duckdb

from reading import malformed
from reading.line_texts import LineTexts
from reading.reader import NUMBER, Reader
from tabular.sql import PASSED_ON, sql_identifier, sql_literal
from tabular.workspace import Workspace
from validation.quarantine import Quarantine
from validation.row_classes import Split
from validation.scanner import Scanned
from validation.violations import BrokenRules

_BREACHES: Final = "breaches"  # the table: part, row (from 0), code


@dataclass
class SetChecks:
    """What came of them.

    Attributes:
        rejects: a file with the rows that are rejected now, if there are any.
        warned: how many rows more are warned of; fewer where such rows are rejected.
    """

    rules: BrokenRules = field(default_factory=BrokenRules)
    rejects: tuple[Path, ...] = ()
    rejected: int = 0
    warned: int = 0


def check(
    space: Workspace, reader: Reader, split: Split, pieces: Sequence[Scanned], url: str
) -> SetChecks:
    """Find the valid rows that break such checks, and take those to be rejected out of the files.

    Of equal values the first row stays. Counts and files of the pieces are changed.
    """
    found = SetChecks()
    if not split.looks_at_sets:
        return found
    space.connection.execute(
        f"CREATE OR REPLACE TABLE {_BREACHES} (part BIGINT, row BIGINT, code BIGINT)"
    )
    for code, asked in enumerate(split.every):
        if asked.broken is None and asked.column is not None:
            _note(space, reader, split, pieces, code)
    rows = space.connection.cursor().execute(
        f"SELECT part, row, list(code ORDER BY code) FROM {_BREACHES} GROUP BY ALL ORDER BY ALL"
    )
    path = space.path("rejected-sets.jsonl")
    with path.open("w", encoding="utf-8") as file:
        quarantine = Quarantine(file, url, split.every, reader.columns, found.rules)
        for part, breaching in itertools.groupby(_each(rows), key=itemgetter(0)):
            broken = [(row, tuple(codes)) for _, row, codes in breaching]
            _take(space, reader, split, pieces[part], broken, quarantine, found)
    found.rejected = quarantine.count
    found.rejects = (path,) if found.rejected else ()
    return found


def _each(rows: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int, list[int]]]:
    while batch := rows.fetchmany(1000):
        yield from batch


def _note(
    space: Workspace, reader: Reader, split: Split, pieces: Sequence[Scanned], code: int
) -> None:
    """Add the rows that break one check to the table."""
    asked = split.every[code]
    column = sql_identifier(str(asked.column))
    valid = _valid(pieces, split)
    if asked.references is None:
        values = f"SELECT {column} AS value FROM {valid} WHERE {column} IS NOT NULL"
        values += " GROUP BY ALL HAVING count(*) > 1"
    else:
        other = sql_identifier(asked.references)
        values = (
            f"SELECT DISTINCT {column} AS value FROM {valid} AS one WHERE {column} IS NOT NULL"
            f" AND NOT EXISTS (FROM {valid} AS other WHERE other.{other} = one.{column})"
        )
    space.connection.execute(f"CREATE OR REPLACE TEMP TABLE suspects AS {values}")
    if asked.references is not None:  # perhaps in a row that is itself rejected
        for piece in pieces:
            if not space.number("SELECT count(*) FROM suspects"):
                break
            if piece.unfit:
                rows = split.typed(reader.relation(piece.piece))
                present = f"SELECT {other} FROM {rows}"
                malformed.forget(space.connection)
                space.connection.execute(f"DELETE FROM suspects WHERE value IN ({present})")
    keep = 1 if asked.references is None else 0
    space.connection.execute(
        f"INSERT INTO {_BREACHES} SELECT part, row, {code} FROM (SELECT part, row,"
        f" row_number() OVER (PARTITION BY {column} ORDER BY part, row) AS nth FROM {valid}"
        f" WHERE {column} IN (SELECT value FROM suspects)) WHERE nth > {keep}"
    )


def _valid(pieces: Sequence[Scanned], split: Split) -> str:
    """The valid rows with the columns that are looked at, and where each one stands."""
    wanted = {asked.column for asked in split.every if asked.broken is None}
    wanted |= {asked.references for asked in split.every if asked.broken is None}
    names = [column.name for column in split.dataset.columns]
    # By other names, as a column may be called file_row_number itself.
    labels = ", ".join(f"c{number}" for number in range(len(names)))
    shown = ", ".join(
        f"c{n} AS {sql_identifier(name)}" for n, name in enumerate(names) if name in wanted
    )
    files = " UNION ALL ".join(
        f"SELECT {part} AS part, file.file_row_number AS row, {shown}"
        f" FROM read_parquet({sql_literal(piece.path)}) AS file({labels})"
        for part, piece in enumerate(pieces)
    )
    return f"({files})"


def _take(
    space: Workspace,
    reader: Reader,
    split: Split,
    piece: Scanned,
    broken: Sequence[tuple[int, tuple[int, ...]]],
    quarantine: Quarantine,
    found: SetChecks,
) -> None:
    """Tell of a piece's rows, and take those that are rejected out of its file."""
    numbers = _numbers(piece.unfit, [row for row, _ in broken])
    warned = set(piece.warned_numbers)
    rejected: list[int] = []
    with ExitStack() as stack:
        texts = stack.enter_context(LineTexts(piece.piece)) if reader.is_text else None
        told = _told(space, reader, piece, numbers)
        for (row, codes), (number, fields, breaks) in zip(broken, told, strict=True):
            line = piece.piece.first_line - 1 + piece.lines.line_of(number)
            if any(split.every[code].rejects for code in codes):
                raw = texts.take(line, 1 + breaks) if texts else None
                quarantine.take_rejected(line, codes, fields, raw)
                rejected.append(row)
                found.warned -= number in warned
            else:
                quarantine.note_warned(line, codes, fields)
                found.warned += number not in warned
    if rejected:
        _rewrite(space, split, piece, rejected)


def _numbers(unfit: array[int], rows: Iterable[int]) -> list[int]:
    """Which rows of a piece its valid ones are, from 1; both grow."""
    numbers: list[int] = []
    passed = 0
    for row in rows:
        while passed < len(unfit) and unfit[passed] <= row + 1 + passed:
            passed += 1
        numbers.append(row + 1 + passed)
    return numbers


def _told(
    space: Workspace, reader: Reader, piece: Scanned, numbers: Sequence[int]
) -> Iterator[tuple[int, list[str | None], int]]:
    """Number, fields and line breaks of some rows of a piece."""
    malformed.forget(space.connection)
    _keep(space, "wanted", numbers)
    rows = space.connection.execute(
        f"SELECT {NUMBER}, {reader.fields}, coalesce({reader.breaks or '0'}, 0)"
        f" FROM {reader.relation(piece.piece)} WHERE {NUMBER} IN (FROM wanted)"
        f" ORDER BY {NUMBER}"
    )
    return iter(rows.fetchall())


def _rewrite(space: Workspace, split: Split, piece: Scanned, rejected: Sequence[int]) -> None:
    """Write a piece's valid rows anew without some of them."""
    _keep(space, "unwanted", rejected)
    path = piece.path.with_name(f"left-{piece.path.name}")
    names = [sql_identifier(column.name) for column in split.dataset.columns]
    labels = ", ".join(f"c{number}" for number in range(len(names)))
    shown = ", ".join(f"c{n} AS {name}" for n, name in enumerate(names))
    piece.valid = space.number(
        f"COPY (SELECT {shown} FROM read_parquet({sql_literal(piece.path)}) AS file({labels})"
        " WHERE file.file_row_number NOT IN (FROM unwanted)"
        f" ORDER BY file.file_row_number) TO {sql_literal(path)} {PASSED_ON}"
    )
    piece.path.unlink()
    piece.path = path


def _keep(space: Workspace, table: str, numbers: Sequence[int]) -> None:
    space.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT unnest(?::BIGINT[]) AS number",
        [list(numbers)],
    )
