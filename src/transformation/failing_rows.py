"""Finds the valid rows that the transform fails on, where the contract rejects them.

A transform nearly always computes all rows, and then this costs nothing. When it fails by a value,
ranges of rows are tried, halved where they fail, down to single rows: those that it fails on by
themselves are rejected, and the transform is computed over the others.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from contracts.dataset import Severity
from contracts.errors import InvalidData
from reading_rules.malformed import first_line
from tabular.part_files import NUMBER, RowFiles, Rows, numbered
from tabular.sql import STORED, sql_identifier, sql_literal
from tabular.workspace import Workspace
from transformation.row_texts import Forms, text_of
from validation.checks import Check
from validation.violations import BrokenRules

RULE: Final = "transform"
ROWS_AT_MOST: Final = 5_000  # each takes several queries
_SUMMARY: Final = "the transform cannot compute the row"
_TRIED: Final = '"rows-to-try"'  # the hyphens keep ours apart from lookups
_FAILING: Final = '"failing-rows"'
# By a row's values; other errors are the SQL's own, or the machine's.
_BY_VALUES: Final = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
)


@dataclass(frozen=True)
class FailingRow:
    """A valid row that the transform fails on. `number` is from 0, in the order of the rows."""

    number: int
    reason: str


def is_by_values(error: duckdb.Error) -> bool:
    """Whether a query failed by the values of rows."""
    return isinstance(error, _BY_VALUES)


def find_failing_rows(
    space: Workspace, valid: Rows, select: str, at_most: int, where: str
) -> list[FailingRow]:
    """The rows that the transform fails on when each is alone, in order; some of them, if too many.

    Args:
        select: the transform, with the columns and types of its result.
        at_most: where there are more, the search may end with the next one.
        where: names the unit in messages.

    Raises:
        InvalidData: there are too many to find.
    """
    found: list[FailingRow] = []
    waiting = [(0, valid.count)]
    while waiting and len(found) <= at_most:
        first, last = waiting.pop()
        reason = _failure(space, valid, select, first, last)
        if reason is None:
            continue
        if last - first > 1:
            middle = (first + last) // 2
            waiting += [(middle, last), (first, middle)]
            continue
        found.append(FailingRow(first, reason))
        if len(found) > ROWS_AT_MOST:
            raise InvalidData(
                f"the transform fails on more than {ROWS_AT_MOST:,} rows of {where}; the first one:"
                f" {found[0].reason}. Let a column's type, its format or a rule of the contract"
                " reject them before"
            )
    space.connection.execute(f"DROP TABLE IF EXISTS {_TRIED}")
    valid.show(space)
    return found


def without(space: Workspace, valid: Rows, failing: Sequence[FailingRow]) -> Rows:
    """The other rows, in their order."""
    path = space.path("computable.parquet")
    _keep(space, failing)
    names = _names(space, valid)
    count = space.number(
        f"COPY (SELECT {', '.join(map(sql_identifier, names))}"
        f" FROM ({numbered(space, valid.files)}) WHERE {NUMBER} NOT IN (FROM {_FAILING})"
        f" ORDER BY {NUMBER}) TO {sql_literal(path)} {STORED}"
    )
    return Rows(RowFiles((path,), (count,)), valid.relation)


def write_failing(
    space: Workspace,
    path: Path,
    source: str,
    valid: Rows,
    failing: Sequence[FailingRow],
    forms: Forms,
) -> BrokenRules:
    """Write the rows as `unstorable_rows` does its own; returns the rule that they broke.

    Args:
        forms: how their texts are written.
    """
    rules = BrokenRules()
    if not failing:
        return rules
    _keep(space, failing)
    names = _names(space, valid)
    texts = ", ".join(text_of(sql_identifier(name), forms.get(name)) for name in names)
    rows = space.connection.cursor().execute(
        f"SELECT {texts} FROM ({numbered(space, valid.files)})"
        f" WHERE {NUMBER} IN (FROM {_FAILING}) ORDER BY {NUMBER}"
    )
    broken = rules.of(Check(None, RULE, _SUMMARY, None, Severity.QUARANTINE))
    with path.open("a", encoding="utf-8") as file:
        for one in failing:
            about = {"source": source, "rule": RULE, "reason": one.reason}
            row = dict(zip(names, rows.fetchone() or (), strict=True))
            line = {**about, "valid_row": one.number + 1, "row": row}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            broken.rows += 1
            broken.add_example(None, one.reason)
    return rules


def original_numbers(failing: Sequence[FailingRow]) -> Callable[[int], int]:
    """Which of all valid rows one is that `without` has left, both from 0."""
    before = [row.number - at for at, row in enumerate(failing)]
    return lambda number: number + bisect_right(before, number)


def refuse_too_many(
    failing: Sequence[FailingRow], rejected: int, rows_in: int, limit: float, where: str, url: str
) -> None:
    """Hold the rows, with those that validate rejected, against the contract's limit.

    Raises:
        InvalidData: there are too many; nothing was stored.
    """
    together = len(failing) + rejected
    if together * 100 <= limit * rows_in:
        return
    before = f", with the {rejected} that validation has rejected" if rejected else ""
    raise InvalidData(
        f"{where}: the transform fails on at least {len(failing)} rows{before},"
        f" {together * 100 / max(1, rows_in):.1f} % of {rows_in} rows (the contract allows"
        f" {limit:g} %); the first one: {failing[0].reason}; they are in {url}"
    )


def _failure(space: Workspace, valid: Rows, select: str, first: int, last: int) -> str | None:
    """Why the transform fails on some rows; None: it does not."""
    valid.show(space, first, last)
    relation = sql_identifier(valid.relation)
    # Without a condition in the view: see `Rows.show`.
    space.connection.execute(f"CREATE OR REPLACE TABLE {_TRIED} AS FROM {relation}")
    space.connection.execute(f"CREATE OR REPLACE VIEW {relation} AS FROM {_TRIED}")
    try:
        # A hash of all columns computes them all, and holds none.
        space.connection.execute(f"SELECT bit_xor(hash(made)) FROM ({select}\n) AS made").fetchall()
    except duckdb.Error as error:
        if not is_by_values(error):
            raise
        return f"the transform cannot compute it: {first_line(error)}"
    return None


def _names(space: Workspace, valid: Rows) -> list[str]:
    described = space.connection.execute(f"DESCRIBE FROM {valid.files.relation}").fetchall()
    return [str(row[0]) for row in described]


def _keep(space: Workspace, failing: Sequence[FailingRow]) -> None:
    space.connection.execute(
        f"CREATE OR REPLACE TABLE {_FAILING} AS SELECT unnest(?::BIGINT[]) AS number",
        [[row.number for row in failing]],
    )
