# ruff: noqa: S608 -- names and texts are quoted by steps.duck; rules were parsed with the contract
"""validate: split a unit's rows into valid ones (typed, Parquet) and rejected ones (with reasons).

Nothing is dropped: what the job or this step cannot take lies in the quarantine, and the counts of
the two must agree with the rows that were read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, TextIO

import duckdb
from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.dataset import DatasetSnapshot, Severity
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from contracts.messages import Validate, Validated
from steps import duck, job_output, reading, storage
from steps.checks import Check, cast_column, castable, checks
from steps.duck import Workspace, quoted, text
from steps.runtime import logger, metrics, settings_from_environment, step_handler

VALUE_CHARACTERS: Final = 500  # of a value in a quarantined row; `raw` has all of it


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it


@dataclass(frozen=True)
class Input:
    """A unit's rows in the workspace's tables, and what the job before said of them.

    Attributes:
        path: the file that was read; of several, the first.
        rows_in: rows of the source object, malformed ones included.
        filtered: rows that the jobs left out by the query.
        removed: rows that they took out for what they are for, such as doubles.
        job_rejects: their malformed rows, as JSON lines.
    """

    path: Path
    reading: reading.Reading
    rows_in: int
    filtered: int = 0
    removed: int = 0
    job_rejects: Path | None = None


@dataclass
class Rejects:
    """What was rejected and why."""

    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    fatal: Counter[str] = field(default_factory=Counter)

    def add(self, reject: dict[str, Any]) -> None:
        self.count += 1
        column = reject.get("column")
        self.reasons[f"{reject['rule']} {column}" if column else reject["rule"]] += 1


@step_handler(Validate)
def handler(message: Validate) -> Validated:
    return validate(message, settings_from_environment(Settings))


def validate(message: Validate, settings: Settings) -> Validated:
    """Check every row of a unit against the contract.

    Raises:
        InvalidData: the object is unreadable, too large or not what the job reported; too many rows
            are rejected; a rule of severity `fail` is broken.
    """
    bucket = settings.data_bucket
    snapshot = storage.read_snapshot(bucket, message.run_id)
    entry = storage.read_unit(bucket, message.run_id, message.unit_id)
    _check_size(entry, snapshot)
    with duck.workspace(int(settings.aws_lambda_function_memory_size)) as space:
        rows = (
            _read_job_output(space, message.input_url, snapshot)
            if message.input_url
            else _read_source(space, entry, snapshot)
        )
        query = None if message.input_url else snapshot.query
        filtered = rows.filtered + _check_rows(space, snapshot, rows.reading.rows, query)
        rejected_file = space.path("rejected.jsonl")
        rejects = _write_rejects(space, rejected_file, snapshot, rows, entry.url)
        rejected_url = None
        if rejects.count:
            key = layout.quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
            rejected_url = duck.upload(rejected_file, bucket, key)
        _check_rejects(rejects, rows.rows_in, snapshot, entry.url, rejected_url)
        valid = _write_valid(space, snapshot, space.path("valid.parquet"))
        if rows.rows_in != filtered + rows.removed + rejects.count + valid:
            raise InvalidData(
                f"{entry.url}: {rows.rows_in} rows were read, but {filtered} filtered,"
                f" {rows.removed} removed, {rejects.count} rejected and {valid} valid ones came of"
                " them"
            )
        valid_key = layout.valid_key(message.run_id, message.unit_id)
        valid_url = duck.upload(space.path("valid.parquet"), bucket, valid_key)
    for name, value in (("RowsValid", valid), ("RowsRejected", rejects.count)):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return Validated(
        rows_in=rows.rows_in,
        filtered=filtered,
        rejected=rejects.count,
        valid=valid,
        removed=rows.removed,
        valid_url=valid_url,
        rejected_url=rejected_url,
    )


def _check_size(entry: ManifestEntry, snapshot: DatasetSnapshot) -> None:
    limit = snapshot.dataset.limits.object_megabytes
    if entry.size > limit * duck.MEGABYTE:
        raise InvalidData(
            f"{entry.url} has {entry.size / duck.MEGABYTE:.0f} MB, over the contract's limit of"
            f" {limit} MB (limits.objectMegabytes); split it, or raise the limit"
        )


def _read_source(space: Workspace, entry: ManifestEntry, snapshot: DatasetSnapshot) -> Input:
    path = space.path("source" + PurePosixPath(entry.key).suffix)
    duck.download(entry.bucket, entry.key, path, etag=entry.etag)
    result = reading.read_file(space, path, snapshot.dataset, entry.url)
    if result.ignored_columns:
        logger.info("columns ignored", extra={"columns": result.ignored_columns})
    return Input(path, result, rows_in=result.rows + result.malformed)


def _read_job_output(space: Workspace, url: str, snapshot: DatasetSnapshot) -> Input:
    output = job_output.read(space, url, snapshot.dataset)
    counts = output.report
    return Input(
        output.path,
        output.reading,
        rows_in=counts.rows_in,
        filtered=counts.filtered,
        removed=counts.removed,
        job_rejects=output.rejects,
    )


def _check_rows(space: Workspace, snapshot: DatasetSnapshot, rows: int, query: str | None) -> int:
    """Make the table `checked`, typed rows with their broken checks; the number of filtered ones.

    A row is filtered when all its values have their types and the query is not true for it; one
    with a value that has not stays, to be rejected for that.
    """
    dataset = snapshot.dataset
    typed = ", ".join(f"{cast_column(c)} AS {quoted(c.name)}" for c in dataset.columns)
    broken = ", ".join(
        f"CASE WHEN {check.broken} THEN '{i}' END" for i, check in enumerate(checks(dataset))
    )
    kept = f" WHERE NOT ({castable(dataset)} AND ({query}\n) IS NOT TRUE)" if query else ""
    names = ", ".join(quoted(column.name) for column in dataset.columns)
    try:
        space.connection.execute(
            f'CREATE TABLE checked AS SELECT "row-number", {names},'
            f" concat_ws(',', NULL, {broken or 'NULL'}) AS \"broken-checks\""
            f' FROM (SELECT *, rowid + 1 AS "row-number", {typed} FROM {reading.ROWS}){kept}'
        )
    except duckdb.Error as error:
        raise InvalidData(
            f"a rule or the query cannot be computed: {reading.first_line(error)}"
        ) from error
    return rows - space.number("SELECT count(*) FROM checked")


def _write_rejects(
    space: Workspace, path: Path, snapshot: DatasetSnapshot, rows: Input, source: str
) -> Rejects:
    """Write every rejected row: first the job's, then the malformed, then those against checks."""
    rejects = Rejects()
    with path.open("w", encoding="utf-8") as file:
        if rows.job_rejects:
            with rows.job_rejects.open(encoding="utf-8") as lines:
                for line in lines:
                    _write(file, json.loads(line), rejects)
        for row in reading.malformed_rows(space, rows.path):
            column = {} if row.column is None else {"column": row.column}
            reject = {"source": source, "line": row.line, "rule": "malformed", **column}
            _write(file, {**reject, "reason": row.reason, "raw": row.raw}, rejects)
        for reject in _broken_rows(space, snapshot, rejects):
            _write(file, {"source": source, **reject}, rejects)
    return rejects


