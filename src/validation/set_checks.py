"""Checks that need the other rows: `unique` and `references`.

They run after all other checks, over the Parquet files of the rows that passed: reading two columns
of these is cheap, and mostly finds nothing. Only if it finds something are files written again, and
the chunks of these rows read again for their texts.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import duckdb

from reading import malformed
from reading.line_texts import LineTexts
from reading.reader import NUMBER, Reader
from reading_rules.csv.short_rows import FOUND
from reading_rules.source_lines import SourceLines
from tabular.sql import PASSED_ON, sql_identifier, sql_literal
from tabular.workspace import Workspace
from validation.checks import RowChecks
from validation.quarantine import Quarantine
from validation.row_classes import RowClassifier
from validation.scan_sql import typed_rows, warned_of
from validation.scanned import Scanned
from validation.violations import BrokenRules

_BREACHES: Final = "breaches"  # the table: part, row (from 0), code


@dataclass
class SetChecks:
    """The result of these checks.

    Attributes:
        rejects: a file with the rows that are rejected now, if there are any.
        warned: change in the number of rows with warnings; negative if such rows are rejected.
    """

    rules: BrokenRules = field(default_factory=BrokenRules)
    rejects: tuple[Path, ...] = ()
    rejected: int = 0
    warned: int = 0


def check(
    space: Workspace,
    reader: Reader,
    classifier: RowClassifier,
    scans: Sequence[Scanned],
    url: str,
    lines: SourceLines,
) -> SetChecks:
    """Find the valid rows that break such checks, and take those to be rejected out of the files.

    Of equal values the first row stays. Counts and files of the chunks are changed.
    """
    found = SetChecks()
    if not classifier.checks.looks_at_sets:
        return found
    space.connection.execute(
        f"CREATE OR REPLACE TABLE {_BREACHES} (part BIGINT, row BIGINT, code BIGINT)"
    )
    for code, asked in enumerate(classifier.checks.every):
        if asked.broken is None and asked.column is not None:
            _note(space, reader, classifier, scans, code)
    rows = space.connection.cursor().execute(
        f"SELECT part, row, list(code ORDER BY code) FROM {_BREACHES} GROUP BY ALL ORDER BY ALL"
    )
    path = space.path("rejected-sets.jsonl")
    with path.open("w", encoding="utf-8") as file:
        quarantine = Quarantine(
            file, url, classifier.checks.every, reader.columns, found.rules, lines
        )
        for part, breaching in itertools.groupby(_each(rows), key=itemgetter(0)):
            broken = [(row, tuple(codes)) for _, row, codes in breaching]
            _take(space, reader, classifier, scans[part], broken, quarantine, found)
    found.rejected = quarantine.count
    found.rejects = (path,) if found.rejected else ()
    return found


def _each(rows: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := rows.fetchmany(1000):
        yield from batch


def _note(
    space: Workspace,
    reader: Reader,
    classifier: RowClassifier,
    scans: Sequence[Scanned],
    code: int,
) -> None:
    """Add the rows that break one check to the table."""
    asked = classifier.checks.every[code]
    column = sql_identifier(str(asked.column))
    valid = _valid(scans, classifier)
    if asked.references is None:
        values = f"SELECT {column} AS value FROM {valid} WHERE {column} IS NOT NULL"
        values += " GROUP BY ALL HAVING count(*) > 1"
    else:
        other = sql_identifier(asked.references)
        values = (
            f"SELECT DISTINCT {column} AS value FROM {valid} AS one WHERE {column} IS NOT NULL"
            f" AND NOT EXISTS (FROM {valid} AS other WHERE other.{other} = one.{column})"
        )
    space.connection.execute(f"CREATE OR REPLACE TEMP TABLE flagged_values AS {values}")
    if asked.references is not None:  # the value may be in a row that is itself rejected
        for scan in scans:
            if not space.number("SELECT count(*) FROM flagged_values"):
                break
            if scan.invalid:
                rows = typed_rows(reader.relation(scan.chunk), classifier.checks.columns)
                present = f"SELECT {other} FROM {rows}"
                if reader.fills_up(scan.chunk):
                    present += f" WHERE {FOUND} IS NULL"
                malformed.forget(space.connection)
                space.connection.execute(f"DELETE FROM flagged_values WHERE value IN ({present})")
    keep = 1 if asked.references is None else 0
    space.connection.execute(
        f"INSERT INTO {_BREACHES} SELECT part, row, {code} FROM (SELECT part, row,"
        f" row_number() OVER (PARTITION BY {column} ORDER BY part, row) AS nth FROM {valid}"
        f" WHERE {column} IN (SELECT value FROM flagged_values)) WHERE nth > {keep}"
    )


def _valid(scans: Sequence[Scanned], classifier: RowClassifier) -> str:
    """The valid rows with the columns that are looked at, and where each one stands."""
    wanted = {asked.column for asked in classifier.checks.every if asked.broken is None}
    wanted |= {asked.references for asked in classifier.checks.every if asked.broken is None}
    names = [column.name for column in classifier.dataset.columns]
    # By other names, as a column may be called file_row_number itself.
    labels = ", ".join(f"c{number}" for number in range(len(names)))
    shown = ", ".join(
        f"c{n} AS {sql_identifier(name)}" for n, name in enumerate(names) if name in wanted
    )
    files = " UNION ALL ".join(
        f"SELECT {part} AS part, file.file_row_number AS row, {shown}"
        f" FROM read_parquet({sql_literal(scan.path)}) AS file({labels})"
        for part, scan in enumerate(scans)
    )
    return f"({files})"


def _take(
    space: Workspace,
    reader: Reader,
    classifier: RowClassifier,
    scan: Scanned,
    broken: Sequence[tuple[int, tuple[int, ...]]],
    quarantine: Quarantine,
    found: SetChecks,
) -> None:
    """Report a chunk's rows, and take those that are rejected out of its file."""
    numbers = _numbers(scan.invalid, [row for row, _ in broken])
    rejected: list[int] = []
    with ExitStack() as stack:
        texts = stack.enter_context(LineTexts(scan.chunk)) if reader.is_text else None
        reread = _read_again(space, reader, classifier.checks, scan, numbers)
        for (row, codes), (number, fields, breaks, warned) in zip(broken, reread, strict=True):
            line = scan.chunk.first_line - 1 + scan.lines.line_of(number)
            if any(classifier.checks.every[code].rejects for code in codes):
                raw = texts.take(line, 1 + breaks) if texts else None
                quarantine.take_rejected(line, codes, fields, raw)
                rejected.append(row)
                found.warned -= warned
            else:
                quarantine.show_warned(line, codes, fields)
                quarantine.count_warned(dict.fromkeys(codes, 1))
                found.warned += not warned
    if rejected:
        _rewrite(space, classifier, scan, rejected)


