"""Jobs of units of several objects: the list of what they read, for every engine, whatever dies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from job_fakes import Killed
from job_world import RUN_ID, STAGES, World, snapshot
from manifests import put_manifest

from contracts import layout
from contracts.dataset import Group
from contracts.errors import NotFound
from contracts.job import Engine, JobStatus
from contracts.manifest import ManifestEntry, ObjectGroup
from contracts.source.unit_inputs import UnitInputs
from contracts.source.unit_part import UnitPart, stage_and_part
from remote_jobs.work import job_spec_of, request_of
from sources import frozen

OBJECTS: Final = 5  # of each unit
ENGINES: Final = [engine for engine in Engine if engine is not Engine.REDSHIFT]
UNITS: Final = 30


def entry(number: int) -> ManifestEntry:
    return ManifestEntry(
        bucket="data-bucket",
        key=f"landing/sales/{number:03d}.csv",
        size=10 + number,
        etag=f"{number:032d}",
        last_modified="2026-11-20T00:00:00Z",
    )


@pytest.fixture
def world(cloud: Any, clients: Any) -> World:
    world = World(cloud, clients)
    clients.use("s3", world.fate.over(cloud.client("s3")))
    grouped = snapshot().model_copy(update={"group": Group(objects=OBJECTS)})
    cloud.put(layout.dataset_snapshot_key(RUN_ID), json.dumps(grouped.to_json()))
    units = []
    for unit in range(UNITS):
        entries = tuple(entry(unit * OBJECTS + number) for number in range(OBJECTS))
        key = layout.group_key(RUN_ID, unit)
        cloud.put(key, json.dumps(ObjectGroup(run_id=RUN_ID, entries=entries).to_json()))
        units.append(entries[0].model_copy(update={"key": key, "objects": OBJECTS}))
    put_manifest(cloud.put, RUN_ID, tuple(units))
    for cached in (frozen.read_snapshot, frozen.read_manifest_part, frozen.objects_of):
        cached.cache_clear()
    return world


def inputs(world: World, url: str) -> UnitInputs:
    return UnitInputs.from_json(world.cloud.read_json(layout.split_s3_url(url)[1]))


def arguments(world: World, message: Any) -> dict[str, str]:
    """What the job of this message is given."""
    submitter = world.submitter(message.engine)
    record = world.jobs.get(message.key)
    return dict(request_of(record, job_spec_of(record, submitter.data_bucket)).arguments)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_job_of_a_unit_gets_the_list_of_its_objects(world: World, engine: Engine) -> None:
    message = world.message(engine=engine, unit="00000-001")

    status = world.submit(message)

    url = f"s3://data-bucket/runs/{RUN_ID}/units/00000-001/inputs/0000-0004.json"
    given = dict(status.call.event) if status.call else arguments(world, message)
    assert (given["INPUT_URL"], given["INPUT_URLS"]) == (url, url)
    assert given["JOB_KEY"] == f"{RUN_ID}/00000-001/{STAGES[engine]}/1"
    listed = inputs(world, url)
    assert [(one.place, one.url, one.size) for one in listed.objects] == [
        (place, f"s3://data-bucket/landing/sales/{5 + place:03d}.csv", 15 + place)
        for place in range(OBJECTS)
    ]
    assert listed.objects[0].etag == f"{5:032d}"


def test_a_job_behind_another_gets_its_output_and_the_same_list(world: World) -> None:
    first = world.submit()
    world.submit(world.message(stage="enrich", input_url=first.output_url))
    given = [run["Arguments"] for run in world.glue.runs]
    assert given[1]["--INPUT_URL"] == first.output_url
    assert given[1]["--INPUT_URLS"] == given[0]["--INPUT_URLS"]
    assert ["--QUERY" in each for each in given] == [True, False]


def test_a_unit_of_one_object_gets_no_list(cloud: Any, clients: Any) -> None:
    world = World(cloud, clients)
    frozen.read_snapshot.cache_clear()
    frozen.read_manifest_part.cache_clear()
    world.submit()
    assert "--INPUT_URLS" not in world.glue.runs[0]["Arguments"]
    assert cloud.keys(f"runs/{RUN_ID}/units/") == [layout.load_key(RUN_ID, "00000-000")]


def test_the_job_of_a_part_lists_that_part_and_is_a_job_of_its_own(world: World) -> None:
    part = UnitPart(2, 3)
    whole = world.submit()
    half = world.submit(world.message(stage=part.stage("clean"), callback="callback2"))

    given = world.glue.runs[1]["Arguments"]
    assert given["--INPUT_URLS"].endswith("/inputs/0002-0003.json")
    assert [one.place for one in inputs(world, given["--INPUT_URLS"]).objects] == [2, 3]
    assert given["--DEPTH"] == "2", "the stage of the chain has the arguments"
    assert half.job_id != whole.job_id
    assert half.output_url != whole.output_url
    assert half.stage == "clean.0002-0003"


def test_a_part_that_the_unit_does_not_have_is_refused_before_any_trace(world: World) -> None:
    with pytest.raises(NotFound, match="00000-000"):
        world.submit(world.message(stage=UnitPart(3, 5).stage("clean")))
    assert list(world.cloud.ledger.query(RUN_ID, "JOB#")) == []


def test_a_later_attempt_adopts_the_job_of_the_same_part_only(world: World) -> None:
    stages = ("clean", UnitPart(0, 1).stage("clean"))
    earlier = [world.submit(world.message(stage=stage)) for stage in stages]
    for run in world.glue.runs:
        run["JobRunState"] = "RUNNING"
    world.hold_run(2)
    other = UnitPart(2, 4).stage("clean")

    again = [
        world.submit(world.message(stage=stage, run_attempt=2, callback=f"callback-{stage}"))
        for stage in (*stages, other)
    ]

    assert [status.job_id for status in again[:2]] == [status.job_id for status in earlier]
    assert again[2].job_id not in {status.job_id for status in earlier}
    assert len(world.glue.runs) == 3


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_any_outside_call_there_is_one_job_with_its_list(
    world: World, engine: Engine, after: bool
) -> None:
    """Every call in turn, the list's writing among them; units keep the rounds apart."""
    names: set[str] = set()
    for position in range(UNITS):
        unit = layout.unit_id(0, position)
        message = world.message(engine=engine, unit=unit, stage=f"{STAGES[engine]}.0001-0002")
        world.fate.kill_at(position + 1, after=after)
        status = _until_it_returns(world, lambda message=message: world.submit(message))
        names.update(world.fate.names)
        survived = world.fate.calls == position
        world.fate.spare()
        assert len(world.started(engine)) == position + 1
        assert world.record(message).job_id == status.job_id
        url = arguments(world, message)["INPUT_URLS"]
        assert [one.place for one in inputs(world, url).objects] == [1, 2]
        if survived:
            break
    assert "put_object" in names
    assert position < UNITS - 1


