"""record_run: add a run's units up, then write the results document and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from boto3.dynamodb.conditions import Attr

from contracts import layout
from contracts.errors import NotFound, OwnershipLost
from contracts.messages import RecordedRun, RecordRun
from contracts.run import RunResult, RunStatus, UnitOutcome
from contracts.run_request import format_timestamp
from steps import storage, warehouse
from steps.ledger import RUN, UNIT_PREFIX, Item, Ledger
from steps.manifest_store import read_summary
from steps.run_outcome import decide, unit_outcomes
from steps.runtime import logger, metrics, settings_from_environment, step_handler, utc_now


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str
    warehouse: str = "false"


@step_handler(RecordRun)
def handler(message: RecordRun) -> RecordedRun:
    settings = settings_from_environment(Settings)
    return record_run(message, settings, Ledger(settings.ledger_table), utc_now())


def record_run(
    message: RecordRun, settings: Settings, ledger: Ledger, now: datetime
) -> RecordedRun:
    """Record what came of the run. The document comes first, so an ended run always has its own.

    Raises:
        OwnershipLost: another execution or a later attempt holds the run.
        NotFound: the run is not in the ledger.
    """
    run_id, bucket = message.request.run_id, settings.data_bucket
    run = _owned_run(message, ledger)
    ended_at = _end_of(run, now)
    manifest = read_summary(bucket, run_id)
    items = list(ledger.query(run_id, UNIT_PREFIX)) if manifest and manifest.objects else []
    outcomes = unit_outcomes(manifest, items)
    result = decide(message, outcomes)
    if outcomes:
        key = layout.results_key(run_id)
        result = result.model_copy(update={"results_url": layout.s3_url(bucket, key)})
        sources = {item["item"]: item.get("source_url") for item in items}
        storage.write_json(
            bucket, key, _document(message, run, result, outcomes, sources, ended_at)
        )
    _write(message, run, result, ledger, ended_at)
    if not RunStatus(run["status"]).ended:
        _measure(result)
    return RecordedRun(
        result=result, statements_url=_run_row(message, settings, run, result, ended_at)
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


def _document(
    message: RecordRun,
    run: Item,
    result: RunResult,
    outcomes: Sequence[UnitOutcome],
    sources: dict[str, str | None],
    ended_at: str,
) -> dict[str, Any]:
    return {
        **result.to_json(),
        "request": message.request.to_json(),
        "runAttempt": message.run_attempt,
        "execution": message.execution_arn,
        "endDateTime": run["end_date_time"],
        "datasetVersion": run.get("dataset_version"),
        "startedAt": run["claimed_at"],
        "endedAt": ended_at,
        "outcomes": [
            {**outcome.to_json(), "sourceUrl": sources.get(f"{UNIT_PREFIX}{outcome.unit_id}")}
            for outcome in outcomes
        ],
    }


def _write(message: RecordRun, run: Item, result: RunResult, ledger: Ledger, ended_at: str) -> None:
    changes = {
        "status": result.status.value,
        "units": result.units.model_dump(),
        "rows": result.rows.model_dump(),
        "ended_at": ended_at,
        "updated_at": ended_at,
    }
    optional = {"reason": result.reason, "results_url": result.results_url}
    changes.update({name: value for name, value in optional.items() if value is not None})
    removed = [name for name, value in optional.items() if value is None]
    if run.get("reaped") is None:  # else the reaper has still to announce it
        removed.append("active")
    ours = Attr("run_attempt").eq(message.run_attempt) & Attr("holder").eq(message.execution_arn)
    if not ledger.update(message.request.run_id, RUN, changes, removed, ours):
        raise _lost(message)


def _run_row(
    message: RecordRun, settings: Settings, run: Item, result: RunResult, ended_at: str
) -> str | None:
    """Write the statements of the run's own warehouse row; their URL."""
    if settings.warehouse != "true":
        return None
    statements = warehouse.run_row_statements(
        result,
        run_attempt=message.run_attempt,
        started_at=run["claimed_at"],
        ended_at=ended_at,
    )
    return storage.write_json(
        settings.data_bucket,
        layout.load_key(result.run_id, layout.RUN_UNIT),
        {"statements": statements, "load_id": f"{result.run_id}/{layout.RUN_UNIT}"},
    )


def _measure(result: RunResult) -> None:
    logger.info("run ended", extra={"status": result.status, "reason": result.reason})
    metrics.add_metric(name=f"Runs{result.status.value.title()}", unit="Count", value=1)
    metrics.add_metric(name="RowsStored", unit="Count", value=result.rows.stored)
    metrics.add_metric(name="RowsRejected", unit="Count", value=result.rows.rejected)
