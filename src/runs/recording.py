"""Records a run's result: adds its units up, writes the results document and the RUN item.

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

from contracts import layout
from contracts.base import whole_number
from contracts.dataset import DatasetSnapshot
from contracts.errors import Conflict, NotFound, PipelineError
from contracts.ledger_items import RunItem
from contracts.messages import RecordedRun, RecordRun
from contracts.run import RunResult, seconds_between
from contracts.run_request import RunRequest, format_timestamp
from ledger.retention import note_due
from ledger.runs import change_run, held_as, owned_run, refuse_other_holder, stop_unchanged
from ledger.table import Ledger
from ledger.units import units_of
from remote_jobs.ledger import JobLedger
from runs.advice import advise
from runs.outcome import as_stopped, decide
from runs.spending import Spending, Spent
from runs.superseding import release
from runs.units import IN_MEMORY_BYTES, OutputLocations, UnitRecords, unit_outcomes
from runtime import clients, s3
from runtime.handler import logger, metrics
from sources import frozen
from sources.manifest import read_summary
from sources.stored_objects import hold
from sources.stored_objects.files import StoredFiles
from sources.stored_objects.merging import merge_runs
from sources.stored_objects.recording import StoredByRun, write_of_retried
from stores.redshift.run_rows import run_statements


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Where a run's outcome is recorded.

    Attributes:
        warehouse: whether the deployment has one, as text.
        ledger_retention_days: after which the ledger's records of it go, as text; 0: never.
    """

    data_bucket: str
    warehouse: str = "false"
    redshift_copy_role_arn: str = ""
    ledger_retention_days: str = "0"


def record_run(
    message: RecordRun, settings: Recording, ledger: Ledger, now: datetime
) -> RecordedRun:
    """Record the run's result. The document comes first, so that every ended run has one (of runs
    without units only where the ledger's records do not stay), and so does what its units stored.

    Raises:
        OwnershipLost: another execution or a later attempt holds the run.
        NotFound: the run is not in the ledger.
        Conflict: somebody has decided to stop the run meanwhile; the same call records that.
    """
    run_id, bucket = message.request.run_id, settings.data_bucket
    days = whole_number(settings.ledger_retention_days)
    run = owned_run(ledger, run_id, message.run_attempt, message.execution_arn)
    ended_at = _end_of(run, now)
    manifest = read_summary(bucket, run_id)
    stored = StoredByRun(bucket)
    units = units_of(ledger, run_id) if manifest and manifest.objects else iter(())
    places = OutputLocations.of(
        bucket, run_id, message.request.dataset_name, _snapshot(bucket, run_id)
    )
    why_stopped = run.why_stopped if run.stopping else None
    spending = Spending()
    noted = stored.passing(spending.passing(units))
    with UnitRecords(unit_outcomes(manifest, noted, places, why_stopped)) as records:
        parts = (manifest.items, manifest.source_objects) if manifest else ()
        result = decide(message, records, *parts)
        if run.stopping:
            result = as_stopped(result, run.why_stopped)
        key = layout.results_key(run_id)
        written: dict[str, Any] = dict(started_at=run.claimed_at, ended_at=ended_at)
        if records.count or days:
            written.update(results_url=layout.s3_url(bucket, key))
        if result.items is not None:
            prefix = layout.item_results_prefix(run_id)
            written.update(item_results_url=layout.s3_url(bucket, prefix))
        if manifest:
            written.update(
                hidden_objects=manifest.hidden,
                excluded_objects=manifest.excluded,
                not_ready=manifest.not_ready,
                already_stored=manifest.already_stored,
            )
        spent = spending.of_run(run, message)
        result = result.model_copy(update={**written, "cost": spent.cost})
        result = result.model_copy(update={"next_steps": advise(message.request, result)})
        if records.count or days:
            _write_document(bucket, key, _head(message, run, result, spent), records)
    note_due(ledger, run_id, ended_at, days)
    stored.write(message.request, message.run_attempt)  # before others may take new ones
    if message.request.only_new is not None:
        write_of_retried(bucket, message.request, ledger)
    _write(message, run, result, spent, ledger, ended_at)
    spent.note(ledger, message.request.dataset_name)
    if message.request.only_new is not None:
        hold.release(ledger, message.request.scope, run_id, message.run_attempt)
    if message.refused:
        release(message.request, ledger)
    if not run.status.ended:
        _measure(result)
    return RecordedRun(
        result=result,
        statements_url=_warehouse_rows(settings, run, result, ledger, ended_at),
    )