def _write(file: TextIO, reject: dict[str, Any], rejects: Rejects) -> None:
    file.write(json.dumps(reject, ensure_ascii=False) + "\n")
    rejects.add(reject)


def _broken_rows(
    space: Workspace, snapshot: DatasetSnapshot, rejects: Rejects
) -> Iterator[dict[str, Any]]:
    """Rows that break checks: the first one broken is the reason, all of them are listed.

    `row` counts the rows that could be read, from 1.
    """
    every = checks(snapshot.dataset)
    names = [column.name for column in snapshot.dataset.columns]
    texts = ", ".join(f"rows.{reading.text_column(name)}" for name in names)
    cursor = space.connection.cursor().execute(
        f'SELECT "row-number", "broken-checks", {texts} FROM checked'
        f' JOIN {reading.ROWS} AS rows ON rows.rowid = checked."row-number" - 1'
        ' WHERE "broken-checks" <> \'\' ORDER BY "row-number"'
    )
    while batch := cursor.fetchmany(1000):
        for number, broken, *values in batch:
            raw = dict(zip(names, values, strict=True))
            found = [every[int(i)] for i in broken.split(",")]
            for check in found:
                if check.severity is Severity.FAIL:
                    rejects.fatal[check.rule] += 1
            yield {"row": number, **_why(found, raw), "raw": raw}


def _why(found: list[Check], raw: dict[str, Any]) -> dict[str, Any]:
    first = found[0]
    why: dict[str, Any] = {"rule": first.rule}
    value = None
    if first.column is not None:
        why["column"] = first.column
        value = raw[first.column]
    if value is not None:
        why["value"] = value[:VALUE_CHARACTERS]
    shown = "" if value is None else repr(value[:80])
    why["reason"] = first.reason.format(value=shown) if first.column else first.reason
    if len(found) > 1:
        why["broken"] = [f"{c.rule} {c.column}" if c.column else c.rule for c in found]
    return why


def _check_rejects(
    rejects: Rejects, rows_in: int, snapshot: DatasetSnapshot, source: str, url: str | None
) -> None:
    if rejects.fatal:
        broken = ", ".join(f"{rule} ({n} rows)" for rule, n in rejects.fatal.most_common())
        raise InvalidData(
            f"{source} breaks rules of severity fail: {broken}; the rejected rows are in {url}"
        )
    limit = snapshot.dataset.limits.rejected_percentage
    if rejects.count * 100 > limit * rows_in:
        top = ", ".join(f"{reason} ({n})" for reason, n in rejects.reasons.most_common(3))
        raise InvalidData(
            f"{source}: {rejects.count} of {rows_in} rows are rejected"
            f" ({rejects.count * 100 / rows_in:.1f} %, the contract allows {limit:g} %); most of"
            f" them by: {top}; they are in {url}"
        )


def _write_valid(space: Workspace, snapshot: DatasetSnapshot, path: Path) -> int:
    names = ", ".join(quoted(column.name) for column in snapshot.dataset.columns)
    return space.number(
        f"COPY (SELECT {names} FROM checked WHERE \"broken-checks\" = '')"
        f" TO {text(path)} (FORMAT parquet, COMPRESSION snappy)"
    )
