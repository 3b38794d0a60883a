"""A run that retries another takes its place: the ledger says so in the transaction that claims it.

The retried run keeps its status, to which the ledger adds which run superseded it. From then on its
message starts nothing. A retry that is refused leaves it as it was.
"""

from __future__ import annotations

import json
from datetime import datetime

from contracts.errors import InvalidRequest, Problem
from contracts.ledger_items import RunItem
from contracts.run_request import RunRequest
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, held_as
from ledger.table import Ledger, Write
from runs.executions import ALIVE, execution_status, is_settling


def retried_run(request: RunRequest, ledger: Ledger, now: datetime) -> RunItem | None:
    """The run that the request is to retry, and supersedes; None if it retries none.

    Raises:
        InvalidRequest: there is no such run of the dataset, it is not over, it has expired, or
            another run has superseded it.
    """
    if request.retry_of is None:
        return None
    retried = find_run(ledger, request.retry_of)
    if retried is None:
        problem = (
            "names no run in the ledger; nothing is known of one that has expired or was purged"
        )
    elif retried.expired_at is not None:
        problem = (
            f"names a run that has expired from the ledger ({retried.expired_at}): which of its"
            " units are stored is not known any more; send its range or object as a new request"
        )
    elif retried.dataset_name != request.dataset_name:
        problem = f"names a run of another dataset, {retried.dataset_name}"
    elif retried.superseded_by not in (None, request.run_id):
        by = retried.superseded_by
        problem = f"names a run that run {by} has superseded; to retry that one, name {by}"
    elif not _is_over(retried, now):
        problem = f"names a run that has not ended ({retried.status}); wait for it"
    else:
        return retried
    raise InvalidRequest(
        f"run {request.run_id}", [Problem("retryOf", problem, json.dumps(request.retry_of))]
    )


def retried_again(request: RunRequest, ledger: Ledger, now: datetime) -> RunItem | None:
    """The same for a later attempt of the run that retries it: None if it has expired since.

    It cannot expire before the run that superseded it has ended.
    """
    if request.retry_of is not None:
        retried = find_run(ledger, request.retry_of)
        if retried is None or retried.expired_at is not None:
            return None
    return retried_run(request, ledger, now)


def superseded(retried: RunItem, by: str, now: datetime) -> Write:
    """The write that marks the retried run, if it is as it was read."""
    condition = held_as(retried) & RUN.status.eq(retried.status) & RUN.superseded_by.not_exists()
    condition &= RUN.expired_at.not_exists()
    changes = RunItem.changes(superseded_by=by, superseded_at=now)
    return Write(RunItem.key_of(retried.run_id), changes, condition)


def release(request: RunRequest, ledger: Ledger) -> None:
    """Leave the run that a refused request was to retry as it was; idempotent."""
    if request.retry_of is not None:
        ours = RUN.superseded_by.eq(request.run_id)
        change_run(ledger, request.retry_of, ours, superseded_by=None, superseded_at=None)


def _is_over(run: RunItem, now: datetime) -> bool:
    """A run whose execution was stopped or ran out of time never reached its end in the ledger."""
    if run.status.ended:
        return True
    holder = execution_status(run.holder)
    return holder not in ALIVE and not is_settling(run, holder, now)
