"""The rows that a scan logs (`validation.scan_sql`): rejected, filtered out, or warned of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import duckdb

from validation.checks import RowChecks
from validation.scan_sql import BLANK, FILTERED, LOG, MALFORMED, counters


@dataclass(frozen=True)
class FlaggedRow:
    """A row that a scan has logged.

    Attributes:
        number: of the row in its chunk, from 1.
        breaks: line breaks in its values.
        state: see `scan_query`; None: nothing is wrong with the row.
        fields: see `Reader.fields`; empty where they are no evidence.
        codes: of the checks that it breaks.
        is_invalid: it is not among the valid rows.
    """

    number: int
    breaks: int
    state: str | None
    fields: Sequence[str | None]
    codes: tuple[int, ...]
    is_invalid: bool


@dataclass(frozen=True)
class WarnedRows:
    """How many valid rows a scan has found that a rule warns of.

    Attributes:
        rows: all of them.
        broken: by the code of each check that they break.
    """

    rows: int = 0
    broken: Counter[int] = field(default_factory=Counter)


class FlaggedRows:
    """Reads the flagged rows of one connection, scan by scan."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, checks: RowChecks) -> None:
        """The connection is one of `workspace.parallel_connections`."""
        self._connection, self._checks = connection, checks
        self._counters = counters(checks)
        self._meanings: dict[str | None, tuple[tuple[int, ...], bool]] = {}

    def forget(self) -> None:
        """Drop the rows of the previous scan, and count anew."""
        self._connection.execute("CALL truncate_duckdb_logs()")
        for name in self._counters:
            self._connection.execute(f"CREATE OR REPLACE SEQUENCE {name}")

    def warned(self) -> WarnedRows:
        """How many rows the last scan has warned of."""
        if not self._counters:
            return WarnedRows()
        found, rows = Counter[int](), 0
        for name, count in self._connection.execute(
            "SELECT sequence_name, last_value FROM duckdb_sequences() WHERE last_value IS NOT NULL"
        ).fetchall():
            code = self._counters[name]
            if code is None:
                rows = int(count)
            else:
                found[code] = int(count)
        return WarnedRows(rows, found)

    def read(self) -> list[FlaggedRow]:
        """The logged rows of the last scan, sorted: DuckDB logs them branch by branch of CASE.

        Of those that are only warned of, the first ones of each rule.
        """
        messages = self._connection.execute(
            f"SELECT message FROM duckdb_logs() WHERE type = '{LOG}'"
        ).fetchall()
        found: list[FlaggedRow] = []
        for (message,) in messages:
            number, breaks, state, *fields = json.loads(message)
            found.append(
                FlaggedRow(int(number), int(breaks or 0), state, fields, *self._meaning(state))
            )
        found.sort(key=attrgetter("number"))
        return found

    def _meaning(self, state: str | None) -> tuple[tuple[int, ...], bool]:
        """The checks that a row of this state breaks, and whether it is invalid."""
        if state not in self._meanings:
            if state is None or state in (BLANK, FILTERED, MALFORMED):
                self._meanings[state] = ((), state is not None)
            else:
                codes = tuple(sorted(int(code) for code in state.split(",")))
                self._meanings[state] = (codes, any(self._checks.every[n].rejects for n in codes))
        return self._meanings[state]
