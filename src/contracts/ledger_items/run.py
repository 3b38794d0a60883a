"""The RUN item."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from contracts.costs.figures import CostEstimate, RunCost
from contracts.costs.usage import Amounts
from contracts.ledger_items.base import Changes, Key, LedgerItem
from contracts.run import (
    Finding,
    ItemTotals,
    NextStep,
    RowCounts,
    RunOutcome,
    RunStatus,
    UnitTotals,
)
from contracts.run_request import (
    WHEN_NOT_SAID,
    RunRequest,
    format_timestamp,
    parse_timestamp,
)
from contracts.source.object_totals import ObjectTotals
from contracts.times.relative import RelativeInstant

ACTIVE_RUN: Final = "run"  # `active` of RUN items; that of JOB items is their engine
RUN_INDEX: Final = "by-claim-day"  # the index of runs
UNANNOUNCED: Final = "marked"  # `reaped` of a run whose end the reaper has still to announce
ANNOUNCED: Final = "announced"


@dataclass(frozen=True, kw_only=True)
class RunItem(LedgerItem):
    """`RUN`: who holds a run, and how it ended.

    Attributes:
        holder: ARN of the durable execution that holds the run.
        request: its canonical JSON.
        start_date_time, as_of: of a request with a relative range, where that begins, and what it
            was relative to; frozen at the first claim, as `end_date_time` is of all.
        stack_named_attempt: the attempt whose execution, if it is handed over, has the stack in its
            name. Attempts that an earlier release claimed, and may have handed over, do not.
        updated_at: of the last change of its holder or status.
        claim_day, claimed: where the index of runs has it: the day (UTC) of its first claim, and
            its instant with the run id (`place_in_list`). Later attempts leave them as they are;
            runs of earlier releases have none until `pipeline ledger index`.
        submitted_at: since when the run is active, which the index sorts by.
        active: ACTIVE_RUN until the run's end is announced.
        waits_until, waiting_units: when the units that failed for what may pass run again in the
            execution that holds the run, and how many they are; where none are named, when the
            attempt begins. In the past: they do.
        continues: the execution that died and whose run this attempt goes on with. As long as it
            is the holder, that of this attempt is still to be started.
        previous_holder, previous_timed_out: of the attempt before this one.
        stop_requested_at, stop_reason: of a person's decision to stop the run.
        waiting_for, waiting_since, waiting_until: of a run whose partitions are not ready: the
            markers that are not there; when it first looked; when it gives up.
        resumed_attempt: the attempt that was stopped and then resumed, most recently.
        superseded_by, superseded_at: the run that retries this one and took its place. Beside the
            status, which an earlier release has to be able to read.
        objects: of a run whose units hold several objects: how many there are by outcome.
        already_stored: objects of the range that were left out as already stored (`onlyNew`).
        usage: what all its attempts have used, as far as it is known; absent: it is of an earlier
            release, or has not ended.
        own_usage: of that, what its attempts have used beside their units, by attempt.
        cost: at the list prices of when it ended.
        estimate: what it was expected to cost when its objects were listed.
        reaped: UNANNOUNCED or ANNOUNCED, where the reaper ended the run.
        reaped_for: the execution with which the run ended.
        expired_at: since when its records are leaving the ledger; nothing reads them any more, and
            nobody takes the run over.
        expires_at: epoch seconds; when this item may go, too (`tombstone`).
    """

    SORT: ClassVar = "RUN"
    # What belongs to an attempt's end, and goes when another takes the run over.
    OF_AN_END: ClassVar = (
        "reason",
        "results_url",
        "ended_at",
        "reaped",
        "reaped_for",
        "outcome",
        "findings",
        "next_steps",
        "items",
        "objects",
        "warehouse_error",
        "waits_until",
        "waiting_units",
        "continues",
        "usage",
        "cost",
    )
    # While a run waits for its data; goes when it begins, ends, or is taken over.
    OF_WAITING: ClassVar = ("waiting_for", "waiting_since", "waiting_until")

    OF_A_DECISION: ClassVar = ("stop_requested_at", "stop_reason")

    # What a tombstone has: by these its message is recognized, and what it has stored counts for
    # backfills and expected days. Nothing in them is of a row.
    OF_A_TOMBSTONE: ClassVar = frozenset(
        {
            "status",
            "run_attempt",
            "holder",
            "request",
            "dataset_name",
            "start_date_time",
            "end_date_time",
            "as_of",
            "claimed_at",
            "claim_day",
            "claimed",
            "updated_at",
            "ended_at",
            "superseded_by",
            "superseded_at",
            "reaped",
            "reaped_for",
            "expired_at",
            "results_url",
            "units",
            "usage",
            "cost",
        }
    )

    # By which it is known what a run over a range has stored.
    OF_ITS_RANGE: ClassVar = (
        "run_id",
        "status",
        "request",
        "dataset_name",
        "start_date_time",
        "end_date_time",
        "claimed_at",
    )

    run_id: str
    status: RunStatus
    run_attempt: int = 1
    holder: str = ""
    request: str = ""
    dataset_name: str = ""
    dataset_version: str | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None
    as_of: str | None = None
    claimed_at: str | None = None
    claim_day: str | None = None
    claimed: str | None = None
    updated_at: str | None = None
    ended_at: str | None = None
    submitted_at: str | None = None
    active: str | None = None
    stack_named_attempt: int | None = None
    previous_holder: str | None = None
    previous_timed_out: bool | None = None
    waits_until: str | None = None
    waiting_units: int | None = None
    continues: str | None = None
    stop_requested_at: str | None = None
    stop_reason: str | None = None
    waiting_for: str | None = None
    waiting_since: str | None = None
    waiting_until: str | None = None
    resumed_attempt: int | None = None
    superseded_by: str | None = None
    superseded_at: str | None = None
    reaped: str | None = None
    reaped_for: str | None = None
    expired_at: str | None = None
    expires_at: int | None = None
    reason: str | None = None
    results_url: str | None = None
    warehouse_error: str | None = None
    outcome: RunOutcome | None = None
    units: UnitTotals | None = None
    rows: RowCounts | None = None
    already_stored: int | None = None
    usage: Amounts | None = None
    own_usage: dict[str, Amounts] | None = None
    cost: RunCost | None = None
    estimate: CostEstimate | None = None
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    findings: tuple[Finding, ...] = ()
    next_steps: tuple[NextStep, ...] = ()

    @classmethod
    def key_of(cls, run_id: str) -> Key:
        return Key(run_id, cls.SORT)

    @classmethod
    def tombstone(cls, until: datetime) -> Changes:
        """What leaves of an expired run only that its id is taken, until then."""
        gone: dict[str, Any] = dict.fromkeys(sorted(cls.attributes() - cls.OF_A_TOMBSTONE))
        return cls.changes(**gone | {"expires_at": int(until.timestamp())})

    @property
    def stopping(self) -> bool:
        """Whether a person has decided to stop the run."""
        return self.stop_requested_at is not None

    @property
    def may_be_taken_over(self) -> bool:
        """It has ended, and its message starts it anew."""
        return self.status.may_be_taken_over and self.superseded_by is None

    @property
    def awaits_resumption(self) -> bool:
        """Whether it was stopped and then resumed, and no execution has taken it over yet."""
        return self.status.may_be_taken_over and self.resumed_attempt == self.run_attempt

    @property
    def why_stopped(self) -> str:
        """One sentence: why the run ends as STOPPED."""
        return stopped_because(self.stop_reason)

    @property
    def requested(self) -> RunRequest:
        """The request, parsed; a relative range as it was frozen.

        Raises:
            ValueError: the item has none.
        """
        request = RunRequest.from_json(json.loads(self.request))
        start, end = self.start_date_time, self.end_date_time
        return request.with_range(
            parse_timestamp(start) if start else None, parse_timestamp(end) if end else None
        )

    @property
    def requested_if_known(self) -> RunRequest | None:
        """Likewise; None: it is of a later release, or the item has none."""
        try:
            return self.requested
        except ValueError:
            return None

    def differences(self, request: RunRequest) -> dict[str, tuple[Any, Any]]:
        """The fields, by name, in which a request with this id asks for something else: what it
        says, and what the run's own said.

        Values are compared, not texts: 0, 0.0 and no percentage at all ask for the same. So do the
        same relative range at another time, and the range that it came to.
        """
        sent, held = request.to_json(), json.loads(self.request or "{}")
        if any(RelativeInstant.parse(held.get(name)) for name in ("startDateTime", "endDateTime")):
            if not request.is_relative:
                held = self.requested.to_json()
            elif request.as_of is not None and self.as_of is not None:
                held["asOf"] = format_timestamp(parse_timestamp(self.as_of))
            else:
                held.pop("asOf", None)
        sent, held = WHEN_NOT_SAID | sent, WHEN_NOT_SAID | held
        return {
            name: (sent.get(name), held.get(name))
            for name in sorted(sent.keys() | held.keys())
            if sent.get(name) != held.get(name)
        }

    def _key(self) -> Key:
        return self.key_of(self.run_id)


class RunIndex:
    """The keys of the index of runs: the day of a run's first claim, then its instant and its id.

    Instants in it have six digits for the fraction of a second, so that their texts are in the
    order of time.
    """

    HASH: ClassVar = "claim_day"
    RANGE: ClassVar = "claimed"
    DATASET: ClassVar = "dataset_name"  # by which its runs may be filtered

    @staticmethod
    def day(at: datetime) -> str:
        """The day in UTC: `2026-11-30`."""
        return at.astimezone(UTC).date().isoformat()

    @staticmethod
    def instant(at: datetime) -> str:
        """What the places of runs that are claimed then begin with, and no earlier ones'."""
        return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def place_in_list(claimed_at: str, run_id: str) -> dict[str, Any]:
    """Where the index of runs has a run that was first claimed then, by attribute."""
    at = parse_timestamp(claimed_at)
    place = f"{RunIndex.instant(at)}#{run_id}"
    return {RunIndex.HASH: RunIndex.day(at), RunIndex.RANGE: place}


def stopped_because(reason: str | None) -> str:
    """The sentence about a run that a person has stopped."""
    return f"it was stopped on request: {reason}" if reason else "it was stopped on request"