def _until_it_returns(world: World, call: Callable[[], JobStatus]) -> JobStatus:
    for _ in range(100):
        try:
            status = call()
        except Killed:
            status = None
        if status is not None and (status.service_id or status.call or status.state.ended):
            return status
        world.clock.advance(40)
    raise AssertionError("it never returned")


@pytest.mark.parametrize(
    ("text", "stage", "part"),
    [
        ("clean", "clean", None),
        ("clean.0000-0099", "clean", UnitPart(0, 99)),
        ("store-redshift", "store-redshift", None),
    ],
)
def test_the_stage_of_a_job_says_its_part(text: str, stage: str, part: UnitPart | None) -> None:
    assert stage_and_part(text) == (stage, part)
    assert part is None or part.stage(stage) == text


@pytest.mark.parametrize("count", [2, 3, 200, 1000])
def test_halves_are_all_of_a_part_and_end_in_single_objects(count: int) -> None:
    parts, single, rounds = [UnitPart(0, count - 1)], [], 0
    while parts:
        rounds += 1
        parts = [half for part in parts for half in part.halves]
        single += [part for part in parts if len(part) == 1]
        parts = [part for part in parts if len(part) > 1]
    assert sorted(part.first for part in single) == list(range(count))
    assert rounds == (count - 1).bit_length()
