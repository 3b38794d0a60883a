"""`pipeline schedules`."""

from __future__ import annotations

from datetime import datetime

from cli.client.scheduling import Change, Planned
from cli.documents.base import Document
from contracts.run_request import format_timestamp


class ScheduleDocument(Document):
    """One schedule.

    Attributes:
        name: `<dataset>.<schedule>`.
        change: what `pipeline schedules apply` does, or did, to it: CREATED, UPDATED, REMOVED or
            UNCHANGED.
        paused: it starts no runs.
        next_at: when it is due next; null: it is paused or not applied.
        cron, zone, start_date_time, end_date_time: as its contract says; null where none has it.
    """

    name: str
    dataset: str
    change: Change
    paused: bool
    next_at: str | None = None
    cron: str | None = None
    zone: str | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None


class SchedulesDocument(Document):
    """`pipeline schedules --json`: those of contracts, and those that there are.

    Attributes:
        applied: the changes were made.
    """

    schedules: tuple[ScheduleDocument, ...]
    applied: bool = False


def schedule_document(planned: Planned, now: datetime) -> ScheduleDocument:
    """Of one."""
    schedule, due = planned.schedule, planned.next_firing(now)
    return ScheduleDocument(
        name=planned.name,
        dataset=planned.dataset,
        change=planned.change,
        paused=planned.paused,
        next_at=format_timestamp(due) if due else None,
        cron=schedule.cron if schedule else None,
        zone=(schedule.zone or "UTC") if schedule else None,
        start_date_time=schedule.start_date_time if schedule else None,
        end_date_time=schedule.end_date_time if schedule else None,
    )
