"""A backfill: runs of one dataset over the windows of a range, one run each."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.base import Contract, canonical_json
from contracts.ids import dated_run_id
from contracts.job import Priority
from contracts.run_request import (
    DATASET_NAME_PATTERN,
    INDEX_PATTERN,
    MAX_CONCURRENCY,
    MAX_QUERY_CHARACTERS,
    RunRequest,
    Timestamp,
    format_timestamp,
)
from contracts.times.relative import zone_named
from contracts.times.windows import WINDOW_PATTERN, Window, boundaries

AT_ONCE_AT_MOST: Final = 10
BACKFILL_ID_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,39}$"
AGAIN_AT_MOST: Final = 9  # times that a window is run again in a new run: one digit in the ledger
# What no new id may end in: its runs would have the ids of repeated ones of another backfill.
REPEATED_ID: Final = re.compile(r"-r\d+$")
_DIGEST: Final = 10
_ID_CHARACTERS: Final = 40
_PREFIX: Final = "bf-"  # of the ids of its runs


class Only(StrEnum):
    """Which windows are run.

    MISSING: those that succeeded runs have not stored whole. FAILED: of these, those that a run
    over them, or over a part of them, has FAILED or was STOPPED. ALL: every window, again.
    """

    MISSING = "missing"
    FAILED = "failed"
    ALL = "all"


class BackfillStatus(StrEnum):
    """RUNNING: an execution is working on it (or will, after a death); it may be pausing or
    stopping. PAUSED, STOPPED: by a person; windows may be left. SUCCEEDED: no window is left, none
    has failed. FAILED: it has ended, and windows have failed or are left."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class WindowState(StrEnum):
    """What became of a window; each is one character of a backfill's `states` in the ledger."""

    LEFT = "."
    RUNNING = "r"
    STORED = "s"
    EMPTY = "e"  # its run found no objects, and was SKIPPED
    FAILED = "f"
    STOPPED = "x"  # its run was
    STORED_BEFORE = "b"  # by another run
    NOT_CHOSEN = "-"  # not what `only` asks for

    @property
    def lost(self) -> bool:
        """Its run has ended without having stored it."""
        return self in (WindowState.FAILED, WindowState.STOPPED)


class BackfillCounts(Contract):
    """Windows by what became of them; `total` is their sum.

    Attributes:
        done: runs of the backfill have stored them, or found nothing to store (`empty` of these).
        failed: of FAILED and of STOPPED runs.
        passed_over: not run: stored before, or not what `only` asks for.
    """

    total: int = 0
    done: int = 0
    empty: int = 0
    failed: int = 0
    running: int = 0
    left: int = 0
    passed_over: int = 0

    @classmethod
    def of(cls, states: str) -> BackfillCounts:
        """Of the states of all windows, a character each."""
        found = Counter(map(WindowState, states))
        return cls(
            total=len(states),
            done=found[WindowState.STORED] + found[WindowState.EMPTY],
            empty=found[WindowState.EMPTY],
            failed=found[WindowState.FAILED] + found[WindowState.STOPPED],
            running=found[WindowState.RUNNING],
            left=found[WindowState.LEFT],
            passed_over=found[WindowState.STORED_BEFORE] + found[WindowState.NOT_CHOSEN],
        )

    @property
    def ended(self) -> int:
        """Windows of which nothing more is to be done."""
        return self.total - self.left - self.running

    @property
    def words(self) -> str:
        """`3 of 10 windows done, 1 failed, 1 running, 5 left`."""
        parts = [f"{self.done:,} of {self.total:,} windows done"]
        said = ((self.failed, "failed"), (self.running, "running"), (self.left, "left"))
        parts += [f"{count:,} {what}" for count, what in said if count]
        return ", ".join(parts)


def _zone(value: str) -> str:
    try:
        zone_named(value)
    except ValueError as error:
        raise PydanticCustomError(
            "zone", "{why}; write it as Europe/Berlin", {"why": str(error)}
        ) from None
    return value