def _numbers(invalid: array[int], rows: Iterable[int]) -> list[int]:
    """Which rows of a chunk its valid ones are, from 1; both grow."""
    numbers: list[int] = []
    passed = 0
    for row in rows:
        while passed < len(invalid) and invalid[passed] <= row + 1 + passed:
            passed += 1
        numbers.append(row + 1 + passed)
    return numbers


def _read_again(
    space: Workspace, reader: Reader, checks: RowChecks, scan: Scanned, numbers: Sequence[int]
) -> Iterator[tuple[int, list[str | None], int, bool]]:
    """Number, fields and line breaks of some rows of a chunk, and whether a rule warns of them."""
    malformed.forget(space.connection)
    _keep(space, "wanted", numbers)
    rows, warned = reader.relation(scan.chunk), "false"
    if checks.warns:
        rows, warned = typed_rows(rows, checks.columns), f"coalesce({warned_of(checks)}, false)"
    yield from _each(
        space.connection.execute(
            f"SELECT {NUMBER}, {reader.fields}, coalesce({reader.breaks or '0'}, 0), {warned}"
            f" FROM {rows} WHERE {NUMBER} IN (FROM wanted) ORDER BY {NUMBER}"
        )
    )


def _rewrite(
    space: Workspace, classifier: RowClassifier, scan: Scanned, rejected: Sequence[int]
) -> None:
    """Write a chunk's valid rows anew without some of them."""
    _keep(space, "unwanted", rejected)
    path = scan.path.with_name(f"left-{scan.path.name}")
    names = [sql_identifier(column.name) for column in classifier.dataset.columns]
    labels = ", ".join(f"c{number}" for number in range(len(names)))
    shown = ", ".join(f"c{n} AS {name}" for n, name in enumerate(names))
    scan.valid = space.number(
        f"COPY (SELECT {shown} FROM read_parquet({sql_literal(scan.path)}) AS file({labels})"
        " WHERE file.file_row_number NOT IN (FROM unwanted)"
        f" ORDER BY file.file_row_number) TO {sql_literal(path)} {PASSED_ON}"
    )
    scan.path.unlink()
    scan.path = path


def _keep(space: Workspace, table: str, numbers: Sequence[int]) -> None:
    space.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT unnest(?::BIGINT[]) AS number",
        [list(numbers)],
    )
