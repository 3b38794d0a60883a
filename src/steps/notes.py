# ruff: noqa: S608 -- only numbers and codes of checks are put into texts
"""What the second scan noted of a file's records: how many of each kind, and which they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from steps import line_numbers
from steps.checks import Check
from steps.duck import Workspace, text
from steps.fetching import Fetched
from steps.line_numbers import LineNumbers
from steps.reading import Source
from steps.splitting import BLANK, FILTERED, MALFORMED, NOTES

_BEFORE: Final = (
    "coalesce(sum(breaks) OVER (ORDER BY ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),"
    " 0)"
)


@dataclass(frozen=True)
class Note:
    """A record that is no valid row, or one that a rule warns of.

    Attributes:
        line: where it begins, from 1; in Parquet and JSON arrays its number.
        codes: of the checks that it breaks, the first one first; none: it is malformed.
        fields: see `Source.fields`; None for a malformed record.
        record: see `Source.record`.
    """

    line: int
    codes: tuple[int, ...]
    fields: Sequence[str | None] | None
    record: str | None


@dataclass(frozen=True)
class Tally:
    """Records by their state.

    Attributes:
        rejecting, warning: the states, as `notes` has them, of rows that are rejected and of valid
            rows that a rule warns of; with the number of rows of each.
    """

    records: int = 0
    blank: int = 0
    filtered: int = 0
    breaks: int = 0
    rejecting: dict[str, int] = field(default_factory=dict)
    warning: dict[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        return sum(self.rejecting.values())

    @property
    def warned(self) -> int:
        return sum(self.warning.values())


def tally(space: Workspace, every: Sequence[Check]) -> Tally:
    """Count the notes."""
    states: dict[str | None, int] = dict(
        space.connection.execute(f"SELECT state, count(*) FROM {NOTES} GROUP BY state").fetchall()
    )
    breaks = space.number(f"SELECT coalesce(sum(breaks), 0) FROM {NOTES}")
    rejecting: dict[str, int] = {}
    warning: dict[str, int] = {}
    for state, rows in states.items():
        if state is None or state in (BLANK, FILTERED):
            continue
        rejects = state == MALFORMED or any(every[code].rejects for code in codes_of(state))
        (rejecting if rejects else warning)[state] = rows
    return Tally(
        records=sum(states.values()),
        blank=states.get(BLANK, 0),
        filtered=states.get(FILTERED, 0),
        breaks=breaks,
        rejecting=rejecting,
        warning=warning,
    )


def codes_of(state: str) -> tuple[int, ...]:
    """The checks of a state, in the contract's order."""
    return () if state == MALFORMED else tuple(sorted(int(code) for code in state.split(",")))


def lines_of(
    space: Workspace,
    fetched: Fetched,
    source: Source,
    found: Tally,
    malformed: Sequence[tuple[int, int]],
) -> LineNumbers:
    """How rows' lines are told.

    Args:
        malformed: line and height of each record that could not be read.
    """
    if not fetched.is_plain_text or source.record is not None:  # one line, or item, a record
        return line_numbers.with_malformed((line, 1) for line, _ in malformed)
    heights = sum(height for _, height in malformed)
    expected = source.first_line - 1 + found.records + found.breaks + heights
    spare = fetched.look.trailing_blanks if len(source.header) > 1 else 0
    if fetched.look.lines - spare == expected:
        return line_numbers.with_malformed(malformed)
    return line_numbers.with_blanks(malformed, _tall_rows(space, source), fetched.path)


def rejected_rows(
    space: Workspace, source: Source, lines: LineNumbers, found: Tally
) -> Iterator[Note]:
    """The rows that are rejected, in the file's order."""
    if found.rejecting:
        states = ", ".join(text(state) for state in found.rejecting)
        yield from _notes(space, source, lines, f"state IN ({states})")


def warned_rows(
    space: Workspace, source: Source, lines: LineNumbers, code: int, limit: int
) -> Iterator[Note]:
    """The first rows that break this check, in the file's order."""
    having = f"list_contains(string_split(state, ','), '{code}')"
    yield from _notes(space, source, lines, having, f" LIMIT {limit}")


def _notes(
    space: Workspace, source: Source, lines: LineNumbers, condition: str, limit: str = ""
) -> Iterator[Note]:
    rows, before = NOTES, "0"
    if source.breaks:
        rows = f"(FROM {NOTES} WHERE state IS NOT NULL OR breaks IS NOT NULL)"
        before = _BEFORE
    cursor = space.connection.cursor().execute(
        f"SELECT ordinal + before, state, fields, record FROM (SELECT *, {before} AS before"
        f" FROM {rows}) WHERE {condition} ORDER BY ordinal{limit}"
    )
    while batch := cursor.fetchmany(1000):
        for dense, state, fields, record in batch:
            line = lines.line_of(source.first_line + dense)
            yield Note(line, codes_of(state), None if state == MALFORMED else fields, record)


def _tall_rows(space: Workspace, source: Source) -> Iterator[tuple[int, int]]:
    cursor = space.connection.cursor().execute(
        f"SELECT ordinal + {_BEFORE} + {source.first_line}, breaks FROM {NOTES}"
        " WHERE breaks > 0 ORDER BY ordinal"
    )
    while batch := cursor.fetchmany(10_000):
        yield from batch
