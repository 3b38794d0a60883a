"""The stored form of a unit's rows: the contract's SQL over the valid ones.

The same rows always give the same files: a transform that looks at single rows keeps them in their
order, the result of any other is sorted by its natural key, or by all columns without one. Rows
that a target cannot take, or cannot distinguish, go to the quarantine, so that all targets get the
same ones. Memory is bounded, whatever the number of rows.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import duckdb

from contracts import layout
from contracts.dataset import VALID_RELATION, DatasetSnapshot
from contracts.messages import Transform, Transformed
from runtime import s3
from runtime.handler import logger
from sources import frozen
from stores.limits import StoreLimits
from tabular import workspace
from tabular.capacity import Capacity
from tabular.fetched_parts import fetch_parts
from tabular.part_files import Rows
from tabular.parts import valid_parts
from tabular.workspace import Workspace
from transformation.computing import DISK, Computation, check_disk, compute
from transformation.contract_select import contract_scope, transform_failed
from transformation.group import transform_group
from transformation.lookup_tables import load_lookups
from transformation.row_scope import RowScope
from validation.violations import BrokenRules


def transform_unit(message: Transform, data_bucket: str, capacity: Capacity) -> Transformed:
    """Write the stored form of a unit's valid rows.

    Raises:
        InvalidData: the SQL fails on these rows as a whole, its columns are not those the run was
            started with, it makes more rows than it was given, or too many cannot be computed or
            stored; or a lookup has changed. Of a unit that holds several objects: this is so of
            all, or of one where the contract says `badObject: fail`.
    """
    snapshot = frozen.read_snapshot(data_bucket, message.run_id)
    where = f"unit {message.unit_id} of run {message.run_id}"
    scope = contract_scope(snapshot, where)
    threads = 1 if scope is RowScope.TOGETHER else None
    with workspace.workspace(capacity.memory, threads=threads) as space:
        valid = _fetched(space, message, data_bucket)
        if snapshot.group is not None:
            load_lookups(space, snapshot)
            transformed = transform_group(
                space, message, data_bucket, capacity, snapshot, scope, valid
            )
        else:
            unit = _of_one_object(message, data_bucket, capacity, snapshot, where, scope)
            transformed = _transformed(space, message, data_bucket, unit, valid)
    counts = {
        "rows": transformed.rows,
        "files": transformed.files,
        "set_aside": transformed.rejected,
    }
    logger.info("transformed", extra={**counts, "reach": scope.value})
    return transformed


def _fetched(space: Workspace, message: Transform, bucket: str) -> Rows:
    parts = valid_parts(bucket, message.run_id, message.unit_id, message.files)
    return Rows(fetch_parts(space, bucket, parts, "valid-"), VALID_RELATION)


def _transformed(
    space: Workspace, message: Transform, bucket: str, unit: Computation, valid: Rows
) -> Transformed:
    check_disk(valid, DISK[unit.scope], unit.where, unit.capacity)
    load_lookups(space, unit.snapshot)
    try:
        computed = compute(space, unit, valid)
    except duckdb.Error as error:
        raise transform_failed(error, unit.where) from error
    prefix = layout.output_prefix(message.run_id, message.unit_id)
    return Transformed(output_url=layout.s3_url(bucket, prefix), **asdict(computed))


def _of_one_object(
    message: Transform,
    bucket: str,
    capacity: Capacity,
    snapshot: DatasetSnapshot,
    where: str,
    scope: RowScope,
) -> Computation:
    run_id, unit_id = message.run_id, message.unit_id
    prefix = layout.output_prefix(run_id, unit_id)

    def keep_evidence(path: Path, rules: BrokenRules) -> tuple[str, str]:
        key = layout.transform_quarantine_key(snapshot.dataset.name, run_id, unit_id)
        rejected_url = workspace.upload(path, bucket, key)
        said = rules if snapshot.dataset.examples else rules.without_values()
        findings = layout.transform_findings_key(run_id, unit_id)
        return rejected_url, s3.write_json(bucket, findings, said.to_json())

    return Computation(
        snapshot=snapshot,
        capacity=capacity,
        scope=scope,
        limits=StoreLimits(snapshot, message, bucket),
        where=where,
        source=lambda: frozen.read_unit(bucket, run_id, unit_id).url,
        rows_in=message.rows_in,
        rejected=message.rejected,
        keep=lambda part, name: workspace.upload(part, bucket, prefix + name),
        keep_evidence=keep_evidence,
    )