class BackfillRequest(Contract):
    """What a backfill is asked to do. Its range is fixed: relative instants were resolved.

    Attributes:
        backfill_id: names it; its runs are named by it and by their windows.
        start_date_time, end_date_time: the range, from (inclusive) and to (exclusive).
        window: how long one window is, such as `1d`; see `contracts.times.windows`.
        zone: whose calendar days, weeks and months are of; absent: UTC.
        only: which windows are run.
        at_once: how many windows run side by side.
        newest_first: the last window is run first.
        max_failures: once more windows than this have failed, no more begin; absent: all begin.
        query, index, priority, max_concurrency: of each run (see `RunRequest`).
    """

    model_config = ConfigDict(extra="forbid")

    backfill_id: StrictStr = Field(pattern=BACKFILL_ID_PATTERN)
    dataset_name: StrictStr = Field(pattern=DATASET_NAME_PATTERN)
    start_date_time: Timestamp
    end_date_time: Timestamp
    window: StrictStr = Field(pattern=WINDOW_PATTERN)
    zone: Annotated[StrictStr, AfterValidator(_zone)] | None = Field(default=None, max_length=64)
    only: Only = Only.MISSING
    at_once: StrictInt = Field(default=1, ge=1, le=AT_ONCE_AT_MOST)
    newest_first: StrictBool = False
    max_failures: StrictInt | None = Field(default=None, ge=0)
    query: StrictStr | None = Field(default=None, min_length=1, max_length=MAX_QUERY_CHARACTERS)
    index: StrictStr | None = Field(default=None, pattern=INDEX_PATTERN)
    priority: Priority | None = None
    max_concurrency: StrictInt | None = Field(default=None, ge=1, le=MAX_CONCURRENCY)

    @model_validator(mode="after")
    def _has_windows(self) -> BackfillRequest:
        try:
            self.boundaries()
        except ValueError as error:
            raise PydanticCustomError("windows", "{why}", {"why": str(error)}) from None
        return self

    def boundaries(self) -> list[datetime]:
        """Where its windows begin, and where the last one ends."""
        zone = zone_named(self.zone)
        return boundaries(self.start_date_time, self.end_date_time, self.window, zone)

    def windows(self) -> list[Window]:
        """Its windows, in order of time."""
        return windows_between(self.boundaries())

    def run_id(self, window: Window, again: int = 0) -> str:
        """The id of a window's run.

        Args:
            again: how often the window was to be run again, after it had failed.
        """
        return self._run_id_at(window.start, again)

    def is_own_run(self, run_id: str, start: datetime) -> bool:
        """Whether it has given this id to a run of the window that begins then."""
        return any(run_id == self._run_id_at(start, again) for again in range(AGAIN_AT_MOST + 1))

    def _run_id_at(self, start: datetime, again: int) -> str:
        repeated = f"-r{again + 1}" if again else ""
        return dated_run_id(f"{_PREFIX}{self.backfill_id}{repeated}", start)

    def run_request(self, window: Window, again: int = 0) -> RunRequest:
        """The request of a window's run; see `run_id`."""
        return RunRequest(
            dataset_name=self.dataset_name,
            start_date_time=window.start,
            end_date_time=window.end,
            query=self.query,
            index=self.index,
            priority=self.priority,
            max_concurrency=self.max_concurrency,
            run_id=self.run_id(window, again),
        )

    def canonical(self) -> str:
        """The request as text: equal requests give equal bytes."""
        return canonical_json(self.to_json())


def windows_between(found: Sequence[datetime]) -> list[Window]:
    """The windows that lie between boundaries."""
    return [Window(*pair) for pair in zip(found, found[1:], strict=False)]


def derived_id(request: BackfillRequest) -> str:
    """The id of a backfill that nobody named: the same whenever the same is asked for."""
    said = {**request.to_json(), "backfillId": ""}
    digest = hashlib.sha256(canonical_json(said).encode()).hexdigest()[:_DIGEST]
    return f"{request.dataset_name[: _ID_CHARACTERS - _DIGEST - 1]}-{digest}"


def window_text(window: Window) -> str:
    """`2026-11-01T00:00:00Z to 2026-11-02T00:00:00Z`."""
    return f"{format_timestamp(window.start)} to {format_timestamp(window.end)}"
