"""The stored form of a unit's rows: the contract's SQL over the valid ones.

The same rows always give the same files: a transform that looks at single rows keeps them in their
order, the result of any other is sorted by its natural key, or by all columns without one. Rows
that a target cannot take, or cannot distinguish, go to the quarantine, so that all targets get the
same ones. Memory is bounded, whatever the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb

from contracts import layout
from contracts.dataset import VALID_RELATION, DatasetSnapshot
from contracts.errors import InvalidData
from contracts.messages import Transform, Transformed
from runtime import s3
from runtime.handler import logger
from sources import frozen
from stores.limits import StoreLimits
from tabular import workspace
from tabular.capacity import Capacity
from tabular.failures import ADVICE
from tabular.fetched_parts import fetch_parts
from tabular.part_files import Rows, write_parts
from tabular.parts import valid_parts
from tabular.workspace import MEGABYTE, Workspace
from transformation import failing_rows, unstorable_rows
from transformation.contract_select import contract_scope, transform_failed, typed_select
from transformation.failing_rows import FailingRow
from transformation.lookup_tables import load_lookups
from transformation.result import compute_result, count_result
from transformation.row_scope import RowScope
from transformation.row_texts import forms_of
from transformation.unstorable import UnstorableRows, guarded, has_bad_keys, is_suspicion

# Bytes of disk per byte of valid rows, measured on 2 GB of orders: the rows and two parts; or
# the rows, all of them spilled uncompressed, and the sorted result.
_DISK: Final = {RowScope.ROWS: 1.5, RowScope.TABLES: 7.0, RowScope.TOGETHER: 7.0}
_DISK_WITH_UNSTORABLE: Final = 4.0  # the rows, the result and what is left of it


def transform_unit(message: Transform, data_bucket: str, capacity: Capacity) -> Transformed:
    """Write the stored form of a unit's valid rows.

    Raises:
        InvalidData: the SQL fails on these rows as a whole, its columns are not those the run was
            started with, it makes more rows than it was given, or too many cannot be computed or
            stored; or a lookup has changed.
    """
    snapshot = frozen.read_snapshot(data_bucket, message.run_id)
    where = f"unit {message.unit_id} of run {message.run_id}"
    scope = contract_scope(snapshot, where)
    unit = _Unit(message, data_bucket, capacity, snapshot, where, scope)
    threads = 1 if scope is RowScope.TOGETHER else None
    with workspace.workspace(capacity.memory, threads=threads) as space:
        valid = _fetched(space, unit)
        _check_disk(valid, _DISK[scope], unit)
        load_lookups(space, snapshot)
        try:
            transformed = _computed(space, unit, valid)
        except duckdb.Error as error:
            raise transform_failed(error, where) from error
    counts = {
        "rows": transformed.rows,
        "files": transformed.files,
        "set_aside": transformed.rejected,
    }
    logger.info("transformed", extra={**counts, "reach": scope.value})
    return transformed


@dataclass(frozen=True)
class _Unit:
    """What is to be transformed.

    Attributes:
        where: names it in messages.
    """

    message: Transform
    data_bucket: str
    capacity: Capacity
    snapshot: DatasetSnapshot
    where: str
    scope: RowScope

    @property
    def output_prefix(self) -> str:
        return layout.output_prefix(self.message.run_id, self.message.unit_id)

    def rows_in(self, valid: Rows) -> int:
        """How many rows the unit has, those that validate rejected included."""
        return valid.count if self.message.rows_in is None else self.message.rows_in

    def keep(self, part: Path, name: str) -> None:
        workspace.upload(part, self.data_bucket, self.output_prefix + name)

    def transformed(self, rows: int, removed: int, files: int, **rejected: Any) -> Transformed:
        return Transformed(
            rows=rows,
            removed=removed,
            output_url=layout.s3_url(self.data_bucket, self.output_prefix),
            files=files,
            **rejected,
        )


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


def _fetched(space: Workspace, unit: _Unit) -> Rows:
    message, bucket = unit.message, unit.data_bucket
    parts = valid_parts(bucket, message.run_id, message.unit_id, message.files)
    return Rows(fetch_parts(space, bucket, parts, "valid-"), VALID_RELATION)


def _computed(space: Workspace, unit: _Unit, valid: Rows) -> Transformed:
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
        _check_disk(valid, _DISK[unit.scope] + 1, unit)
        limit = unit.snapshot.dataset.limits.rejected_percentage
        at_most = int(limit * unit.rows_in(valid) / 100) - unit.message.rejected
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


def _transformed(space: Workspace, unit: _Unit, given: _Given) -> Transformed:
    """Write all rows; if some cannot be stored, quarantine them and write the others."""
    valid = given.rows
    limits = StoreLimits(unit.snapshot, unit.message, unit.data_bucket)
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
            return unit.transformed(
                rows, removed, files, **_quarantine(space, unit, given, 0, in_place=False)
            )
    valid.show(space)
    if unit.scope is RowScope.ROWS:
        _check_disk(valid, _DISK_WITH_UNSTORABLE, unit)
    names = [name for name, _ in unit.snapshot.output_columns]
    unstorable = UnstorableRows(space, limits, names, in_order=unit.scope is RowScope.ROWS)
    rejected = unstorable.find(result)
    in_place = unit.scope is RowScope.ROWS and not removed
    set_aside = _quarantine(space, unit, given, rejected, in_place=in_place)
    files = write_parts(space, unstorable.left(rejected), part_bytes, unit.keep)
    return unit.transformed(rows - rejected, removed, files, **set_aside)


def _quarantine(
    space: Workspace, unit: _Unit, given: _Given, rejected: int, *, in_place: bool
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
    message, snapshot, bucket = unit.message, unit.snapshot, unit.data_bucket
    failing = given.failing
    if not rejected and not failing:
        return {}
    source = frozen.read_unit(bucket, message.run_id, message.unit_id).url
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
    key = layout.transform_quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
    rejected_url = workspace.upload(path, bucket, key)
    findings = layout.transform_findings_key(message.run_id, message.unit_id)
    if not snapshot.dataset.examples:
        rules = rules.without_values()
    findings_url = s3.write_json(bucket, findings, rules.to_json())
    limit, rows_in = snapshot.dataset.limits.rejected_percentage, unit.rows_in(given.valid)
    if failing:
        failing_rows.refuse_too_many(
            failing, message.rejected, rows_in, limit, source, rejected_url
        )
    before = message.rejected + len(failing)
    unstorable_rows.refuse_too_many(rules, rejected, before, rows_in, limit, source, rejected_url)
    return {
        "rejected": rejected + len(failing),
        "rejected_url": rejected_url,
        "findings_url": findings_url,
    }


def _check_disk(valid: Rows, factor: float, unit: _Unit) -> None:
    """Refuse rows whose transform would fill the disk.

    Args:
        factor: of the size of the valid rows.

    Raises:
        InvalidData: it would.
    """
    size, there = valid.files.size / MEGABYTE, unit.capacity.disk
    if size * factor > there:
        raise InvalidData(
            f"the transform of {unit.where} needs about {size * factor:.0f} MB of disk for"
            f" {size:.0f} MB of valid rows; the function has {there} MB: {ADVICE}"
        ).without_values()
