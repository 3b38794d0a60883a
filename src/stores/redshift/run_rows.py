"""What the warehouse stores of a run: one row for it, and one for each of its units and jobs.

Units and jobs may be 100,000 and more, so they go by a file each (JSON lines, gzip) that COPY
reads. All of it is one transaction which replaces what an earlier attempt of the run left, and
fails where a later one has been there.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, Final

from contracts import layout
from contracts.ledger_items import JobItem, RunItem, UnitItem
from contracts.run import RowCounts, RunResult
from contracts.run_request import format_timestamp
from contracts.warehouse_errors import LATER_ATTEMPT
from runtime import clients
from stores.redshift.sql import copy, cut, identifier, literal

ERROR_BYTES: Final = 4096
_SPOOLED_BYTES: Final = 16 * 1024 * 1024
RUNS, UNITS, JOBS = (f'"public"."pipeline_{name}"' for name in ("runs", "units", "jobs"))


def run_statements(
    bucket: str,
    result: RunResult,
    run: RunItem,
    units: Iterable[UnitItem],
    jobs: Iterable[JobItem],
    *,
    ended_at: str,
    copy_role_arn: str = "",
) -> list[str]:
    """The run's transaction; writes the files that it copies.

    The tables are those of `sql/`, made by prepare-warehouse. May be repeated.

    Args:
        bucket: the data bucket.
        run: the run as the ledger has it.
        units: its units; each may be looked at once, as it comes.
        jobs: its jobs, likewise.
        ended_at: ISO 8601, UTC.
        copy_role_arn: empty: the cluster's default role.
    """
    run_id = result.run_id
    files = (
        (UNITS, "units", map(unit_row, units)),
        (JOBS, "jobs", map(job_row, jobs)),
    )
    # Runs that end at the same time follow one another, instead of failing with conflicts.
    attempt = run.run_attempt
    statements = [f"LOCK TABLE {RUNS}", _no_later_attempt(run_id, attempt)]
    for table, name, rows in files:
        key = layout.warehouse_rows_key(run_id, attempt, name)
        count = _write(bucket, key, rows)
        statements.append(f'DELETE FROM {table} WHERE "run_id" = {literal(run_id)}')
        if count:
            url = layout.s3_url(bucket, key)
            statements.append(copy(table, url, copy_role_arn, "FORMAT AS JSON 'auto' GZIP"))
    return [*statements, *_run_row(result, run, ended_at)]


def unit_row(unit: UnitItem) -> dict[str, Any]:
    """A row of `pipeline_units`."""
    failure = unit.failure
    return {
        "run_id": unit.run_id,
        "unit_id": unit.unit_id,
        "run_attempt": unit.run_attempt,
        "source_url": unit.source_url,
        "source_bytes": unit.source_bytes,
        "status": unit.outcome.value,
        **_counts(unit.rows or RowCounts()),
        "started_at": _time(unit.started_at),
        "ended_at": _time(unit.ended_at),
        "failed_stage": failure and failure.stage,
        "error_type": failure and failure.error_type,
        "error": failure and _shortened(failure.message),
    }


def job_row(job: JobItem) -> dict[str, Any]:
    """A row of `pipeline_jobs`."""
    return {
        **job.key.model_dump(),
        "job_id": job.job_id,
        "engine": job.engine.value,
        "service_id": job.service_id,
        "state": job.state.value,
        "input_url": job.input_url,
        "output_url": job.output_url,
        "log_url": job.log_url,
        "submitted_at": _time(format_timestamp(job.submitted_at)),
        "ended_at": _time(format_timestamp(job.ended_at) if job.ended_at else None),
        "error": _shortened(job.error),
    }


def _no_later_attempt(run_id: str, attempt: int) -> str:
    """Fails, and so ends the transaction, when a later attempt's rows are there.

    The text that is cast must depend on the data: a constant is cast when the statement is read, as
    PostgreSQL and Redshift's parser do, whatever the CASE says.
    """
    return (
        f"SELECT CASE WHEN COUNT(*) = 0 THEN COUNT(*) ELSE CAST('{LATER_ATTEMPT}: a later attempt"
        f" than {attempt} has been recorded, runs: ' || CAST(COUNT(*) AS VARCHAR) AS BIGINT) END"
        " AS later_attempts"
        f' FROM {RUNS} WHERE "run_id" = {literal(run_id)} AND "run_attempt" > {attempt}'
    )


def _run_row(result: RunResult, run: RunItem, ended_at: str) -> list[str]:
    values: dict[str, str | int | None] = {
        "run_id": result.run_id,
        "dataset_name": result.dataset_name,
        "dataset_version": run.dataset_version,
        "status": result.status.value,
        "run_attempt": run.run_attempt,
        "units_total": result.units.total,
        "units_stored": result.units.stored,
        "units_failed": result.units.failed + result.units.not_started,  # so that they add up
        **_counts(result.rows),
        "started_at": _time(run.claimed_at),
        "ended_at": _time(ended_at),
        "results_url": result.results_url,
        "reason": _shortened(result.reason),
    }
    names = ", ".join(identifier(name) for name in values)
    row = ", ".join(literal(value) for value in values.values())
    return [
        f'DELETE FROM {RUNS} WHERE "run_id" = {literal(result.run_id)}',
        f"INSERT INTO {RUNS} ({names}) VALUES ({row})",
    ]


def _counts(rows: RowCounts) -> dict[str, int]:
    """Rows by what became of them, named as the columns are."""
    return {
        name if name == "rows_in" else f"rows_{name}": count
        for name, count in rows.model_dump().items()
    }


def _time(value: str | None) -> str | None:
    """An ISO 8601 time in UTC as COPY and literals take it for a TIMESTAMP, which has no zone."""
    return None if value is None else value.removesuffix("Z").replace("T", " ")


def _shortened(error: str | None) -> str | None:
    return None if error is None else cut(error, ERROR_BYTES)


def _write(bucket: str, key: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON lines; returns how many there were."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as file:
        # The same rows make the same bytes: no time and no name in the header.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            count = _lines(packed.write, rows)
        file.seek(0)
        _upload(file, bucket, key)
    return count


def _lines(write: Callable[[bytes], object], rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 -- the last number is the count
        known = {name: value for name, value in row.items() if value is not None}
        write(json.dumps(known, ensure_ascii=False).encode() + b"\n")
    return count


def _upload(file: IO[bytes], bucket: str, key: str) -> None:
    with clients.translated(f"writing s3://{bucket}/{key}"):
        clients.client("s3").upload_fileobj(Fileobj=file, Bucket=bucket, Key=key)
