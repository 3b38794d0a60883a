"""transform: the contract's SQL over the valid rows; the result is what is stored.

The same rows always give the same files: a transform that looks at single rows keeps them in their
order, the result of any other is sorted by its natural key, or by all columns without one. Rows
that a target cannot take, or cannot tell apart, are set aside into the quarantine, so that all
targets get the same ones. Whatever there is of it goes through a bounded memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NoReturn

import duckdb
from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.dataset import VALID_RELATION, DatasetSnapshot
from contracts.errors import InvalidData
from contracts.messages import Transform, Transformed
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from reading.reader import first_line
from runtime import s3
from runtime.handler import logger, metrics, settings_from_environment, step_handler
from sources import frozen
from stores.dynamodb.provenance import with_execution
from stores.limits import StoreLimits
from tabular import workspace
from tabular.part_files import RowFiles, Rows, write_parts
from tabular.parts import valid_parts
from tabular.sql import STORED, column_type, sql_identifier, sql_literal
from tabular.workspace import MEGABYTE, Workspace
from transformation import unstorable_rows
from transformation.lookup_tables import load_lookups
from transformation.row_scope import Reach, reach_of
from transformation.unstorable import Sieve, guarded, has_bad_keys, is_suspicion

DOWNLOADS: Final = 4  # at a time
_SORTED: Final = "sorted-result"  # the hyphen keeps it apart from lookups
# Disk that a byte of valid rows comes to, measured on 2 GB of orders: the rows and two parts; or
# the rows, all of them spilled uncompressed, and the sorted result.
_DISK: Final = {Reach.ROWS: 1.5, Reach.TABLES: 7.0, Reach.TOGETHER: 7.0}
_DISK_WITH_ROWS_ASIDE: Final = 4.0  # the rows, the result and what is left of it
_ADVICE: Final = "make the objects smaller, or let a Spark job do this (docs/jobs.md)"


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it
    ephemeral_megabytes: str = "512"  # disk; what a function has unless the template says more


@step_handler(Transform)
def handler(message: Transform) -> Transformed:
    ledger = Ledger(settings_from_environment(LedgerSettings).ledger_table)
    refuse_stopped(ledger, message.run_id)
    return transform(with_execution(message, ledger), settings_from_environment(Settings))


def transform(message: Transform, settings: Settings) -> Transformed:
    """Write the stored form of a unit's valid rows.

    Raises:
        InvalidData: the SQL fails on these rows, its columns are not those the run was started
            with, it makes more rows than it was given, or too many that no store takes; or a lookup
            is not as it was.
    """
    snapshot = frozen.read_snapshot(settings.data_bucket, message.run_id)
    where = f"unit {message.unit_id} of run {message.run_id}"
    unit = _Unit(message, settings, snapshot, where, _reach(snapshot, where))
    memory = int(settings.aws_lambda_function_memory_size)
    with workspace.workspace(memory, threads=1 if unit.reach is Reach.TOGETHER else None) as space:
        valid = _fetched(space, unit)
        _check_disk(valid, _DISK[unit.reach], unit)
        load_lookups(space, snapshot)
        try:
            answer = _transformed(space, unit, valid)
        except duckdb.Error as error:
            _refuse(error, where)
    counts = {"rows": answer.rows, "files": answer.files, "set_aside": answer.rejected}
    logger.info("transformed", extra={**counts, "reach": unit.reach.value})
    for name, value in (("RowsTransformed", answer.rows), ("RowsSetAside", answer.rejected)):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return answer


@dataclass(frozen=True)
class _Unit:
    """What is to be transformed.

    Attributes:
        where: names it in messages.
    """

    message: Transform
    settings: Settings
    snapshot: DatasetSnapshot
    where: str
    reach: Reach

    @property
    def output_prefix(self) -> str:
        return layout.output_prefix(self.message.run_id, self.message.unit_id)

    def keep(self, part: Path, name: str) -> None:
        workspace.upload(part, self.settings.data_bucket, self.output_prefix + name)

    def answer(self, rows: int, removed: int, files: int, **rejected: Any) -> Transformed:
        return Transformed(
            rows=rows,
            removed=removed,
            output_url=layout.s3_url(self.settings.data_bucket, self.output_prefix),
            files=files,
            **rejected,
        )


def _transformed(space: Workspace, unit: _Unit, valid: Rows) -> Transformed:
    """Write all rows; if some cannot be stored, set them aside and write the others."""
    limits = StoreLimits(unit.snapshot, unit.message, unit.settings.data_bucket)
    part_bytes = unit.snapshot.dataset.limits.part_megabytes * MEGABYTE
    result, suspicious = _result(space, unit, valid, limits)
    rows = _count(space, unit, result, valid.count)
    removed = valid.count - rows
    if not suspicious and not has_bad_keys(space, result, limits):
        select = result.select and guarded(limits, result.select)
        try:
            files = write_parts(space, replace(result, select=select), part_bytes, unit.keep)
        except duckdb.Error as error:
            if not is_suspicion(error):
                raise
        else:
            return unit.answer(rows, removed, files)
    valid.show(space)
    if unit.reach is Reach.ROWS:
        _check_disk(valid, _DISK_WITH_ROWS_ASIDE, unit)
    names = [name for name, _ in unit.snapshot.output_columns]
    sieve = Sieve(space, limits, names, in_order=unit.reach is Reach.ROWS)
    aside = sieve.find(result)
    rejected_url = findings_url = None
    if aside:
        in_place = unit.reach is Reach.ROWS and not removed
        rejected_url, findings_url = _set_aside(space, unit, valid, aside, in_place=in_place)
    files = write_parts(space, sieve.left(aside), part_bytes, unit.keep)
    return unit.answer(
        rows - aside,
        removed,
        files,
        rejected=aside,
        rejected_url=rejected_url,
        findings_url=findings_url,
    )


def _set_aside(
    space: Workspace, unit: _Unit, valid: Rows, aside: int, *, in_place: bool
) -> tuple[str, str]:
    """Put the rows found into the quarantine, with what is known of them; answers two URLs.

    Args:
        in_place: each row of the result is the valid row in the same place.

    Raises:
        InvalidData: they are too many.
    """
    message, snapshot, bucket = unit.message, unit.snapshot, unit.settings.data_bucket
    if in_place:
        unstorable_rows.number_by_position(space)
    elif snapshot.array is not None:  # every item is to have its own result
        unstorable_rows.number_by_trial(space, valid, _select(snapshot), unit.where)
    source = frozen.read_unit(bucket, message.run_id, message.unit_id).url
    path = space.path("aside.jsonl")
    rules = unstorable_rows.write_aside(space, path, source, valid)
    key = layout.transform_quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
    rejected_url = workspace.upload(path, bucket, key)
    findings = layout.transform_findings_key(message.run_id, message.unit_id)
    findings_url = s3.write_json(bucket, findings, rules.to_json())
    unstorable_rows.refuse_too_many(
        rules,
        aside,
        message.rejected,
        valid.count if message.rows_in is None else message.rows_in,
        snapshot.dataset.limits.rejected_percentage,
        source,
        rejected_url,
    )
    return rejected_url, findings_url


def _refuse(error: duckdb.Error, where: str) -> NoReturn:
    advice = ""
    if isinstance(error, duckdb.OutOfMemoryException):
        advice = f"; it needs more memory or disk than the function has: {_ADVICE}"
    raise InvalidData(f"the transform fails in {where}: {first_line(error)}{advice}") from error


def _check_disk(valid: Rows, factor: float, unit: _Unit) -> None:
    """Refuse up front what would fill the disk.

    Args:
        factor: of the size of the valid rows.

    Raises:
        InvalidData: it would.
    """
    size, there = valid.files.size / MEGABYTE, int(unit.settings.ephemeral_megabytes)
    if size * factor > there:
        raise InvalidData(
            f"the transform of {unit.where} needs about {size * factor:.0f} MB of disk for"
            f" {size:.0f} MB of valid rows; the function has {there} MB: {_ADVICE}"
        )


def _sql(snapshot: DatasetSnapshot) -> str:
    return (snapshot.dataset.transform or f"SELECT * FROM {VALID_RELATION}").strip().rstrip(";")


def _reach(snapshot: DatasetSnapshot, where: str) -> Reach:
    """How far the contract's SQL looks.

    Raises:
        InvalidData: it cannot be computed at all.
    """
    dataset = snapshot.dataset
    tables = {lookup.name: lookup.column_types for lookup in dataset.lookups}
    try:
        return reach_of(_sql(snapshot), {VALID_RELATION: dataset.column_types, **tables})
    except duckdb.Error as error:
        _refuse(error, where)


def _fetched(space: Workspace, unit: _Unit) -> Rows:
    message, bucket = unit.message, unit.settings.data_bucket
    parts = valid_parts(bucket, message.run_id, message.unit_id, message.files)
    paths = [space.path(f"valid-{part.name}") for part in parts]
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        for _ in pool.map(
            lambda part, path: workspace.download(bucket, part.key, path), parts, paths
        ):
            pass
    return Rows(RowFiles.of(space, paths), VALID_RELATION)


def _select(snapshot: DatasetSnapshot) -> str:
    """The contract's SQL, with the columns and types that the snapshot promises."""
    columns = ", ".join(
        f"CAST({sql_identifier(name)} AS {column_type(kind)}) AS {sql_identifier(name)}"
        for name, kind in snapshot.output_columns
    )
    return f"SELECT {columns} FROM ({_sql(snapshot)}\n)"


