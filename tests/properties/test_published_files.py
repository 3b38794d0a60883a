"""Whatever runs, attempts, retries and crashes: no reader sees a row twice, or misses one for good.

A reader looks after every change of the buckets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from fake_s3 import FakeS3
from hypothesis import given, settings
from hypothesis import strategies as st
from job_fakes import Killed
from publishing_world import PublishingWorld, use_s3

from contracts.messages import PublishProgress

SOURCES = ("s3://data-bucket/landing/a.csv", "s3://data-bucket/landing/b.csv")
RANGES = 2


@dataclass(frozen=True)
class Action:
    """What happens next.

    Attributes:
        kind: a new `run` over a range, a `retry` or a second attempt (`again`) of an earlier run
            that has not stored all, or a run is only `published` (again), however old it is.
        number: the range, or which of the earlier runs.
        failing: by source, whether its unit fails.
        moved: the rows lie in each other's partitions.
        published: at once; else perhaps later, or never.
        killed_at: the call at which the function's process ends, which is repeated later or never.
    """

    kind: str
    number: int
    failing: tuple[bool, bool]
    moved: bool
    published: bool
    killed_at: int | None
    after: bool
    repeated: bool


actions = st.builds(
    Action,
    kind=st.sampled_from(["run", "run", "retry", "again", "published"]),
    number=st.integers(0, 9),
    failing=st.sampled_from([(False, False), (False, False), (True, False), (False, True)]),
    moved=st.booleans(),
    published=st.sampled_from([True, True, False]),
    killed_at=st.none() | st.integers(1, 30),
    after=st.booleans(),
    repeated=st.booleans(),
)


@dataclass
class Story:
    """Runs over two ranges.

    Attributes:
        shared: both ranges have rows for the same partitions.
        runs: range of each, in the order of their starts.
        whole: ranges of which all rows could be read once.
    """

    world: PublishingWorld
    shared: bool
    runs: dict[str, int] = field(default_factory=dict)
    units: dict[str, list[str]] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    whole: set[int] = field(default_factory=set)
    _requests: dict[str, str] = field(default_factory=dict)

    def rows(self, range_: int, source: str, *, moved: bool = False) -> dict[str, list[str]]:
        """Two rows of a source, each in a partition of its own."""
        first = 1 if self.shared else 1 + 2 * range_
        days = [str(first + moved), str(first + (not moved))]
        return {day: [f"{range_} {source} {n}"] for n, day in enumerate(days)}

    def all_rows(self, range_: int) -> Counter[str]:
        sources = [self.rows(range_, source) for source in SOURCES]
        return Counter(row for rows in sources for some in rows.values() for row in some)

    def happen(self, action: Action) -> None:
        run_id: str | None
        if action.kind == "run":
            run_id = self._begin(action, action.number % RANGES, list(SOURCES))
        else:
            run_id = self._earlier(action)
            if run_id is not None and action.kind == "retry":
                run_id = self._begin(action, self.runs[run_id], self._unstored(run_id), run_id)
            elif run_id is not None and action.kind == "again":
                self._again(run_id, action)
        if run_id is not None and (action.published or action.kind == "published"):
            self._publish(run_id, action)

    def _earlier(self, action: Action) -> str | None:
        """A run that is there; for retries and attempts one that has not stored all."""
        runs = list(self.runs)
        if action.kind != "published":
            runs = [run_id for run_id in runs if self._unstored(run_id)]
        return runs[action.number % len(runs)] if runs else None

    def _begin(
        self, action: Action, range_: int, sources: list[str], retried: str | None = None
    ) -> str:
        number = len(self.runs)
        run_id, asked = f"run-{number}", {"startDateTime": f"2026-11-{1 + range_:02}"}
        if retried is not None:
            asked["retryOf"] = retried
        self.world.begin(run_id, number, len(sources), **asked)
        self.runs[run_id], self.units[run_id], self.attempts[run_id] = range_, sources, 1
        self._end_units(run_id, action, sources)
        return run_id

    def _again(self, run_id: str, action: Action) -> None:
        self.attempts[run_id] += 1
        attempt = self.attempts[run_id]
        self.world.begin(run_id, 0, len(self.units[run_id]), attempt=attempt)
        request = self.world.ledger.items[run_id, "RUN"]
        request["request"] = self._requests[run_id]
        self._end_units(run_id, action, self._unstored(run_id))

    def _end_units(self, run_id: str, action: Action, sources: list[str]) -> None:
        self._requests[run_id] = self.world.ledger.items[run_id, "RUN"]["request"]
        for source in sources:
            unit, attempt = self.units[run_id].index(source), self.attempts[run_id]
            rows = self.rows(self.runs[run_id], source, moved=action.moved)
            if action.failing[SOURCES.index(source)]:
                self.world.write(run_id, unit, rows, attempt)  # what nobody may read
                self.world.fail(run_id, unit, source, attempt)
            else:
                self.world.store(run_id, unit, source, rows, attempt)

    def _unstored(self, run_id: str) -> list[str]:
        items = self.world.ledger.query(run_id, "UNIT#")
        return [item["source_url"] for item in items if item["status"] == "FAILED"]

    def _publish(self, run_id: str, action: Action) -> None:
        if action.killed_at is not None:
            self.world.s3.kill_at(action.killed_at, after=action.after)
        try:
            self._to_the_end(run_id)
        except Killed:
            self.world.s3.spare()
            self.check_readers()
            if action.repeated:
                self._to_the_end(run_id)
        self.world.s3.spare()
        self.check_readers()

    def _to_the_end(self, run_id: str) -> None:
        progress: PublishProgress | None = PublishProgress()
        while progress is not None:
            progress = self.world.publish(run_id, progress=progress).progress

    def check_readers(self) -> None:
        """As a reader: every file that counts is there, and no row is in two of them."""
        seen = self.world.read()
        assert [row for row, count in seen.items() if count > 1] == []
        if self.shared and self.world.replace == "partition":
            return  # a run may replace the other range's rows, as it is asked to
        complete = {manifest.range for manifest in self.world.manifests() if manifest.complete}
        for manifest in self.world.manifests():
            range_ = self.runs[manifest.run_id]
            if manifest.range in complete:
                self.whole.add(range_)
        for range_ in self.whole:
            assert all(row in seen for row in self.all_rows(range_))


@pytest.mark.parametrize("replace", ["none", "partition"])
@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
@settings(max_examples=2 * settings.default.max_examples)
@given(happenings=st.lists(actions, min_size=2, max_size=12))
def test_no_row_is_seen_twice_and_none_is_lost(
    replace: str, shared: bool, happenings: list[Action]
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = PublishingWorld(s3=FakeS3(), replace=replace)
        use_s3(monkeypatch, world.s3)
        story = Story(world, shared)
        world.s3.after = lambda name: (
            story.check_readers() if name in ("put_object", "delete_objects") else None
        )
        for action in happenings:
            story.happen(action)
