"""`pipeline schedules`."""

from __future__ import annotations

from cli.client.scheduling import Change
from cli.documents.base import Document


class ScheduleDocument(Document):
    """One schedule.

    Attributes:
        name: `<dataset>.<schedule>`.
        change: what `pipeline schedules apply` does, or did, to it: CREATED, UPDATED, REMOVED or
            UNCHANGED.
        paused: it starts no runs.
        cron, zone, start_date_time, end_date_time: as its contract says; null where none has it.
    """

    name: str
    dataset: str
    change: Change
    paused: bool
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
