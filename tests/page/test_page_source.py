"""What the page reads and changes, without a browser."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from page_world import PageWorld, ago

from cli.client.run_list import Wanted
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from cli.page import actions
from cli.page.api import read
from cli.page.live import Look, follow
from cli.page.source import Source
from contracts.run import UnitState

FAILURE = {"stage": "clean", "error_type": "JobFailed"}


@pytest.fixture
def world() -> PageWorld:
    return PageWorld()


@pytest.fixture
def source(world: PageWorld) -> Source:
    return Source(lambda: world.deployment)


def test_units_are_read_page_by_page(world: PageWorld, source: Source) -> None:
    world.put_run("r1")
    world.put_units("r1", 250)

    pages, after = [], None
    while True:
        page = source.units("r1", after, None)
        pages.append([unit.unit_id for unit in page.units])
        if not page.more:
            break
        after = pages[-1][-1]

    assert [len(page) for page in pages] == [100, 100, 50]
    assert sum(pages, []) == [f"00000-{number:03d}" for number in range(250)]
    assert world.table.queries <= 5


def test_units_of_a_state_are_found_among_many(world: PageWorld, source: Source) -> None:
    world.put_run("r1")
    world.put_units("r1", 3000, failed=2, message="no", **FAILURE)

    page = source.units("r1", None, UnitState.FAILED)

    assert ([unit.unit_id for unit in page.units], page.more) == (["00002-998", "00002-999"], False)


def test_failures_that_differ_in_numbers_only_are_one(world: PageWorld, source: Source) -> None:
    units = {"total": 4, "stored": 0, "failed": 4, "notStarted": 0}
    world.put_run("r1", "FAILED", units=units)
    world.put_units("r1", 3, failed=3, message="row 1 of s3://data/a.csv is 'x'", **FAILURE)
    for number in range(2):
        world.table.partitions["r1"][f"UNIT#00000-00{number}"]["failure"] = {
            **FAILURE,
            "message": f"row {number + 7} of s3://data/{number}.csv is 'y'",
        }
    world.put_units("r2", 1, failed=1, message="another", **FAILURE)
    world.table.put(
        {**world.table.partitions["r2"]["UNIT#00000-000"], "run_id": "r1"}
        | {"item": "UNIT#00000-009"}
    )

    groups = source.progress("r1").failures

    assert [(group.units, group.first.unit_id) for group in groups] == [
        (3, "00000-000"),
        (1, "00000-009"),
    ]


def test_a_running_run_is_counted_and_one_that_ended_read_once(
    world: PageWorld, source: Source
) -> None:
    units = {"total": 9, "stored": 0, "failed": 0, "notStarted": 0}
    world.put_run("r1", "RUNNING", units=units)
    world.put_units("r1", 4)

    progress = source.progress("r1")

    assert (progress.total, progress.states, progress.rows.stored) == (9, {"STORED": 4}, 28)
    world.put_run("r2", "FAILED", units={"total": 1, "failed": 1, "stored": 0, "notStarted": 0})
    world.put_units("r2", 1, failed=1, message="no", **FAILURE)
    source.progress("r2")
    before = world.table.queries
    assert source.progress("r2").states == {"FAILED": 1}
    assert world.table.queries == before


def test_counts_are_of_all_states_whatever_is_shown(world: PageWorld, source: Source) -> None:
    world.put_run("r1", "FAILED")
    world.put_run("r2", "RUNNING")
    world.put_run("old", "FAILED", claimed_at=ago(90_000))

    view = source.runs(24, Wanted(statuses=frozenset({"FAILED"})))

    assert [each.run.run_id for each in view.runs] == ["r1"]
    assert {name: number for name, number in view.counts.items() if number} == {
        "FAILED": 1,
        "RUNNING": 1,
    }


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/api/runs/none", {}, NOT_FOUND),
        ("/api/nothing", {}, NOT_FOUND),
        ("/api/runs", {"status": "ODD"}, REFUSED),
        ("/api/runs", {"hours": "many"}, REFUSED),
        ("/api/runs", {"hours": "nan"}, REFUSED),
        ("/api/runs", {"cursor": "odd"}, REFUSED),
        ("/api/runs/r1/units", {"state": "ODD"}, REFUSED),
        ("/api/runs/r1/timeline", {"offset": "-1"}, REFUSED),
        ("/api/runs/r1/units/none", {}, NOT_FOUND),
        ("/api/runs/r1/operations/none", {}, NOT_FOUND),
        ("/api/runs/r1/rejected", {}, NOT_FOUND),
    ],
)
def test_what_cannot_be_had_is_said(
    world: PageWorld, source: Source, path: str, query: dict[str, str], code: int
) -> None:
    world.put_run("r1")

    with pytest.raises(CommandFailed) as failed:
        read(source, path, query)

    assert failed.value.exit_code == code


@pytest.mark.parametrize(
    "rows", [None, [], "text", [{"no column": "1"}], [{"amount": {"a": 1}}], [{"amount": None}]]
)
def test_rows_that_cannot_be_sent_are_refused(world: PageWorld, source: Source, rows: Any) -> None:
    world.put_run("r1")
    world.put_rejected("r1")

    with pytest.raises(CommandFailed):
        actions.resend(source, "r1", {"rows": rows})

    assert world.queues.sent == []


def test_the_same_rows_are_sent_once(world: PageWorld, source: Source) -> None:
    world.put_run("r1")
    world.put_rejected("r1")
    rows = {"rows": [{"order_id": "o1", "amount": "12"}]}

    first = actions.resend(source, "r1", rows)
    world.put_run(str(first.run_id), "RUNNING")
    second = actions.resend(source, "r1", rows)

    assert (first.refused, second.refused, first.run_id == second.run_id) == (False, True, True)
    assert len(world.queues.sent) == 1


def test_only_what_has_changed_is_sent_live(world: PageWorld, source: Source) -> None:
    world.put_run("r1", "RUNNING")
    looks = [Look("/api/runs/r1", lambda: read(source, "/api/runs/r1", {}))]
    looks.append(Look("/api/runs/none", lambda: read(source, "/api/runs/none", {})))
    events: list[dict[str, Any]] = []

    class Request:
        async def is_disconnected(self) -> bool:
            return len(events) >= 3

    async def collect() -> None:
        async for text in follow(Request(), looks, source):  # type: ignore[arg-type]
            events.append(json.loads(text.removeprefix("data: ")))
            if len(events) == 2:
                world.put_run("r1", "FAILED")

    asyncio.run(collect())

    assert [(each["on"], "problem" in each) for each in events] == [
        ("/api/runs/r1", False),
        ("/api/runs/none", True),
        ("/api/runs/r1", False),
    ]
    assert events[2]["document"]["shown"] == "FAILED"