def merge_stored_objects(request: RunRequest, data_bucket: str) -> None:
    """Merge the files of stored objects, where there are many. The run has ended in any case: what
    fails is merged by the next one."""
    try:
        files = merge_runs(StoredFiles.of(clients.client("s3"), data_bucket, request.scope))
    except PipelineError as error:
        logger.warning("stored objects not merged", extra={"error": repr(error)})
        metrics.add_metric(name="StoredObjectsNotMerged", unit="Count", value=1)
    else:
        if files:
            logger.info("stored objects merged", extra={"files": files})


def _end_of(run: RunItem, now: datetime) -> str:
    """The end that was recorded first stands."""
    return run.ended_at if run.status.ended and run.ended_at else format_timestamp(now)


def _snapshot(bucket: str, run_id: str) -> DatasetSnapshot | None:
    """The contract as the run read it; None where the run ended before."""
    try:
        return frozen.read_snapshot(bucket, run_id)
    except NotFound:
        return None


def _head(message: RecordRun, run: RunItem, result: RunResult, spent: Spent) -> dict[str, Any]:
    """All of the results document but its outcomes."""
    return {
        **result.to_json(),
        "outcome": result.outcome.value,
        "rowsAddUp": result.rows.balanced,
        "seconds": seconds_between(result.started_at, result.ended_at),
        "request": message.request.to_json(),
        "runAttempt": message.run_attempt,
        "execution": message.execution_arn,
        "endDateTime": run.end_date_time,
        "datasetVersion": run.dataset_version,
        **({"usage": spent.usage} if spent.usage is not None else {}),
    }


def _write_document(bucket: str, key: str, head: dict[str, Any], records: UnitRecords) -> None:
    """One JSON object; its last field, `outcomes`, has a line for each unit."""
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        for chunk in document_chunks(head, records):
            file.write(chunk)
        file.seek(0)
        s3.write_file(bucket, key, file)


def document_chunks(head: dict[str, Any], records: UnitRecords) -> Iterator[bytes]:
    """The text of the results document, chunk by chunk."""
    text = json.dumps(head, indent=1, sort_keys=True, ensure_ascii=False)
    yield text.removesuffix("\n}").encode() + b',\n "outcomes": ['
    for number, line in enumerate(records.lines()):
        yield (b",\n  " if number else b"\n  ") + line
    yield b"\n ]\n}\n"


def _write(
    message: RecordRun,
    run: RunItem,
    result: RunResult,
    spent: Spent,
    ledger: Ledger,
    ended_at: str,
) -> None:
    changes: dict[str, Any] = dict(
        **dict.fromkeys(RunItem.OF_WAITING),
        status=result.status,
        units=result.units,
        rows=result.rows,
        outcome=result.outcome,
        findings=result.findings,
        next_steps=result.next_steps,
        ended_at=ended_at,
        updated_at=ended_at,
        reason=result.reason,
        results_url=result.results_url,
        warehouse_error=result.warehouse_error,
        items=result.items,
        objects=result.objects,
        already_stored=result.already_stored,
        waits_until=None,
        waiting_units=None,
        usage=spent.usage,
        own_usage=spent.own_usage,
        cost=spent.cost,
    )
    if run.reaped is None:  # else the reaper has still to announce it
        changes.update(active=None)
    as_read = held_as(run) & stop_unchanged(run)
    written, current = change_run(ledger, run.run_id, as_read, **changes)
    if written:
        return
    if current is not None:
        refuse_other_holder(current, message.run_attempt, message.execution_arn)
    raise Conflict(f"run {run.run_id} was stopped while its end was being recorded")


def _warehouse_rows(
    settings: Recording, run: RunItem, result: RunResult, ledger: Ledger, ended_at: str
) -> str | None:
    """Write the statements of the warehouse rows of the run, its units and jobs; their URL."""
    if settings.warehouse != "true":
        return None
    statements = run_statements(
        settings.data_bucket,
        result,
        run,
        units_of(ledger, result.run_id),
        JobLedger(ledger).all_of_run(result.run_id),
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
