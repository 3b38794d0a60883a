"""The contract's SQL as a SELECT over a unit's valid rows, and its scope."""

from __future__ import annotations

import duckdb

from contracts.dataset import VALID_RELATION, DatasetSnapshot
from contracts.errors import PipelineError
from reading_rules.malformed import first_line
from tabular.failures import failed
from tabular.sql import column_type, sql_identifier
from transformation.row_scope import RowScope, row_scope_of


def contract_sql(snapshot: DatasetSnapshot) -> str:
    """The transform as it stands in the contract; without one, all valid rows."""
    return (snapshot.dataset.transform or f"SELECT * FROM {VALID_RELATION}").strip().rstrip(";")


def typed_select(snapshot: DatasetSnapshot) -> str:
    """The contract's SQL, with the columns and types that the snapshot promises."""
    columns = ", ".join(
        f"CAST({sql_identifier(name)} AS {column_type(kind)}) AS {sql_identifier(name)}"
        for name, kind in snapshot.output_columns
    )
    return f"SELECT {columns} FROM ({contract_sql(snapshot)}\n)"


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
