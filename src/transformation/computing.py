"""Computes the contract's SQL over the valid rows of one object, whether its unit holds others or
not, and separates the rows that no store can take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb

from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidData
from stores.limits import StoreLimits
from tabular.capacity import Capacity
from tabular.failures import ADVICE
from tabular.part_files import Rows, write_parts
from tabular.workspace import MEGABYTE, Workspace
from transformation import failing_rows, unstorable_rows
from transformation.contract_select import typed_select
from transformation.failing_rows import FailingRow
from transformation.result import compute_result, count_result
from transformation.row_scope import RowScope
from transformation.row_texts import forms_of
from transformation.unstorable import UnstorableRows, guarded, has_bad_keys, is_suspicion
from validation.violations import BrokenRules

# Bytes of disk per byte of valid rows, measured on 2 GB of orders: the rows and two parts; or
# the rows, all of them spilled uncompressed, and the sorted result.
DISK: Final = {RowScope.ROWS: 1.5, RowScope.TABLES: 7.0, RowScope.TOGETHER: 7.0}
_DISK_WITH_UNSTORABLE: Final = 4.0  # the rows, the result and what is left of it


@dataclass(frozen=True)
class Computation:
    """What is to be computed, and where its results go.

    Attributes:
        limits: of the stores.
        where: names it in messages.
        source: URL of the object.
        rows_in: rows of the object, those that validate rejected included; None: the valid ones.
        rejected: those that validate rejected.
        keep: is given each file of the result and its name.
        keep_evidence: is given the file of rows that are not stored and what they broke; returns
            the URLs of both.
    """

    snapshot: DatasetSnapshot
    capacity: Capacity
    scope: RowScope
    limits: StoreLimits
    where: str
    source: Callable[[], str]
    rows_in: int | None
    rejected: int
    keep: Callable[[Path, str], object]
    keep_evidence: Callable[[Path, BrokenRules], tuple[str, str]]

    def rows_of(self, valid: Rows) -> int:
        """How many rows the object has, those that validate rejected included."""
        return valid.count if self.rows_in is None else self.rows_in


@dataclass(frozen=True)
class Computed:
    """Counts and places of a result, as in `Transformed`."""

    rows: int
    removed: int
    files: int
    rejected: int = 0
    rejected_url: str | None = None
    findings_url: str | None = None


@dataclass(frozen=True)
class _Given:
    """What the transform is given.

    Attributes:
        valid: all valid rows.
        rows: those that it is computed over.
        failing: the others, on which it fails.
    """

    valid: Rows
    rows: Rows
    failing: tuple[FailingRow, ...] = ()


def compute(space: Workspace, unit: Computation, valid: Rows) -> Computed:
    """Write all rows; if some cannot be computed, quarantine them and write the others.

    Raises:
        duckdb.Error: the SQL fails, by no single row or by more than the contract rejects.
    """
    try:
        return _transformed(space, unit, _Given(valid, valid))
    except duckdb.Error as error:
        rejects = unit.snapshot.dataset.on_transform_error == "reject"
        if not rejects or not failing_rows.is_by_values(error):
            raise
        check_disk(valid, DISK[unit.scope] + 1, unit.where, unit.capacity)
        limit = unit.snapshot.dataset.limits.rejected_percentage
        at_most = int(limit * unit.rows_of(valid) / 100) - unit.rejected
        failing = failing_rows.find_failing_rows(
            space, valid, typed_select(unit.snapshot), max(0, at_most), unit.where
        )
        if not failing:
            raise
        given = _Given(valid, failing_rows.without(space, valid, failing), tuple(failing))
        if len(failing) > at_most:
            _quarantine(space, unit, given, 0, in_place=False)
        given.rows.show(space)
        return _transformed(space, unit, given)


def _transformed(space: Workspace, unit: Computation, given: _Given) -> Computed:
    """Write all rows; if some cannot be stored, quarantine them and write the others."""
    valid = given.rows
    limits = unit.limits
    part_bytes = unit.snapshot.dataset.limits.part_megabytes * MEGABYTE
    result, suspicious = compute_result(space, unit.snapshot, unit.scope, valid, limits)
    rows = count_result(space, unit.snapshot, result, valid.count, unit.where)
    removed = valid.count - rows
    if not suspicious and not has_bad_keys(space, result, limits):
        select = result.select and guarded(limits, result.select)
        try:
            files = write_parts(space, replace(result, select=select), part_bytes, unit.keep)
        except duckdb.Error as error:
            if not is_suspicion(error):
                raise
        else:
            evidence = _quarantine(space, unit, given, 0, in_place=False)
            return Computed(rows, removed, files, **evidence)
    valid.show(space)
    if unit.scope is RowScope.ROWS:
        check_disk(valid, _DISK_WITH_UNSTORABLE, unit.where, unit.capacity)
    names = [name for name, _ in unit.snapshot.output_columns]
    unstorable = UnstorableRows(space, limits, names, in_order=unit.scope is RowScope.ROWS)
    rejected = unstorable.find(result)
    in_place = unit.scope is RowScope.ROWS and not removed
    set_aside = _quarantine(space, unit, given, rejected, in_place=in_place)
    files = write_parts(space, unstorable.left(rejected), part_bytes, unit.keep)
    return Computed(rows - rejected, removed, files, **set_aside)


def _quarantine(
    space: Workspace, unit: Computation, given: _Given, rejected: int, *, in_place: bool
) -> dict[str, Any]:
    """Write the rows that are not stored to the quarantine, and findings on them.

    Args:
        rejected: how many are unstorable; they are in their table.
        in_place: each row of the result is the valid row in the same place.

    Returns:
        What the response says of them.

    Raises:
        InvalidData: they are too many.
    """
    snapshot, failing = unit.snapshot, given.failing
    if not rejected and not failing:
        return {}
    source = unit.source()
    path = space.path("unstorable.jsonl")
    forms = forms_of(snapshot.dataset)
    rules = failing_rows.write_failing(space, path, source, given.valid, failing, forms)
    if rejected:
        if in_place:
            unstorable_rows.number_by_position(space)
        elif snapshot.array is not None:  # every item is to have its own result
            unstorable_rows.number_by_trial(space, given.rows, typed_select(snapshot), unit.where)
        number_of = failing_rows.original_numbers(failing)
        rules.add(
            unstorable_rows.write_unstorable(space, path, source, given.rows, forms, number_of)
        )
    rejected_url, findings_url = unit.keep_evidence(path, rules)
    limit, rows_in = snapshot.dataset.limits.rejected_percentage, unit.rows_of(given.valid)
    if failing:
        failing_rows.refuse_too_many(failing, unit.rejected, rows_in, limit, source, rejected_url)
    before = unit.rejected + len(failing)
    unstorable_rows.refuse_too_many(rules, rejected, before, rows_in, limit, source, rejected_url)
    return {
        "rejected": rejected + len(failing),
        "rejected_url": rejected_url,
        "findings_url": findings_url,
    }


def check_disk(valid: Rows, factor: float, where: str, capacity: Capacity) -> None:
    """Refuse rows whose transform would fill the disk.

    Args:
        factor: of the size of the valid rows.
        where: names what is transformed.

    Raises:
        InvalidData: it would.
    """
    size, there = valid.files.size / MEGABYTE, capacity.disk
    if size * factor > there:
        raise InvalidData(
            f"the transform of {where} needs about {size * factor:.0f} MB of disk for"
            f" {size:.0f} MB of valid rows; the function has {there} MB: {ADVICE}"
        ).without_values()
