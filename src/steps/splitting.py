# ruff: noqa: S608 -- names and texts are quoted by steps.duck; rules were parsed with the contract
"""The two scans that split a file's rows: one writes the valid ones, one notes all the others.

Both stream, so memory does not grow with the file. The second is passed over where the first has
accounted for every record. It writes one row per record into a Parquet file (`NOTES`), in the
file's order; nearly all of it is NULL and takes no room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from contracts.dataset import Dataset
from contracts.errors import InvalidData
from steps.checks import Check, cast_column, castable, checks
from steps.duck import Workspace, quoted, text
from steps.reading import Source, first_line, has_mixed_line_ends

NOTES: Final = "notes"  # the view: ordinal, state, fields, record, breaks; see `note_others`
BLANK: Final = "blank"
MALFORMED: Final = "malformed"
FILTERED: Final = "filtered"
_STATE: Final = '"row-state"'  # the hyphen keeps it apart from every contract column


Aside = Callable[[str, str], str]


class MixedLineEnds(Exception):
    """The scan came to a line end unlike the others before it."""


@dataclass(frozen=True)
class Split:
    """How the rows of one contract are told apart.

    Attributes:
        every: the contract's checks; a check's code is its position here.
        query: the request's, if it is to be applied here.
    """

    dataset: Dataset
    every: tuple[Check, ...]
    query: str | None

    @property
    def names(self) -> str:
        return ", ".join(quoted(column.name) for column in self.dataset.columns)

    @property
    def filter(self) -> str | None:
        """True for a row that the query leaves out: one all of whose values have their types."""
        if self.query is None:
            return None
        return f"{castable(self.dataset)} AND ({self.query}\n) IS NOT TRUE"

    def typed(self, relation: str) -> str:
        values = ", ".join(f"{cast_column(c)} AS {quoted(c.name)}" for c in self.dataset.columns)
        return f"(SELECT *, {values} FROM {relation})"

    @property
    def broken(self) -> dict[int, str]:
        """The checks that a row by itself can break, by code."""
        return {n: check.broken for n, check in enumerate(self.every) if check.broken is not None}

    @property
    def warns(self) -> bool:
        return any(not check.rejects for check in self.every if check.broken is not None)


def split_of(dataset: Dataset, query: str | None) -> Split:
    return Split(dataset, tuple(checks(dataset)), query)


def write_valid(
    space: Workspace, source: Source, split: Split, path: Path, aside: Aside | None = None
) -> int:
    """Write the rows that break nothing, typed, in the file's order; answers how many.

    What cannot be read at all is left in the table `reading.REJECTS`.

    Args:
        aside: given SQL of the state and the fields of a row, answers SQL, false, that does
            something with a row that breaks a check.

    Raises:
        InvalidData: the file is unreadable, or a rule or the query cannot be computed.
        MixedLineEnds: mend the file, then again.
    """
    rejecting = (check.broken for check in split.every if check.rejects)
    broken = [sql for sql in (source.blank, source.malformed, source.touched, *rejecting) if sql]
    kept = f"({split.query}\n)" if split.query else "true"
    if broken:  # an OR in CASE is computed for undecided rows only, which AND NOT would not be
        otherwise = aside(_state(source, split), source.fields) if aside else None
        kept = f"CASE WHEN {_any(broken)} THEN {otherwise or 'false'} ELSE {kept} END"
    return _copy(
        space,
        f"SELECT {split.names} FROM {split.typed(source.keeping)} WHERE {kept}",
        path,
    )


def note_others(space: Workspace, source: Source, split: Split, suspects: Sequence[int]) -> None:
    """Write a note for each record, and make the view `notes` of them.

    Its columns: `ordinal` from 0; `state`, which is NULL for a row that is fine, else one of
    `blank`, `malformed` and `filtered` or the codes of the broken checks with commas between;
    `fields` and `record` of rows with codes and of malformed ones (see `Source`); `breaks`; and for
    each of the suspects `value-<code>`: what a row that passes all other checks has there.

    Args:
        suspects: codes of checks that need the other rows; the fields of all rows are then noted.
    """
    rejecting = [check.broken for check in split.every if check.broken and check.rejects]
    passed_over = _any([f"{_STATE} IN ('{BLANK}', '{MALFORMED}', '{FILTERED}')", *rejecting])
    told = f"coalesce({_STATE}, '{BLANK}') NOT IN ('{BLANK}', '{FILTERED}')"
    if suspects:
        told = f"coalesce({_STATE}, '') NOT IN ('{BLANK}', '{FILTERED}')"
    values = "".join(
        f", CASE WHEN {passed_over} THEN NULL ELSE CAST({quoted(str(split.every[n].column))}"
        f" AS VARCHAR) END AS {quoted(f'value-{n}')}"
        for n in suspects
    )
    rows = (
        f"SELECT {_STATE} AS state, CASE WHEN {told} THEN {source.fields} END AS fields,"
        f" CASE WHEN {told} THEN {source.record or 'NULL'} END AS record,"
        f" CAST({source.breaks or 'NULL'} AS BIGINT) AS breaks{values}"
        f" FROM (SELECT *, {_state(source, split)} AS {_STATE}"
        f" FROM {split.typed(source.passing)})"
    )
    path = space.path("notes.parquet")
    _copy(space, rows, path)
    space.connection.execute(
        f"CREATE OR REPLACE VIEW {NOTES} AS SELECT file_row_number AS ordinal, * EXCLUDE"
        f" (file_row_number) FROM read_parquet({text(path)}, file_row_number = true)"
    )


def _state(source: Source, split: Split) -> str:
    broken = split.broken
    words = [(source.blank, BLANK), (source.malformed, MALFORMED), (split.filter, FILTERED)]
    cases = "".join(f" WHEN {sql} THEN '{word}'" for sql, word in words if sql)
    codes = ", ".join(f"CASE WHEN {sql} THEN '{n}' END" for n, sql in broken.items())
    touched = [source.touched] if source.touched else []
    some = _any([*touched, *broken.values()])
    return f"CASE{cases} WHEN {some} THEN concat_ws(',', NULL, {codes or 'NULL'}) END"


def _any(conditions: Sequence[str]) -> str:
    return " OR ".join(f"({condition})" for condition in conditions) or "false"


def _copy(space: Workspace, rows: str, path: Path) -> int:
    try:
        return space.number(f"COPY ({rows}) TO {text(path)} (FORMAT parquet, COMPRESSION snappy)")
    except duckdb.Error as error:
        if has_mixed_line_ends(error):
            raise MixedLineEnds(first_line(error)) from error
        raise InvalidData(
            f"cannot be read, or a rule or the query cannot be computed: {first_line(error)}"
        ) from error
