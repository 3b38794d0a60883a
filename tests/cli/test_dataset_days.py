"""The days of a dataset: what its runs and a listing of its objects say of each."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest
from cli_world import World

from cli.client.dataset_days import (
    DayState,
    Objects,
    RunDays,
    calendar,
    count_objects,
    day_of_url,
    days_of_run,
)
from cli.client.dataset_history import (
    difference,
    processed_by_day,
    runs_of,
    versions_of,
)
from cli.client.ledger import Run
from contracts.dataset import Source
from contracts.ledger_items import place_in_list

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 5)
DAYS = Source.model_validate({"prefix": "landing/orders/", "partition": "dt=%Y-%m-%d/"})
URL = "s3://data/landing/orders/dt=2026-11-0{}/a.csv"


def run(run_id: str, status: str = "SUCCEEDED", **more: Any) -> Run:
    request = {
        "datasetName": "orders",
        "startDateTime": "2026-11-01T00:00:00Z",
        "endDateTime": "2026-11-04T00:00:00Z",
        "runId": run_id,
        **more.pop("request", {}),
    }
    text = json.dumps({name: value for name, value in request.items() if value is not None})
    item = {"run_id": run_id, "item": "RUN", "status": status, "run_attempt": 1, "request": text}
    return Run.from_item({**item, "dataset_name": "orders", "holder": "h", **more})


def days(*runs: RunDays | Run, objects: dict[date, Objects] | None = None) -> dict[int, str]:
    about = [
        each if isinstance(each, RunDays) else days_of_run(each, DAYS, FIRST, LAST) for each in runs
    ]
    found = calendar(FIRST, LAST, about, objects or {})
    return {day.day.day: day.state.value for day in found if day.state is not DayState.OPEN}


def test_the_newest_run_of_a_day_decides() -> None:
    failed = run("b", "FAILED", request={"startDateTime": "2026-11-03T06:30:00Z"})

    assert days(failed, run("a")) == {1: "STORED", 2: "STORED", 3: "FAILED"}
    assert days(run("a"), failed) == {1: "STORED", 2: "STORED", 3: "STORED"}


def test_a_run_that_goes_on_is_shown_before_all_and_one_without_effect_never() -> None:
    running = run("c", "RUNNING", request={"endDateTime": "2026-11-02T00:00:00Z"})
    skipped = run("d", "SKIPPED")
    superseded = run("e", "FAILED", superseded_by="f")
    lossy = run("a", outcome="SUCCEEDED_WITH_LOSSES")

    assert days(skipped, superseded, lossy, running) == {
        1: "RUNNING",
        2: "WITH_LOSSES",
        3: "WITH_LOSSES",
    }


def test_of_a_failed_run_the_days_of_its_failed_units_failed() -> None:
    found = days_of_run(run("a", "FAILED"), DAYS, FIRST, LAST)
    known = RunDays(found.run, found.days, frozenset({date(2026, 11, 2)}))

    assert days(known) == {1: "STORED", 2: "FAILED", 3: "STORED"}
    assert days(found) == {1: "FAILED", 2: "FAILED", 3: "FAILED"}


def test_objects_that_no_run_has_stored_are_missing() -> None:
    objects = {date(2026, 11, n): Objects(n - 3) for n in (3, 4, 5)}

    assert days(objects=objects) == {3: "EMPTY", 4: "MISSING", 5: "MISSING"}
    assert days(run("a"), objects={FIRST: Objects(9)})[1] == "STORED"


def test_runs_of_single_objects_store_a_day_once_they_have_all_of_it() -> None:
    one = {"startDateTime": None, "endDateTime": None}
    runs = [run(str(n), request={**one, "inputUrl": URL.format(n)}) for n in (1, 2, 2)]
    objects = {date(2026, 11, n): Objects(n) for n in (1, 2)}

    assert days(*runs, objects=objects) == {1: "STORED", 2: "MISSING"}
    assert days(*runs) == {1: "STORED", 2: "STORED"}
    elsewhere = run("x", request={**one, "inputUrl": "s3://data/runs/r/resent/1.csv"})
    assert days(elsewhere) == {}


def test_a_day_is_read_from_a_key() -> None:
    named = Source.model_validate(
        {"prefix": "landing/events/", "timeFrom": "key", "keyTime": "events_%Y%m%d_%H.csv"}
    )
    url = "s3://data/landing/events/x/events_20261103_07.csv"

    assert day_of_url(DAYS, URL.format(4)) == date(2026, 11, 4)
    assert day_of_url(named, url) == date(2026, 11, 3)
    assert day_of_url(named, URL.format(4)) is None
    assert day_of_url(DAYS, "s3://data/landing/orders/odd.csv") is None


def test_a_run_without_a_request_is_about_no_day() -> None:
    empty = Run.from_item({"run_id": "b", "item": "RUN", "status": "RUNNING", "run_attempt": 1})
    assert days_of_run(empty, DAYS, FIRST, LAST).days == set()


def test_objects_are_counted_as_a_run_would_list_them(world: World) -> None:
    s3 = boto3.client("s3")
    for name in ("dt=2026-11-01/a.csv", "dt=2026-11-01/b.csv", "dt=2026-11-01/_SUCCESS.csv"):
        s3.put_object(Bucket="data", Key=f"landing/orders/{name}", Body=b"x")
    s3.put_object(Bucket="data", Key="landing/orders/dt=2026-11-02/readme.txt", Body=b"x")
    source = DAYS.model_copy(update={"suffix": ".csv"})

    found = count_objects(world.deployment, source, FIRST, date(2026, 11, 2))

    assert found == {FIRST: Objects(2), date(2026, 11, 2): Objects(0)}
    assert count_objects(world.deployment, Source(prefix="a/"), FIRST, LAST) == {}
    minutes = DAYS.model_copy(update={"partition": "%Y-%m-%d-%H-%M/"})
    assert count_objects(world.deployment, minutes, FIRST, FIRST) == {}
    assert count_objects(world.deployment, source, LAST, FIRST) == {}


# -- what was processed, and by which contract


def put(world: World, run_id: str, at: datetime, **more: Any) -> None:
    text = at.isoformat().replace("+00:00", "Z")
    world.put_run(run_id, claimed_at=text, **place_in_list(text, run_id), **more)


def test_rows_are_added_by_the_day_on_which_their_runs_began(world: World) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    rows = {"rowsIn": 10, "filtered": 1, "rejected": 2, "removed": 0, "stored": 7}
    ended = dict(status="SUCCEEDED", rows=rows)
    put(world, "a", noon, **ended)
    put(world, "b", noon + timedelta(hours=3), **ended)
    put(world, "c", noon + timedelta(days=1), **ended)
    put(world, "d", noon + timedelta(days=1), status="RUNNING")
    put(world, "e", noon, **ended, dataset_name="others")

    found = runs_of(world.deployment, "orders", noon, noon + timedelta(days=2))

    assert found.complete
    assert [(day.day.day, day.runs, day.rows.rejected) for day in processed_by_day(found.runs)] == [
        (20, 2, 4),
        (21, 1, 2),
    ]


def test_reading_runs_ends_somewhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for number in range(7):
        put(world, f"r{number}", noon + timedelta(seconds=number))
    monkeypatch.setattr("cli.client.dataset_history.RUNS_AT_MOST", 3)

    found = runs_of(world.deployment, "orders", noon, noon + timedelta(days=1))

    assert ([run.run_id for run in found.runs], found.complete) == (["r6", "r5", "r4"], False)


def test_versions_are_those_that_runs_read_and_the_deployed_one() -> None:
    runs = [
        run("c", dataset_version="bbb", claimed_at="3"),
        run("b", dataset_version="aaa", claimed_at="2"),
        run("a", dataset_version="aaa", claimed_at="1"),
        run("refused"),
    ]

    deployed, newer, older = versions_of(runs, "name: orders")

    assert (deployed.deployed, deployed.runs, deployed.run_id) == (True, 0, None)
    assert (newer.version, newer.run_id, newer.deployed) == ("bbb", "c", False)
    assert (older.version, older.runs, older.run_id) == ("aaa", 2, "b")
    assert (older.first_at, older.last_at) == ("1", "2")


def test_a_difference_has_what_was_added_and_removed_with_some_lines_around() -> None:
    before = "\n".join(f"line {n}" for n in range(20))
    after = before.replace("line 10\n", "line ten\n")

    found = [(line.change, line.text) for line in difference(before, after)]

    assert found[0] == ("@", "…")
    assert [each for each in found if each[0] in "+-"] == [("-", "line 10"), ("+", "line ten")]
    assert len(found) == 9
    assert difference(before, before) == []
