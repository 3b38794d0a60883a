# ruff: noqa: S608 -- names are quoted by steps.duck; the transform was parsed with the contract
"""transform: the contract's SQL over the valid rows; the result is what is stored.

The same rows always give the same files: a transform that looks at single rows keeps them in their
order, the result of any other is sorted by its natural key, which must be unique and complete, as
every target tells rows apart by it. Whatever there is of it goes through a bounded memory.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import duckdb
from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.dataset import VALID_RELATION, Dataset, DatasetSnapshot
from contracts.errors import InvalidData
from contracts.messages import Transform, Transformed
from steps import duck, storage
from steps.duck import MEGABYTE, Workspace, quoted, text
from steps.lookup_tables import load_lookups
from steps.query_plan import Reach, reach_of
from steps.reading import first_line
from steps.result_parts import Rows, write_parts
from steps.runtime import logger, metrics, settings_from_environment, step_handler

_SORTED: Final = "sorted-result"  # the hyphen keeps it apart from lookups
# Disk that a byte of valid rows comes to, measured on 2 GB of orders: the rows and one part; or
# the rows, all of them spilled uncompressed, and the sorted result.
_DISK: Final = {Reach.ROWS: 1.5, Reach.TABLES: 7.0, Reach.TOGETHER: 7.0}
_ADVICE: Final = "make the objects smaller, or let a Spark job do this (docs/jobs.md)"


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it
    ephemeral_megabytes: str = "512"  # disk; what a function has unless the template says more


@step_handler(Transform)
def handler(message: Transform) -> Transformed:
    return transform(message, settings_from_environment(Settings))


def transform(message: Transform, settings: Settings) -> Transformed:
    """Write the stored form of a unit's valid rows.

    Raises:
        InvalidData: the SQL fails on these rows, its columns are not those the run was started
            with, it makes more rows than it was given, or a key is missing or there twice; or a
            lookup is not as it was.
    """
    bucket = settings.data_bucket
    snapshot = storage.read_snapshot(bucket, message.run_id)
    where = f"unit {message.unit_id} of run {message.run_id}"
    output_prefix = layout.output_prefix(message.run_id, message.unit_id)
    reach = _reach(snapshot, where)
    memory = int(settings.aws_lambda_function_memory_size)

    def keep(part: Path, name: str) -> None:
        duck.upload(part, bucket, output_prefix + name)

    with duck.workspace(memory, threads=1 if reach is Reach.TOGETHER else None) as space:
        valid_file = space.path("valid.parquet")
        duck.download(bucket, layout.valid_key(message.run_id, message.unit_id), valid_file)
        _check_disk(valid_file, reach, int(settings.ephemeral_megabytes), where)
        load_lookups(space, snapshot)
        try:
            valid = _valid_rows(space, valid_file)
            result = _result(space, snapshot, valid, reach)
            rows = _check(space, snapshot, result, valid.count, where)
            part_bytes = snapshot.dataset.limits.part_megabytes * MEGABYTE
            files = write_parts(space, result, part_bytes, keep)
        except duckdb.Error as error:
            _refuse(error, where)
    logger.info("transformed", extra={"rows": rows, "files": files, "reach": reach.value})
    metrics.add_metric(name="RowsTransformed", unit=MetricUnit.Count, value=rows)
    return Transformed(
        rows=rows,
        removed=valid.count - rows,
        output_url=layout.s3_url(bucket, output_prefix),
        files=files,
    )


def _refuse(error: duckdb.Error, where: str) -> NoReturn:
    advice = ""
    if isinstance(error, duckdb.OutOfMemoryException):
        advice = f"; it needs more memory or disk than the function has: {_ADVICE}"
    raise InvalidData(f"the transform fails in {where}: {first_line(error)}{advice}") from error


def _check_disk(valid_file: Path, reach: Reach, ephemeral_megabytes: int, where: str) -> None:
    """Refuse up front what would fill the disk.

    Raises:
        InvalidData: it would.
    """
    size = valid_file.stat().st_size / MEGABYTE
    if size * _DISK[reach] > ephemeral_megabytes:
        raise InvalidData(
            f"the transform of {where} needs about {size * _DISK[reach]:.0f} MB of disk for"
            f" {size:.0f} MB of valid rows; the function has {ephemeral_megabytes} MB: {_ADVICE}"
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


def _valid_rows(space: Workspace, file: Path) -> Rows:
    count = space.number(f"SELECT count(*) FROM read_parquet({text(file)})")
    return Rows(file, count, VALID_RELATION)


def _result(space: Workspace, snapshot: DatasetSnapshot, valid: Rows, reach: Reach) -> Rows:
    """What is to be stored, with the columns and types that the snapshot promises."""
    valid.show(space)
    sql = _sql(snapshot)
    described = space.connection.execute(f"DESCRIBE SELECT * FROM ({sql}\n)").fetchall()
    found, expected = [row[0] for row in described], [name for name, _ in snapshot.output_columns]
    if found != expected:
        raise InvalidData(
            f"the transform of run {snapshot.run_id} answers the columns {', '.join(found)} instead"
            f" of {', '.join(expected)}"
        )
    columns = ", ".join(
        f"CAST({quoted(name)} AS {duck.column_type(kind)}) AS {quoted(name)}"
        for name, kind in snapshot.output_columns
    )
    select = f"SELECT {columns} FROM ({sql}\n)"
    if reach is Reach.ROWS:
        return Rows(valid.file, valid.count, VALID_RELATION, select)
    return _sorted(space, select, _keys(snapshot.dataset)[0])


def _sorted(space: Workspace, select: str, key: Sequence[str]) -> Rows:
    """All rows of a query, in the order of a key, in a file of their own."""
    file: Path = space.path("sorted.parquet")
    order = ", ".join(quoted(name) for name in key)
    count = space.number(
        f"COPY ({select} ORDER BY {order}) TO {text(file)} (FORMAT parquet, COMPRESSION snappy)"
    )
    result = Rows(file, count, _SORTED)
    result.show(space)
    return result


def _keys(dataset: Dataset) -> list[tuple[str, ...]]:
    targets = (dataset.targets.dynamodb, dataset.targets.redshift)
    return list(dict.fromkeys(target.key for target in targets if target is not None))


def _check(
    space: Workspace, snapshot: DatasetSnapshot, result: Rows, valid: int, where: str
) -> int:
    """The result's number of rows.

    Raises:
        InvalidData: there are more than valid ones, or a target could not tell them apart.
    """
    rows = space.number(f"SELECT count(*) FROM ({result.query}\n)")
    if rows > valid:
        lookups = ", ".join(lookup.name for lookup in snapshot.dataset.lookups)
        doubles = f" (has a lookup the same key twice? There are {lookups})" if lookups else ""
        raise InvalidData(
            f"the transform made {rows} rows of {valid} in {where}; it may leave rows out, but"
            f" joins and unnest that multiply them are not supported{doubles}"
        )
    texts = {name for name, kind in snapshot.output_columns if kind == "string"}
    redshift = snapshot.dataset.targets.redshift
    for keys in _keys(snapshot.dataset):
        trimmed = texts if redshift is not None and keys == redshift.key else set()
        _check_key(space, result, keys, trimmed, where)
    return rows


def _check_key(
    space: Workspace, result: Rows, keys: Sequence[str], trimmed: Set[str], where: str
) -> None:
    """Complete and unique.

    Args:
        trimmed: columns of texts that are the same without their trailing blanks, as Redshift
            compares them ("Character types" in its Database Developer Guide).
    """
    names = ", ".join(
        f"rtrim({quoted(key)}, ' ')" if key in trimmed else quoted(key) for key in keys
    )
    missing = " OR ".join(f"{quoted(key)} IS NULL" for key in keys)
    without = space.number(f"SELECT count(*) FROM ({result.query}\n) WHERE {missing}")
    if without:
        raise InvalidData(
            f"{without} rows of the transform's result have no {' or '.join(keys)} in {where};"
            " make the key's columns required"
        )
    twice = space.connection.execute(
        f"SELECT {names}, count(*) FROM ({result.query}\n)"
        " GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 4"
    ).fetchall()
    if twice:
        shown = ", ".join("|".join(str(value) for value in row[:-1]) for row in twice[:3])
        raise InvalidData(
            f"the key {', '.join(keys)} is not unique in {where}: {shown}"
            f"{', …' if len(twice) > 3 else ''}"
            f"{' (blanks at the end do not count in the warehouse)' if trimmed else ''};"
            " keep one row of each in the transform, such as"
            f" QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY …) = 1"
        )
