"""Backfills that nothing works on, and those that ended with windows that failed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from botocore.exceptions import ClientError

from cli.client.backfills import ledger_of
from cli.client.deployment import Deployment
from cli.health.diagnosis import Diagnosis, Health, with_stack
from cli.health.run_checks import ENDS, SWEEP_SECONDS, last_event
from cli.views.ages import age
from contracts.ledger_items import BackfillItem
from contracts.run_request import parse_timestamp
from contracts.times.backfill import BackfillStatus

_RECENT_SECONDS: Final = 24 * 3600


def backfills(deployment: Deployment) -> list[Diagnosis]:
    """Those that look stuck, or FAILED within a day, one by one."""
    items = ledger_of(deployment).backfills()
    found = [each for item in items if (each := _diagnosis(deployment, item)) is not None]
    running = sum(item.status is BackfillStatus.RUNNING for item in items)
    return found or [Diagnosis("backfills", Health.OK, f"{running} running")]


def _diagnosis(deployment: Deployment, item: BackfillItem) -> Diagnosis | None:
    about = f"backfill {item.backfill_id}"
    if item.status is BackfillStatus.RUNNING:
        dead = _dead(deployment, item)
        advice = with_stack(f"pipeline backfill resume {item.backfill_id}", deployment)
        return Diagnosis(about, Health.PROBLEM, dead, advice) if dead else None
    if item.status is BackfillStatus.FAILED and item.ended_at:
        ago = (datetime.now(UTC) - parse_timestamp(item.ended_at)).total_seconds()
        if ago < _RECENT_SECONDS:
            advice = with_stack(f"pipeline backfill show {item.backfill_id}", deployment)
            found = f"FAILED {age(ago)} ago: {item.reason}"
            return Diagnosis(about, Health.ATTENTION, found, advice)
    return None


def _dead(deployment: Deployment, item: BackfillItem) -> str | None:
    """Why nothing works on a backfill that is RUNNING; the reaper should have it go on."""
    try:
        last = last_event(deployment, item.execution_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return "RUNNING, but its execution is not there any more"
    quiet = time.time() - last["EventTimestamp"].timestamp() if last else 0.0
    if last is None or last["EventType"] not in ENDS or quiet < SWEEP_SECONDS:
        return None
    return f"RUNNING, but its execution ended {age(quiet)} ago ({last['EventType']})"
