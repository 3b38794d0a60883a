"""The benchmark of awaiting jobs: it runs, and says what the project promises."""

from __future__ import annotations

import pytest

from benchmarks.jobs.__main__ import WAYS, Cost, measure, table

pytestmark = pytest.mark.slow


def costs(way: str) -> list[Cost]:
    return [measure(way, minutes) for minutes in (2, 12)]


def test_a_job_by_callback_costs_the_same_however_long_it_runs() -> None:
    short, long = costs("callback")
    for cost in (short, long):
        assert (cost.operations, cost.orchestrator) == (2, 3)
    assert abs(long.written - short.written) < 50
    assert long.functions - short.functions == 10  # the watcher, once a minute


def test_jobs_share_the_watchers_requests() -> None:
    alone = measure("callback", 12)
    shared = measure(WAYS[1], 12)
    assert shared.engine < alone.engine / 5
    assert shared.operations == alone.operations


def test_polling_costs_more_with_every_minute() -> None:
    for way in WAYS[2:]:
        short, long = costs(way)
        assert long.operations >= short.operations + 10
        assert long.orchestrator >= short.orchestrator + 10


def test_the_table_names_every_way_and_its_ratio() -> None:
    measured = [Cost(60, way, 2 * i, 3, 1, 1, 1, 0, 1024, 2048) for i, way in enumerate(WAYS, 1)]
    text = table(measured)
    assert [line.split(" | ")[1] for line in text.splitlines()[2:]] == list(WAYS)
    assert "| 6 (3.0×) |" in text
