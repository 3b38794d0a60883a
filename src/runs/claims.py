"""Claims: one execution becomes the one that holds a run, before anything else happens.

The queue delivers a message at least once, and every delivery is a new execution. The RUN item
decides which of them may work; its holder changes by compare-and-set only.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from boto3.dynamodb.conditions import ConditionBase
from pydantic_core import PydanticCustomError

from contracts.errors import Conflict, InvalidRequest, Problem, RunConflict, TransientFailure
from contracts.ledger_items import ACTIVE_RUN, RunItem, place_in_list
from contracts.messages import START_FLOW, UNIT_FLOW, Claim, ClaimOutcome, ClaimRun
from contracts.run import RunStatus
from contracts.run_request import RunRequest, format_timestamp, parse_timestamp
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, held_as, stop_unchanged
from ledger.table import Ledger, Write
from runs.executions import ALIVE, execution_status, is_settling
from runs.ids import drawn_run_id
from runs.superseding import retried_again, retried_run, superseded
from runtime.handler import logger

STOPPED: Final = "STOPPED"


def claim_run(message: ClaimRun, ledger: Ledger, now: datetime) -> Claim:
    """Claim the run for `message.execution_arn`, or say who holds it.

    Raises:
        TransientFailure: the run changed hands a moment ago, and its holder is not known yet; or
            its execution was stopped, and the reaper has not ended the run yet.
        RunConflict: the run id belongs to a run with other content; names every difference.
        InvalidRequest: `retryOf` names no run that could be retried, which stays as it was; or the
            relative range holds no time.
        Conflict: another execution changed the run meanwhile; the same call decides anew.
    """
    message, drawn = _with_drawn_id(message, ledger, now)
    request = message.request
    run = find_run(ledger, request.run_id)
    if run is None:
        run = _first_claim(_new_run(message, now), retried_run(request, ledger, now), ledger, now)
    _refuse_other_content(request, run)
    claim = _claim_existing(message, run, ledger, now)
    logger.info("run claim", extra={"outcome": claim.outcome, "run_attempt": claim.run_attempt})
    return claim.model_copy(update={"run_id": drawn})


def _with_drawn_id(message: ClaimRun, ledger: Ledger, now: datetime) -> tuple[ClaimRun, str | None]:
    """The message with the run id that was drawn for it, and that id; None if it names its own."""
    if message.drawn_for is None:
        return message, None
    drawn = drawn_run_id(message.drawn_for, ledger, now)
    logger.append_keys(run_id=drawn)
    request = message.request.model_copy(update={"run_id": drawn})
    return message.model_copy(update={"request": request}), drawn


def _new_run(message: ClaimRun, now: datetime) -> RunItem:
    request = message.request
    to_the_millisecond = now.replace(microsecond=now.microsecond // 1000 * 1000)
    as_of = request.as_of or message.sent_at or to_the_millisecond
    try:
        start, end = request.range_at(as_of)
    except PydanticCustomError as error:
        problem = Problem("startDateTime", f"{error.message()} (as of {format_timestamp(as_of)})")
        raise InvalidRequest(f"run {request.run_id}", [problem]) from None
    return RunItem(
        run_id=request.run_id,
        status=RunStatus.CLAIMED,
        run_attempt=1,
        stack_named_attempt=1,
        holder=message.execution_arn,
        request=request.canonical(),
        dataset_name=request.dataset_name,
        start_date_time=format_timestamp(start) if request.is_relative and start else None,
        end_date_time=format_timestamp(end or to_the_millisecond),
        as_of=format_timestamp(as_of) if request.is_relative else None,
        claimed_at=format_timestamp(now),
        updated_at=format_timestamp(now),
        active=ACTIVE_RUN,
        submitted_at=format_timestamp(now),
        **place_in_list(format_timestamp(now), message.request.run_id),
    )


def _first_claim(run: RunItem, retried: RunItem | None, ledger: Ledger, now: datetime) -> RunItem:
    """Write the run, and that it supersedes the one it retries; return what the ledger holds.

    A refused write may be our own: the client may have sent the request twice.
    """
    if retried is None or retried.superseded_by is not None:
        there = ledger.put_if_absent(run.to_item()).item
        if there is None:
            raise Conflict(f"run {run.run_id} was removed while it was being claimed")
        return RunItem.from_item(there)
    mark = superseded(retried, run.run_id, now)
    ledger.write_together(Write.new(run.to_item()), mark)
    held = find_run(ledger, run.run_id)
    if held is None:
        raise Conflict(f"run {retried.run_id} changed while run {run.run_id} was to supersede it")
    return held


def _claim_existing(message: ClaimRun, run: RunItem, ledger: Ledger, now: datetime) -> Claim:
    failed = run.status.may_be_taken_over
    if run.superseded_by is not None:  # also for the execution that it was handed over to
        return _claim(ClaimOutcome.ENDED, run)
    if run.expired_at is not None:
        return _claim(ClaimOutcome.ENDED, run)
    if run.status.ended and (run.stopping or not failed):
        return _claim(ClaimOutcome.ENDED, run)
    if run.holder == message.execution_arn and not failed:
        return _claim(ClaimOutcome.CLAIMED, run)
    if run.holder == message.handed_over_by and not failed:
        return _change_hands(message, run, ledger, held_as(run), updated_at=now)
    if run.stopping:  # its holder, or the reaper, ends it
        return _claim(ClaimOutcome.ENDED, run)
    # A batch execution may go on with its other records after this run of it has failed: then the
    # ledger, not the execution, says that the run is over.
    holder = execution_status(run.holder)
    if not failed and is_settling(run, holder, now):
        raise TransientFailure(
            f"run {run.run_id} changed hands a moment ago; its execution is not known yet"
        )
    if holder in ALIVE and not failed:
        return _claim(ClaimOutcome.LIVE, run)
    if (
        holder == STOPPED and not failed
    ):  # by a person, who meant this run or another one of the same batch
        raise TransientFailure(
            f"the execution of run {run.run_id} was stopped; the reaper decides in a moment"
            " whether that run stays stopped"
        )
    logger.info("taking the run over", extra={"holder": run.holder, "holder_status": holder})
    return _take_over(message, run, ledger, now, timed_out=holder == "TIMED_OUT")


def _take_over(
    message: ClaimRun, run: RunItem, ledger: Ledger, now: datetime, *, timed_out: bool
) -> Claim:
    run_attempt = run.run_attempt + 1
    changes = dict(
        **dict.fromkeys((*RunItem.OF_AN_END, *RunItem.OF_WAITING)),
        run_attempt=run_attempt,
        stack_named_attempt=run_attempt,
        status=RunStatus.CLAIMED,
        updated_at=now,
        previous_holder=run.holder,
        previous_timed_out=timed_out,
        active=ACTIVE_RUN,
        submitted_at=now,
    )
    # If the run is to stop, the execution that it is handed over to ends it.
    as_read = held_as(run) & stop_unchanged(run)
    retried = retried_again(message.request, ledger, now)
    if retried is not None and retried.superseded_by is None:  # released, or an earlier release's
        mark = superseded(retried, run.run_id, now)
        claim = _change_hands(message, run, ledger, as_read, mark, **changes)
    else:
        claim = _change_hands(message, run, ledger, as_read, **changes)
    return claim.model_copy(update={"outcome": ClaimOutcome.TAKEN_OVER})


def _change_hands(
    message: ClaimRun, run: RunItem, ledger: Ledger, as_read: ConditionBase, *also: Write, **to: Any
) -> Claim:
    """Make the execution the holder, if the run is still as it was read.

    Args:
        also: writes that are made together with it.
        to: further attributes of the run, by name.
    """
    # It may just have succeeded, or been superseded, or expired.
    as_read &= RUN.status.eq(run.status) & RUN.superseded_by.not_exists()
    as_read &= RUN.expired_at.not_exists()
    holder = message.execution_arn
    changes = RunItem.changes(holder=holder, **to)
    if also:
        changed = all(
            ledger.write_together(Write(RunItem.key_of(run.run_id), changes, as_read), *also)
        )
        current = find_run(ledger, run.run_id)
    else:
        changed, current = change_run(ledger, run.run_id, as_read, holder=holder, **to)
    if not changed or current is None or current.holder != holder:
        raise Conflict(f"run {run.run_id} changed hands while it was being claimed")
    return _claim(ClaimOutcome.CLAIMED, current)


def _claim(outcome: ClaimOutcome, run: RunItem) -> Claim:
    return Claim(
        outcome=outcome,
        run_attempt=run.run_attempt,
        start_date_time=parse_timestamp(run.start_date_time) if run.start_date_time else None,
        end_date_time=parse_timestamp(run.end_date_time),
        holder=run.holder,
        status=run.status,
        previous_timed_out=bool(run.previous_timed_out),
        superseded_by=run.superseded_by,
        start_flow=START_FLOW,
        unit_flow=UNIT_FLOW,
    )


def _refuse_other_content(request: RunRequest, run: RunItem) -> None:
    problems = [
        Problem(field, f"the run with this id has {_shown(held)}; take another runId", _shown(sent))
        for field, (sent, held) in run.differences(request).items()
    ]
    if problems:
        raise RunConflict(f"run {request.run_id}", problems)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"
