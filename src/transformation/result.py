"""A transform's result: computed over the valid rows, in an order that repeats, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from contracts.dataset import VALID_RELATION, DatasetSnapshot
from contracts.errors import InvalidData
from stores.limits import StoreLimits
from tabular.part_files import RowFiles, Rows
from tabular.sql import STORED, sql_identifier, sql_literal
from tabular.workspace import Workspace
from transformation.contract_select import contract_sql, typed_select
from transformation.row_scope import RowScope
from transformation.unstorable import guarded, is_suspicion

_SORTED: Final = "sorted-result"  # the hyphen keeps it apart from lookups


def compute_result(
    space: Workspace, snapshot: DatasetSnapshot, scope: RowScope, valid: Rows, limits: StoreLimits
) -> tuple[Rows, bool]:
    """The rows to store, and whether one of them is known to be suspicious.

    Raises:
        InvalidData: its columns are not those that the run was started with.
        duckdb.Error: the SQL fails on these rows.
    """
    valid.show(space)
    described = space.connection.execute(
        f"DESCRIBE SELECT * FROM ({contract_sql(snapshot)}\n)"
    ).fetchall()
    found, expected = [row[0] for row in described], [name for name, _ in snapshot.output_columns]
    if found != expected:
        raise InvalidData(
            f"the transform of run {snapshot.run_id} returns the columns {', '.join(found)} instead"
            f" of {', '.join(expected)}"
        )
    select = typed_select(snapshot)
    if scope is RowScope.ROWS:
        return Rows(valid.files, VALID_RELATION, select), False
    key = limits.keys[0].columns if limits.keys else tuple(expected)
    try:
        return _sorted(space, guarded(limits, select), key), False
    except duckdb.Error as error:
        if not is_suspicion(error):
            raise
    return _sorted(space, select, key), True


def _sorted(space: Workspace, select: str, key: Sequence[str]) -> Rows:
    """All rows of a query, in the order of a key, in a file of their own."""
    file: Path = space.path("sorted.parquet")
    order = ", ".join(sql_identifier(name) for name in key)
    count = space.number(f"COPY ({select} ORDER BY {order}) TO {sql_literal(file)} {STORED}")
    result = Rows(RowFiles((file,), (count,)), _SORTED)
    result.show(space)
    return result


def count_result(
    space: Workspace, snapshot: DatasetSnapshot, result: Rows, valid: int, where: str
) -> int:
    """The result's number of rows.

    Args:
        valid: how many rows the transform was given.
        where: names the unit in messages.

    Raises:
        InvalidData: there are more than that.
    """
    rows = space.number(f"SELECT count(*) FROM ({result.query}\n)")
    if rows > valid:
        lookups = ", ".join(lookup.name for lookup in snapshot.dataset.lookups)
        doubles = f" (has a lookup the same key twice? There are {lookups})" if lookups else ""
        raise InvalidData(
            f"the transform made {rows} rows of {valid} in {where}; it may leave rows out, but"
            f" joins and unnest that multiply them are not supported{doubles}"
        )
    return rows
