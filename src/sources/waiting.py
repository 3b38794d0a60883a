"""A run that waits for its data: since when, until when, and when to look again.

The orchestrator only waits and asks again. What is decided is decided here, by the clock and by
what the RUN item says about when the run first looked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from contracts import layout
from contracts.errors import NotFound, TransientFailure
from contracts.ledger_items import RunItem
from contracts.manifest import ManifestSummary, Waiting
from contracts.messages import ListUrls
from contracts.run_request import format_timestamp, parse_timestamp
from ledger.conditions import RUN
from ledger.runs import change_run, owned_run, refuse_other_holder
from ledger.table import Ledger

FIRST_PAUSE_SECONDS: Final = 10
LONGEST_PAUSE_SECONDS: Final = 15 * 60


def waiting_summary(
    message: ListUrls,
    what: str,
    patience_seconds: int,
    data_bucket: str,
    ledger: Ledger,
    now: datetime,
) -> ManifestSummary:
    """Record that the run waits, and say when to look again.

    Args:
        what: the markers that are not there.

    Raises:
        NotFound: it has waited as long as it may.
        TransientFailure: who asks cannot wait.
        OwnershipLost: a later attempt holds the run.
    """
    run_id = message.request.run_id
    if not message.may_wait:
        raise TransientFailure(
            f"{what}, and this execution began on a release that does not wait for data; its"
            " message starts the run again"
        )
    run = owned_run(ledger, run_id, message.run_attempt)
    since = parse_timestamp(run.waiting_since) if run.waiting_since else now
    until = since + timedelta(seconds=patience_seconds)
    if now >= until:
        raise NotFound(
            f"not ready within {patience_seconds:,} s: {what}; send the message again when the data"
            " is complete, or raise source.ready.waitSeconds of the contract"
        )
    _record(run, what, since, until, ledger)
    pause = pause_seconds(
        (now - since).total_seconds(), (until - now).total_seconds(), patience_seconds
    )
    return ManifestSummary(
        manifest_url=layout.s3_url(data_bucket, layout.manifest_summary_key(run_id)),
        objects=0,
        total_bytes=0,
        shard_sizes=(),
        pending=(),
        waiting=Waiting(what=what, look_again_seconds=pause),
    )


def pause_seconds(waited: float, left: float, patience_seconds: int) -> int:
    """A quarter of the time waited so far, but at least 10 s; and not past the end.

    At most 15 minutes, or a hundredth of the whole patience where that is longer: so a run looks
    some 130 times at most, however long it may wait, of the 3,000 operations of its execution.
    """
    longest = max(LONGEST_PAUSE_SECONDS, patience_seconds / 100)
    pause = min(max(FIRST_PAUSE_SECONDS, waited / 4), longest, left)
    return max(1, round(pause))


def _record(run: RunItem, what: str, since: datetime, until: datetime, ledger: Ledger) -> None:
    if run.waiting_for == what and run.waiting_until == format_timestamp(until):
        return
    ours = RUN.run_attempt.eq(run.run_attempt) & RUN.status.eq(run.status)
    written, current = change_run(
        ledger,
        run.run_id,
        ours,
        waiting_for=what,
        waiting_since=format_timestamp(since),
        waiting_until=format_timestamp(until),
    )
    if not written and current is not None:
        refuse_other_holder(current, run.run_attempt)
