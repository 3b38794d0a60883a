"""Finds the rows of a transform's result that a store cannot take (stores.limits).

Nearly always there are none, and then the check must cost next to nothing: a suspicious row aborts
the writing of the result (`guarded`), and keys are counted. Only after such a find is the result
checked row by row, once per rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb

from reading_rules.malformed import VALUE_CHARACTERS
from stores.limits import Key, StoreLimits
from stores.rules import KEY_MISSING, KEY_UNIQUE
from tabular.part_files import NUMBER, RowFiles, Rows, numbered
from tabular.sql import STORED, any_of, sql_identifier, sql_literal
from tabular.workspace import Workspace

UNSTORABLE: Final = (
    '"unstorable-rows"'  # number, rule, column_name, reason, value, valid_row: one each
)
WHOLE: Final = '"whole-result"'
_DOUBLES: Final = '"double-keys"'
_SUSPICION: Final = "a row to be checked"
_KEY_CHARACTERS: Final = 80
_AT_A_TIME: Final = 1000
_LEFT: Final = "sifted-result"
_Found = tuple[int, str, str | None, str, str | None]


def guarded(limits: StoreLimits, select: str) -> str:
    """The same rows, as long as none of them is suspicious: then the query fails."""
    suspicious = any_of(limits.suspicious())
    return (
        f"SELECT * FROM ({select}\n) WHERE CASE WHEN {suspicious}"
        f" THEN error({sql_literal(_SUSPICION)}) IS NULL ELSE true END"
    )


def is_suspicion(error: duckdb.Error) -> bool:
    """Whether a guarded query failed because of a suspicious row."""
    return _SUSPICION in str(error)


def has_bad_keys(space: Workspace, result: Rows, limits: StoreLimits) -> bool:
    """Whether a key is missing, or there twice."""
    for key in limits.keys:
        if space.number(f"SELECT count(*) FROM ({result.query}\n) WHERE {key.missing}"):
            return True
        twice = space.connection.execute(
            f"SELECT {', '.join(key.values)} FROM ({result.query}\n)"
            " GROUP BY ALL HAVING count(*) > 1 LIMIT 1"
        )
        if twice.fetchone():
            return True
    return False


class UnstorableRows:
    """Separates a result's rows; those that cannot be stored are in the table `UNSTORABLE` then.

    Args:
        names: the result's columns.
        in_order: the rows' order is the object's; else it is their values that decide which of
            equal keys comes first, so that a repeat chooses the same.
    """

    def __init__(
        self, space: Workspace, limits: StoreLimits, names: Sequence[str], *, in_order: bool
    ) -> None:
        self._space, self._limits = space, limits
        self._names, self._in_order = names, in_order

    def find(self, result: Rows) -> int:
        """Fill the table; returns how many rows are in it.

        The rules in turn: a row that breaks one is no other row's double any more.
        """
        self._files = self._files_of(result)
        self._run(f"CREATE OR REPLACE VIEW {WHOLE} AS {numbered(self._space, self._files)}")
        self._run(
            f"CREATE OR REPLACE TABLE {UNSTORABLE} (number BIGINT, rule VARCHAR,"
            " column_name VARCHAR, reason VARCHAR, value VARCHAR, valid_row BIGINT)"
        )
        for key in self._limits.keys:
            self._without_key(key)
        problems = self._with_problems()
        while some := list(islice(problems, _AT_A_TIME)):
            lists = [list(values) for values in zip(*some, strict=True)]
            shown = ", ".join("unnest(?)" for _ in lists)
            self._space.connection.execute(f"INSERT INTO {UNSTORABLE} SELECT {shown}, NULL", lists)
        for key in self._limits.keys:
            self._doubles(key)
        return self._space.number(f"SELECT count(*) FROM {UNSTORABLE}")

    def left(self, rejected: int) -> Rows:
        """The rows that can be stored, in their order.

        Args:
            rejected: how many cannot.
        """
        if not rejected:
            rows = Rows(self._files, _LEFT)
        else:
            path = self._space.path("left.parquet")
            # A bit per row instead of a join, which would not preserve the order.
            bits = f"SELECT bitstring_agg(number, 0, {self._files.count - 1}) FROM {UNSTORABLE}"
            self._run(f"SET VARIABLE unstorable = ({bits})")
            storable = f"get_bit(getvariable('unstorable'), CAST({NUMBER} AS INTEGER)) = 0"
            rows = Rows(self._copied(f"SELECT * FROM {WHOLE} WHERE {storable}", path), _LEFT)
            self._files.unlink()
        rows.show(self._space)
        return rows

    def _files_of(self, result: Rows) -> RowFiles:
        if result.select is None:
            return result.files
        return self._copied(result.query, self._space.path("whole.parquet"))

    def _copied(self, query: str, path: Path) -> RowFiles:
        names = ", ".join(sql_identifier(name) for name in self._names)
        count = self._space.number(
            f"COPY (SELECT {names} FROM ({query}\n)) TO {sql_literal(path)} {STORED}"
        )
        return RowFiles((path,), (count,))

    def _without_key(self, key: Key) -> None:
        first = " ".join(
            f"WHEN {sql_identifier(name)} IS NULL THEN {sql_literal(name)}" for name in key.columns
        )
        self._run(
            f"INSERT INTO {UNSTORABLE} SELECT {NUMBER}, {sql_literal(KEY_MISSING)},"
            f" CASE {first} END, 'there is no ' || CASE {first} END || ', which the key needs',"
            " NULL, NULL"
            f" FROM {WHOLE} WHERE ({key.missing}) AND {_is_storable()}"
        )

    def _with_problems(self) -> Iterator[_Found]:
        suspicious = any_of(self._limits.suspicious())
        cursor = self._space.connection.cursor().execute(
            f"FROM {WHOLE} WHERE ({suspicious}) AND {_is_storable()}"
        )
        while row := cursor.fetchone():
            number, *values = row
            found = self._limits.problem(values)
            if found is not None:
                value = None if found.value is None else found.value[:VALUE_CHARACTERS]
                yield int(number), found.rule, found.column, found.reason, value

    def _doubles(self, key: Key) -> None:
        """All but the first row of each key."""
        values = [f"{value} AS k{n}" for n, value in enumerate(key.values)]
        rest = f"(SELECT *, {', '.join(values)} FROM {WHOLE} WHERE {_is_storable()})"
        names = ", ".join(f"k{n}" for n in range(len(values)))
        self._run(
            f"CREATE OR REPLACE TABLE {_DOUBLES} AS SELECT {names} FROM {rest} GROUP BY ALL"
            " HAVING count(*) > 1"
        )
        order = [] if self._in_order else [sql_identifier(name) for name in self._names]
        within = f"PARTITION BY {names} ORDER BY {', '.join([*order, NUMBER])}"
        column = sql_literal(key.columns[0]) if len(key.columns) == 1 else "NULL"
        self._run(
            f"INSERT INTO {UNSTORABLE} SELECT {NUMBER}, {sql_literal(KEY_UNIQUE)}, {column},"
            f" times || {_doubles_reason(key)}, NULL, NULL FROM (SELECT *,"
            f" row_number() OVER ({within}) AS nth, count(*) OVER (PARTITION BY {names}) AS times"
            f" FROM {rest} SEMI JOIN {_DOUBLES} USING ({names})) WHERE nth > 1"
        )

    def _run(self, sql: str) -> None:
        self._space.connection.execute(sql)


def _doubles_reason(key: Key) -> str:
    """SQL of what follows the number of rows."""
    shown = ", ', ', ".join(
        f"{sql_literal(f'{name} ')},"
        f" left(CAST({sql_identifier(name)} AS VARCHAR), {_KEY_CHARACTERS})"
        for name in key.columns
    )
    blanks = " (blanks at the end do not count in the warehouse)" if key.trimmed else ""
    end = sql_literal(f"{blanks}; the first one is stored")
    return f"concat(' rows have the key ', {shown}, {end})"


def _is_storable() -> str:
    return f"{NUMBER} NOT IN (SELECT number FROM {UNSTORABLE})"
