# ruff: noqa: S608 -- names are quoted by steps.duck; the transform was parsed with the contract
"""transform: the contract's SQL over the valid rows; the result is what is stored.

The same rows always give the same file: the result is sorted by its natural key, which must be
unique and complete, as every target tells rows apart by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot
from contracts.errors import InvalidData
from contracts.messages import Transform, Transformed
from steps import duck, storage
from steps.duck import Workspace, quoted, text
from steps.reading import first_line
from steps.runtime import metrics, settings_from_environment, step_handler

PART: Final = "part-00000.parquet"


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it


@step_handler(Transform)
def handler(message: Transform) -> Transformed:
    return transform(message, settings_from_environment(Settings))


def transform(message: Transform, settings: Settings) -> Transformed:
    """Write the stored form of a unit's valid rows.

    Raises:
        InvalidData: the SQL fails on these rows, its columns are not those the run was started
            with, it makes more rows than it was given, or a key is missing or there twice.
    """
    bucket = settings.data_bucket
    snapshot = storage.read_snapshot(bucket, message.run_id)
    where = f"unit {message.unit_id} of run {message.run_id}"
    output_prefix = layout.output_prefix(message.run_id, message.unit_id)
    with duck.workspace(int(settings.aws_lambda_function_memory_size)) as space:
        valid_file = space.path("valid.parquet")
        duck.download(bucket, layout.valid_key(message.run_id, message.unit_id), valid_file)
        space.connection.execute(
            f"CREATE VIEW valid AS SELECT * FROM read_parquet({text(valid_file)})"
        )
        _apply(space, snapshot, where)
        valid = space.number("SELECT count(*) FROM valid")
        rows = space.number("SELECT count(*) FROM result")
        if rows > valid:
            raise InvalidData(
                f"the transform made {rows} rows of {valid} in {where}; it may leave rows out, but"
                " joins and unnest that multiply them are not supported"
            )
        for keys in _keys(snapshot.dataset):
            _check_key(space, keys, where)
        _write(space, snapshot)
        duck.upload(space.path(PART), bucket, output_prefix + PART)
    metrics.add_metric(name="RowsTransformed", unit=MetricUnit.Count, value=rows)
    return Transformed(
        rows=rows, removed=valid - rows, output_url=layout.s3_url(bucket, output_prefix)
    )


def _apply(space: Workspace, snapshot: DatasetSnapshot, where: str) -> None:
    """Make the table `result`, with the columns and types that the snapshot promises."""
    sql = (snapshot.dataset.transform or "SELECT * FROM valid").strip().rstrip(";")
    columns = ", ".join(
        f"CAST({quoted(name)} AS {duck.column_type(kind)}) AS {quoted(name)}"
        for name, kind in snapshot.output_columns
    )
    expected = [name for name, _ in snapshot.output_columns]
    try:
        described = space.connection.execute(f"DESCRIBE SELECT * FROM ({sql}\n)").fetchall()
        found = [row[0] for row in described]
        if found != expected:
            raise InvalidData(
                f"the transform answers the columns {', '.join(found)} instead of"
                f" {', '.join(expected)} in {where}"
            )
        space.connection.execute(f"CREATE TABLE result AS SELECT {columns} FROM ({sql}\n)")
    except duckdb.Error as error:
        raise InvalidData(f"the transform fails in {where}: {first_line(error)}") from error


def _keys(dataset: Dataset) -> list[tuple[str, ...]]:
    targets = (dataset.targets.dynamodb, dataset.targets.redshift)
    return list(dict.fromkeys(target.key for target in targets if target is not None))


def _check_key(space: Workspace, keys: Sequence[str], where: str) -> None:
    names = ", ".join(quoted(key) for key in keys)
    missing = " OR ".join(f"{quoted(key)} IS NULL" for key in keys)
    without = space.number(f"SELECT count(*) FROM result WHERE {missing}")
    if without:
        raise InvalidData(
            f"{without} rows of the transform's result have no {' or '.join(keys)} in {where};"
            " make the key's columns required"
        )
    twice = space.connection.execute(
        f"SELECT {names}, count(*) FROM result GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL"
    ).fetchmany(4)
    if twice:
        shown = ", ".join("|".join(str(value) for value in row[:-1]) for row in twice[:3])
        raise InvalidData(
            f"the key {', '.join(keys)} is not unique in {where}: {shown}"
            f"{', …' if len(twice) > 3 else ''}; keep one row of each in the transform, such as"
            f" QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY …) = 1"
        )


def _write(space: Workspace, snapshot: DatasetSnapshot) -> None:
    order = ", ".join(quoted(key) for key in _keys(snapshot.dataset)[0])
    space.connection.execute(
        f"COPY (SELECT * FROM result ORDER BY {order}) TO {text(space.path(PART))}"
        " (FORMAT parquet, COMPRESSION snappy)"
    )
