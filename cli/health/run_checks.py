"""Active runs whose execution makes no progress, and jobs that outlived their deadline."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView, Run
from cli.health.diagnosis import Diagnosis, Health, with_stack
from cli.views.ages import age
from contracts.job import Engine
from contracts.run_request import parse_timestamp

RUNS_AT_MOST: Final = 50
_SILENT_SECONDS: Final = 3600
# The reaper ends what its event missed at its next sweep, every quarter of an hour.
SWEEP_SECONDS: Final = 20 * 60
_OVERDUE_SECONDS: Final = 20 * 60
ENDS: Final = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionStopped")


def runs(deployment: Deployment) -> list[Diagnosis]:
    """Active runs, the longest active first; those that look stuck one by one."""
    ledger = _ledger(deployment)
    active = list(ledger.active_runs(RUNS_AT_MOST + 1))
    more = len(active) > RUNS_AT_MOST
    stuck = [
        found for run in active[:RUNS_AT_MOST] if (found := _stuck(deployment, run)) is not None
    ]
    said = f"{'more than ' if more else ''}{min(len(active), RUNS_AT_MOST)} active"
    said += f", the {RUNS_AT_MOST} oldest looked at" if more else ""
    return stuck or [Diagnosis("runs", Health.OK, said)]


def jobs(deployment: Deployment) -> list[Diagnosis]:
    """Jobs that run on long after their deadline, at which they are cancelled."""
    ledger, now = _ledger(deployment), time.time()
    overdue, count = [], 0
    for engine in Engine:
        for run_id, job in ledger.active_jobs(engine):
            count += 1
            late = now - job.deadline if job.deadline else 0
            if late > _OVERDUE_SECONDS:
                found = f"{job.engine} job of unit {job.unit_id} is {age(late)} past its deadline"
                advice = with_stack(f"pipeline jobs {run_id}", deployment)
                overdue.append(Diagnosis(f"job {job.job_id}", Health.PROBLEM, found, advice))
    return overdue or [Diagnosis("jobs", Health.OK, f"{count} active, none overdue")]


def _stuck(deployment: Deployment, run: Run) -> Diagnosis | None:
    item = run.item
    if item.waiting_until or item.waits_until:  # which both say until when
        return None
    try:
        last = last_event(deployment, run.holder)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        last = None
    advice = with_stack(f"pipeline history {run.run_id}", deployment)
    if last is None:
        changed = _seconds_since(item.updated_at or item.claimed_at)
        if changed is None or changed < SWEEP_SECONDS:
            return None
        found = f"{run.status}, but its execution is not there any more"
        return Diagnosis(f"run {run.run_id}", Health.PROBLEM, found, _REAPED)
    quiet = time.time() - last["EventTimestamp"].timestamp()
    if last["EventType"] in ENDS and quiet > SWEEP_SECONDS:
        found = f"{run.status}, but its execution ended {age(quiet)} ago ({last['EventType']})"
        return Diagnosis(f"run {run.run_id}", Health.PROBLEM, found, _REAPED)
    if quiet > _SILENT_SECONDS:
        found = f"{run.status}; its last operation was {age(quiet)} ago ({last['EventType']})"
        return Diagnosis(f"run {run.run_id}", Health.ATTENTION, found, advice)
    return None


_REAPED: Final = (
    "the reaper should have ended it: look at its log and at the alarm ReaperFailed"
    " (docs/operations.md, Stop)"
)


def last_event(deployment: Deployment, arn: str) -> dict[str, Any] | None:
    """The latest event of an execution."""
    page = deployment.client("lambda").get_durable_execution_history(
        DurableExecutionArn=arn, IncludeExecutionData=False, MaxItems=1, ReverseOrder=True
    )
    events: list[dict[str, Any]] = page["Events"]
    return events[0] if events else None


def _seconds_since(instant: str | None) -> float | None:
    if instant is None:
        return None
    return (datetime.now(UTC) - parse_timestamp(instant)).total_seconds()


def _ledger(deployment: Deployment) -> LedgerView:
    return LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
