"""What a scan sets aside: the rows that are not, or not only, valid ones.

A query has one result only, and that of the scan are the valid rows. All others leave it by
`write_log`, DuckDB's one function that keeps something beside a result: called for them only, it
costs next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

import duckdb

from reading.reader import NUMBER, Reader
from validation.row_classes import BLANK, FILTERED, MALFORMED, Split

_LOG: Final = "set-aside"


@dataclass(frozen=True)
class Aside:
    """A row that was set aside.

    Attributes:
        number: of the row in its piece, from 1.
        breaks: line breaks in its values.
        state: see `Split.state`; None: there is nothing wrong with it.
        fields: see `Reader.fields`; empty where they are no evidence.
        codes: of the checks that it breaks.
        is_unfit: it is no valid row.
    """

    number: int
    breaks: int
    state: str | None
    fields: Sequence[str | None]
    codes: tuple[int, ...]
    is_unfit: bool


class Asides:
    """Those of one connection, scan by scan."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: Reader, split: Split) -> None:
        """The connection is one of `duck.side_by_side`."""
        self._connection, self._reader, self._split = connection, reader, split
        self._meanings: dict[str | None, tuple[tuple[int, ...], bool]] = {}

    def kept(self, *, breaks: bool, all_breaks: bool) -> str:
        """SQL, true for a valid row; sets aside what there is to say of a row.

        Args:
            breaks: whether there may be line breaks in values.
            all_breaks: whether those of valid rows are asked, too; takes a look at every value.
        """
        reader, split = self._reader, self._split
        counted = reader.breaks if breaks else None
        head = f"CAST({NUMBER} AS VARCHAR), CAST({counted or 'NULL'} AS VARCHAR)"
        fields = f"CASE WHEN {split.told(reader)} THEN {reader.fields} END"
        logged = _logged(f"list_concat([{head}, {split.state(reader)}], {fields})")
        kept = f"{logged} IS NOT NULL"  # false
        if split.warns:
            kept = f"CASE WHEN {logged} IS NULL THEN ({split.unfit(reader)}) IS NOT TRUE END"
        tall = ""
        if counted and all_breaks:
            tall = f" WHEN ({counted}) IS NOT NULL THEN {_logged(f'[{head}, NULL]')} IS NULL"
        # An OR in CASE is computed for undecided rows only, which AND NOT would not be.
        return f"CASE WHEN {split.suspect(reader)} THEN {kept}{tall} ELSE true END"

    def forget(self) -> None:
        """Drop those of the scan before."""
        self._connection.execute("CALL truncate_duckdb_logs()")

    def read(self) -> list[Aside]:
        """Those of the last scan, in the rows' order (its own is that of branches within CASE)."""
        messages = self._connection.execute(
            f"SELECT message FROM duckdb_logs WHERE type = '{_LOG}'"
        ).fetchall()
        found: list[Aside] = []
        for (message,) in messages:
            number, breaks, state, *fields = json.loads(message)
            found.append(Aside(int(number), int(breaks or 0), state, fields, *self._meaning(state)))
        found.sort(key=attrgetter("number"))
        return found

    def _meaning(self, state: str | None) -> tuple[tuple[int, ...], bool]:
        """The checks that a row of this state breaks, and whether it is unfit."""
        if state not in self._meanings:
            if state is None or state in (BLANK, FILTERED, MALFORMED):
                self._meanings[state] = ((), state is not None)
            else:
                codes = tuple(sorted(int(code) for code in state.split(",")))
                self._meanings[state] = (codes, any(self._split.every[n].rejects for n in codes))
        return self._meanings[state]


def _logged(texts: str) -> str:
    """SQL that sets texts aside, and is NULL."""
    return f"write_log(CAST(to_json({texts}) AS VARCHAR), log_type := '{_LOG}')"
