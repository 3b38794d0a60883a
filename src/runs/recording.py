"""What came of a run: add a run's units up, then write the results document and the ledger.

Units are read once and streamed, so that a run of 100,000 of them takes no more memory than one of
ten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any

from boto3.dynamodb.conditions import Attr

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import Conflict, NotFound, OwnershipLost
from contracts.messages import RecordedRun, RecordRun
from contracts.run import RunResult, RunStatus, seconds_between
from contracts.run_request import format_timestamp
from ledger.stop_decision import is_stopping, reason_of, unchanged
from ledger.table import JOB_PREFIX, RUN, UNIT_PREFIX, Item, Ledger
from runs.advice import advise
from runs.outcome import as_stopped, decide
from runs.units import IN_MEMORY_BYTES, Places, UnitRecords, unit_outcomes
from runtime import s3
from runtime.handler import logger, metrics
from sources import frozen
from sources.manifest import read_summary
from stores.redshift.run_rows import run_statements


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Where a run's outcome is recorded.

    Attributes:
        warehouse: whether the deployment has one, as text.
    """

    data_bucket: str
    warehouse: str = "false"
    redshift_copy_role_arn: str = ""


def record_run(
    message: RecordRun, settings: Recording, ledger: Ledger, now: datetime
) -> RecordedRun:
    """Record what came of the run. The document comes first, so an ended run always has its own.

    Raises:
        OwnershipLost: another execution or a later attempt holds the run.
        NotFound: the run is not in the ledger.
        Conflict: somebody has decided to stop the run meanwhile; the same call records that.
    """
    run_id, bucket = message.request.run_id, settings.data_bucket
    run = _owned_run(message, ledger)
    ended_at = _end_of(run, now)
    manifest = read_summary(bucket, run_id)
    items = ledger.query(run_id, UNIT_PREFIX) if manifest and manifest.objects else iter(())
    places = Places.of(bucket, run_id, message.request.dataset_name, _snapshot(bucket, run_id))
    with UnitRecords(unit_outcomes(manifest, items, places)) as records:
        result = decide(message, records, manifest.items if manifest else None)
        if is_stopping(run):
            result = as_stopped(result, reason_of(run))
        key = layout.results_key(run_id)
        written: dict[str, Any] = {}
        if records.count:
            written["results_url"] = layout.s3_url(bucket, key)
        if result.items is not None:
            prefix = layout.item_results_prefix(run_id)
            written["item_results_url"] = layout.s3_url(bucket, prefix)
        if manifest and manifest.hidden:
            written["hidden_objects"] = manifest.hidden
        times = {"started_at": run["claimed_at"], "ended_at": ended_at}
        result = result.model_copy(update={**times, **written})
        result = result.model_copy(update={"next_steps": advise(message.request, result)})
        if records.count:
            _write_document(bucket, key, _head(message, run, result), records)
    _write(message, run, result, ledger, ended_at)
    if not RunStatus(run["status"]).ended:
        _measure(result)
    return RecordedRun(
        result=result,
        statements_url=_warehouse_rows(settings, run, result, ledger, ended_at),
    )


def _owned_run(message: RecordRun, ledger: Ledger) -> Item:
    run = ledger.get_item(message.request.run_id, RUN)
    if run is None:
        raise NotFound(f"run {message.request.run_id} is not in the ledger")
    if (run["run_attempt"], run["holder"]) != (message.run_attempt, message.execution_arn):
        raise _lost(message)
    return run


def _lost(message: RecordRun) -> OwnershipLost:
    return OwnershipLost(
        f"run {message.request.run_id} is not held by attempt {message.run_attempt}"
        f" of {message.execution_arn} any more"
    )


def _end_of(run: Item, now: datetime) -> str:
    """A repeat keeps the end that was written first."""
    if RunStatus(run["status"]).ended and "ended_at" in run:
        return str(run["ended_at"])
    return format_timestamp(now)


