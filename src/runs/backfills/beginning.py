"""An execution begins to work on a backfill; the first one records its windows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts.errors import NotFound, Problem, RunConflict
from contracts.ledger_items import ACTIVE_BACKFILL, BackfillItem
from contracts.messages import BeginBackfill, BegunBackfill
from contracts.run_request import format_timestamp
from contracts.times.backfill import BackfillStatus, Only, WindowState
from ledger.table import Ledger
from runs.backfills.coverage import Look
from runs.backfills.looking import look_first, remembered
from runs.backfills.records import Windows, change_backfill, find_backfill
from runtime.handler import logger


def begin_backfill(message: BeginBackfill, ledger: Ledger, now: datetime) -> BegunBackfill:
    """Make the execution the one that works on the backfill, and say how many lanes it has.

    A repeat returns the same.

    Raises:
        RunConflict: a backfill of this id asks for something else.
        NotFound: there is none, though this is not its first execution.
    """
    backfill_id = message.request.backfill_id
    item = find_backfill(ledger, backfill_id)
    if item is None:
        if message.generation != 1:
            raise NotFound(f"there is no backfill {backfill_id}, which was begun before")
        ledger.put_if_absent(_recorded(message, ledger, now).to_item())
    asked = message.request.canonical()

    def held(item: BackfillItem) -> dict[str, Any] | None:
        if item.request != asked:
            problem = Problem("backfillId", "a backfill of this id asks for something else")
            raise RunConflict(f"backfill {backfill_id}", [problem])
        ours = item.execution_arn == message.execution_arn and not item.starting
        if ours or item.generation != message.generation:
            return None
        return dict(execution_arn=message.execution_arn, starting=False, wait_seconds=None)

    item = change_backfill(ledger, backfill_id, held, now)
    return BegunBackfill(lanes=_lanes(item, message))


def _lanes(item: BackfillItem, message: BeginBackfill) -> int:
    if item.generation != message.generation:
        logger.info("another execution works on it", extra={"generation": item.generation})
        return 0
    if item.holding or item.failed_too_often or item.status is not BackfillStatus.RUNNING:
        return 0
    return min(item.requested.at_once, len(item.in_state(WindowState.LEFT)))


def _recorded(message: BeginBackfill, ledger: Ledger, now: datetime) -> BackfillItem:
    """The new backfill; its windows are written down before it."""
    request = message.request
    windows, boundaries = Windows(ledger, request.backfill_id), request.boundaries()
    windows.record(boundaries)
    recorded = windows.all()[: len(boundaries) - 1]
    look = Look(request)
    if request.only is not Only.ALL:
        look = look_first(ledger, request, now)
    coverage = look.coverage()
    at = format_timestamp(now)
    return BackfillItem(
        backfill_id=request.backfill_id,
        status=BackfillStatus.RUNNING,
        request=request.canonical(),
        states="".join(coverage.state_of(window, request.only) for window in recorded),
        dataset_name=request.dataset_name,
        execution_arn=message.execution_arn,
        created_at=at,
        updated_at=at,
        submitted_at=at,
        active=ACTIVE_BACKFILL,
        **remembered(look, now),
    )