def _result(space: Workspace, unit: _Unit, valid: Rows, limits: StoreLimits) -> tuple[Rows, bool]:
    """What is to be stored; and whether a row of it is known to be suspicious."""
    snapshot = unit.snapshot
    valid.show(space)
    described = space.connection.execute(f"DESCRIBE SELECT * FROM ({_sql(snapshot)}\n)").fetchall()
    found, expected = [row[0] for row in described], [name for name, _ in snapshot.output_columns]
    if found != expected:
        raise InvalidData(
            f"the transform of run {snapshot.run_id} answers the columns {', '.join(found)} instead"
            f" of {', '.join(expected)}"
        )
    select = _select(snapshot)
    if unit.reach is Reach.ROWS:
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


def _count(space: Workspace, unit: _Unit, result: Rows, valid: int) -> int:
    """The result's number of rows.

    Raises:
        InvalidData: there are more than valid ones.
    """
    rows = space.number(f"SELECT count(*) FROM ({result.query}\n)")
    if rows > valid:
        lookups = ", ".join(lookup.name for lookup in unit.snapshot.dataset.lookups)
        doubles = f" (has a lookup the same key twice? There are {lookups})" if lookups else ""
        raise InvalidData(
            f"the transform made {rows} rows of {valid} in {unit.where}; it may leave rows out, but"
            f" joins and unnest that multiply them are not supported{doubles}"
        )
    return rows