def _snapshot(bucket: str, run_id: str) -> DatasetSnapshot | None:
    """The contract as the run read it; None where the run ended before."""
    try:
        return frozen.read_snapshot(bucket, run_id)
    except NotFound:
        return None


def _head(message: RecordRun, run: Item, result: RunResult) -> dict[str, Any]:
    """All of the results document but its outcomes."""
    return {
        **result.to_json(),
        "outcome": result.outcome.value,
        "rowsAddUp": result.rows.balanced,
        "seconds": seconds_between(result.started_at, result.ended_at),
        "request": message.request.to_json(),
        "runAttempt": message.run_attempt,
        "execution": message.execution_arn,
        "endDateTime": run["end_date_time"],
        "datasetVersion": run.get("dataset_version"),
    }


def _write_document(bucket: str, key: str, head: dict[str, Any], records: UnitRecords) -> None:
    """One JSON object; its last field, `outcomes`, has a line for each unit."""
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        for piece in document_pieces(head, records):
            file.write(piece)
        file.seek(0)
        s3.write_file(bucket, key, file)


def document_pieces(head: dict[str, Any], records: UnitRecords) -> Iterator[bytes]:
    """The text of the results document, piece by piece."""
    text = json.dumps(head, indent=1, sort_keys=True, ensure_ascii=False)
    yield text.removesuffix("\n}").encode() + b',\n "outcomes": ['
    for number, line in enumerate(records.lines()):
        yield (b",\n  " if number else b"\n  ") + line
    yield b"\n ]\n}\n"


def _write(message: RecordRun, run: Item, result: RunResult, ledger: Ledger, ended_at: str) -> None:
    changes = {
        "status": result.status.value,
        "units": result.units.model_dump(),
        "rows": result.rows.model_dump(),
        "outcome": result.outcome.value,
        "findings": [finding.model_dump(exclude_none=True) for finding in result.findings],
        "next_steps": [step.model_dump(exclude_none=True) for step in result.next_steps],
        "ended_at": ended_at,
        "updated_at": ended_at,
    }
    optional = {
        "reason": result.reason,
        "results_url": result.results_url,
        "warehouse_error": result.warehouse_error,
        "items": result.items.model_dump() if result.items else None,
    }
    changes.update({name: value for name, value in optional.items() if value is not None})
    removed = [name for name, value in optional.items() if value is None]
    if run.get("reaped") is None:  # else the reaper has still to announce it
        removed.append("active")
    ours = Attr("run_attempt").eq(message.run_attempt) & Attr("holder").eq(message.execution_arn)
    if not ledger.update(message.request.run_id, RUN, changes, removed, ours & unchanged(run)):
        _owned_run(message, ledger)
        raise Conflict(f"run {message.request.run_id} was stopped while its end was being recorded")


def _warehouse_rows(
    settings: Recording, run: Item, result: RunResult, ledger: Ledger, ended_at: str
) -> str | None:
    """Write the statements of the warehouse rows of the run, its units and jobs; their URL."""
    if settings.warehouse != "true":
        return None
    statements = run_statements(
        settings.data_bucket,
        result,
        run,
        ledger.query(result.run_id, UNIT_PREFIX),
        ledger.query(result.run_id, JOB_PREFIX),
        ended_at=ended_at,
        copy_role_arn=settings.redshift_copy_role_arn,
    )
    return s3.write_json(
        settings.data_bucket,
        layout.load_key(result.run_id, layout.RUN_UNIT),
        {"statements": statements, "load_id": f"{result.run_id}/{layout.RUN_UNIT}"},
    )


def _measure(result: RunResult) -> None:
    logger.info("run ended", extra={"status": result.status, "reason": result.reason})
    metrics.add_metric(name=f"Runs{result.status.value.title()}", unit="Count", value=1)
    metrics.add_metric(name="RowsStored", unit="Count", value=result.rows.stored)
    metrics.add_metric(name="RowsRejected", unit="Count", value=result.rows.rejected)
    metrics.add_metric(name="RowsWarned", unit="Count", value=result.rows.warned)
