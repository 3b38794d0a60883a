"""Checks of an object as a whole: its number of rows, how old they are, the keys of its records."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from contracts.dataset import Dataset, Severity
from contracts.manifest import ManifestEntry
from contracts.run_request import parse_timestamp
from reading_rules.json.near_keys import missing_key
from tabular.sql import sql_identifier, sql_literal
from tabular.workspace import Workspace
from validation.violations import BrokenRules

ROW_COUNT: Final = "row-count"
FRESHNESS: Final = "freshness"
MISSING_KEY: Final = "missing-key"


def check_row_count(dataset: Dataset, rows_in: int, rules: BrokenRules) -> None:
    """Record a violation if the object has too few or too many rows."""
    limits = dataset.rows
    if limits is None:
        return
    if limits.minimum is not None and rows_in < limits.minimum:
        reason = f"has {rows_in} rows, fewer than {limits.minimum}"
        rules.of_object(ROW_COUNT, limits.severity, reason, rows_in)
    if limits.maximum is not None and rows_in > limits.maximum:
        reason = f"has {rows_in} rows, more than {limits.maximum}"
        rules.of_object(ROW_COUNT, limits.severity, reason, rows_in)


def check_freshness(
    space: Workspace,
    dataset: Dataset,
    valid: Sequence[Path],
    entry: ManifestEntry,
    rows_in: int,
    rules: BrokenRules,
) -> None:
    """Record a violation if the newest valid row was too old when the object was written.

    Args:
        valid: files with the valid rows.
        entry: of the object, with the time it was written.
    """
    limit = dataset.freshness
    if limit is None:
        return
    files = ", ".join(sql_literal(path) for path in valid)
    newest = space.connection.execute(
        f"SELECT CAST(max({sql_identifier(limit.column)}) AS TIMESTAMP)"
        f" FROM read_parquet([{files}])"
    ).fetchone()
    if newest is None or not isinstance(newest[0], datetime.datetime):
        return  # no row has one; or, of a year above 9999, none that Python knows
    at = newest[0].replace(tzinfo=datetime.UTC)
    hours = (parse_timestamp(entry.last_modified) - at).total_seconds() / 3600
    if hours > limit.maximum_age_hours:
        reason = (
            f"its newest {limit.column}, {at:%Y-%m-%dT%H:%M:%SZ}, was {hours:.1f} hours old when"
            f" the object was written; it may be {limit.maximum_age_hours:g}"
        )
        rules.of_object(FRESHNESS, limit.severity, reason, rows_in)


def check_keys(
    dataset: Dataset,
    near_keys: Mapping[str, str],
    entry: ManifestEntry,
    rows_in: int,
    rules: BrokenRules,
) -> None:
    """Record a violation for each column that no record has, where a key is nearly the same.

    The unit fails where the column is required; but each item of a batch has its own result.

    Args:
        near_keys: these keys, by the columns' names.
    """
    for column in dataset.columns:
        if column.name in near_keys:
            fails = column.required and entry.items is None
            fails = fails and column.severity is not Severity.WARN
            severity = Severity.FAIL if fails else Severity.WARN
            reason = missing_key(column.source or column.name, near_keys[column.name])
            rules.of_column(MISSING_KEY, column.name, severity, reason, rows_in)
