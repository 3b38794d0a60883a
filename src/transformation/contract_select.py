"""The contract's SQL as a SELECT over a unit's valid rows, and its scope."""

from __future__ import annotations

from typing import Final

import duckdb

from contracts.dataset import VALID_RELATION, DatasetSnapshot
from contracts.errors import PipelineError
from reading_rules.malformed import first_line
from reading_rules.values.times import FIRST_INSTANT, LAST_INSTANT
from tabular.failures import failed
from tabular.sql import column_type, sql_identifier, sql_literal
from transformation.row_scope import RowScope, row_scope_of

_TIMES: Final = ("date", "timestamp")


def contract_sql(snapshot: DatasetSnapshot) -> str:
    """The transform as it stands in the contract; without one, all valid rows."""
    return (snapshot.dataset.transform or f"SELECT * FROM {VALID_RELATION}").strip().rstrip(";")


def typed_select(snapshot: DatasetSnapshot) -> str:
    """The contract's SQL, with the columns and types that the snapshot promises.

    It fails on a date or time that no store has a form for, as a cast fails. Rows that are stored
    as they were validated have none.
    """
    columns = ", ".join(
        f"{_typed(name, kind, is_made=snapshot.dataset.transform is not None)}"
        f" AS {sql_identifier(name)}"
        for name, kind in snapshot.output_columns
    )
    return f"SELECT {columns} FROM ({contract_sql(snapshot)}\n)"


def _typed(name: str, kind: str, *, is_made: bool) -> str:
    """SQL of a column's value.

    Args:
        is_made: by the contract's SQL, which may leave the calendar: its arithmetic has years
            before 1 and after 9999, and infinity.
    """
    value = f"CAST({sql_identifier(name)} AS {column_type(kind)})"
    if not is_made or kind not in _TIMES:
        return value
    reason = (
        f"concat({sql_literal(f'{name} is ')}, CAST({value} AS VARCHAR),"
        f" {sql_literal(f', no {kind} of the years 1 to 9999')})"
    )
    return (
        f"CASE WHEN {value} < {FIRST_INSTANT} OR {value} > {LAST_INSTANT}"
        f" THEN error({reason}) ELSE {value} END"
    )


def contract_scope(snapshot: DatasetSnapshot, where: str) -> RowScope:
    """The scope of the contract's SQL.

    Args:
        where: names the unit in messages.

    Raises:
        InvalidData: it cannot be computed at all.
    """
    dataset = snapshot.dataset
    tables = {lookup.name: lookup.column_types for lookup in dataset.lookups}
    try:
        return row_scope_of(
            contract_sql(snapshot), {VALID_RELATION: dataset.column_types, **tables}
        )
    except duckdb.Error as error:
        raise transform_failed(error, where) from error


def transform_failed(error: duckdb.Error, where: str) -> PipelineError:
    """The error of a unit whose rows the contract's SQL fails on."""
    return failed(error, f"the transform fails in {where}: {first_line(error)}")
