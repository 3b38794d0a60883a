"""A long run's execution is stopped with it, from outside; that of a batch never is."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from control_fakes import client_error
from job_fakes import Killed
from job_world import RUN_ID, UNIT
from reaper_world import FIRST, ReaperWorld

from contracts import layout
from contracts.job import JobState
from contracts.manifest import ManifestSummary
from contracts.messages import StopOutcome, StoppedRun, StopRun

SHARD = FIRST.replace("first", "shard-1")
EARLIER = FIRST.replace("first", "shard-0")
WHY = "it was stopped on request: wrong input"


class Executions:
    """Lambda, as far as executions are stopped and their histories read."""

    def __init__(self, world: ReaperWorld) -> None:
        self.world = world
        self.children: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.most_events = 100  # of a page
        self.stopped: list[tuple[str, str]] = []
        self.errors: dict[str, Exception] = {}

    def stop_durable_execution(self, **asked: Any) -> dict[str, Any]:
        arn = asked["DurableExecutionArn"]
        if arn in self.errors:
            raise self.errors.pop(arn)
        self.stopped.append((arn, asked["Error"]["ErrorMessage"]))
        self.world.end("STOPPED", asked["Error"]["ErrorMessage"], arn)
        return {}

    def get_durable_execution_history(self, **asked: Any) -> dict[str, Any]:
        assert asked["ReverseOrder"]
        events, first = (
            self.children[asked["DurableExecutionArn"]][::-1],
            int(asked.get("Marker", 0)),
        )
        end = first + self.most_events
        more = {"NextMarker": str(end)} if end < len(events) else {}
        return {"Events": events[first:end], **more}

    def start(self, arn: str, name: str = "run-shard", parent: str = FIRST) -> None:
        details = {"DurableExecutionArn": arn, "FunctionName": "long"}
        event = {"EventType": "ChainedInvokeStarted", "Id": arn, "Name": name}
        self.children[parent].append({**event, "ChainedInvokeStartedDetails": details})
        self.world.end("RUNNING", arn=arn)

    def end(self, arn: str, parent: str = FIRST) -> None:
        event = {"EventType": "ChainedInvokeSucceeded", "Id": arn, "Name": "run-shard"}
        self.children[parent].append(event)
        self.world.end("SUCCEEDED", arn=arn)


@pytest.fixture
def world(cloud, clients) -> ReaperWorld:
    return ReaperWorld(cloud, clients, long_run_function="long:live")


@pytest.fixture
def executions(world, clients) -> Executions:
    fake = Executions(world)
    clients.use("lambda", fake)
    return fake


def stop(world: ReaperWorld) -> StoppedRun:
    return world.reaper.stop_run(StopRun(run_id=RUN_ID, reason="wrong input"))


def put_manifest(world: ReaperWorld, *sizes: int) -> None:
    summary = ManifestSummary(
        manifest_url="s3://data/summary.json",
        objects=sum(sizes),
        total_bytes=2,
        shard_sizes=sizes,
        pending=((0, sizes[0]),),
    )
    world.cloud.put(layout.manifest_summary_key(RUN_ID), json.dumps(summary.to_json()))


def put_stored(world: ReaperWorld, *units: str) -> None:
    for unit in units:
        world.cloud.ledger.update(RUN_ID, f"UNIT#{unit}", {"status": "STORED", "run_attempt": 1})


def test_its_execution_is_stopped_after_the_decision_and_the_run_ends_at_once(world, executions):
    world.submit()

    stopped = stop(world)

    assert executions.stopped == [(FIRST, WHY)]
    assert (stopped.outcome, stopped.jobs_cancelled) == (
        StopOutcome.STOPPED,
        (world.job().job_id,),
    )
    assert (world.run()["status"], world.run()["reason"]) == ("STOPPED", WHY)
    assert [news["status"] for news in world.cloud.published()] == ["STOPPED"]
    assert (world.job().state, world.job().error) == (JobState.CANCELLED, WHY)


@pytest.mark.parametrize(
    "function", ["long", "long:live", "arn:aws:lambda:us-east-1:123456789012:function:long:live"]
)
def test_the_function_is_known_by_name_or_arn(cloud, clients, function):
    world = ReaperWorld(cloud, clients, long_run_function=function)
    executions = Executions(world)
    clients.use("lambda", executions)

    stop(world)

    assert [arn for arn, _ in executions.stopped] == [FIRST]


@pytest.mark.parametrize("function", ["pipeline:live", ""])
def test_the_execution_of_a_batch_goes_on_with_its_other_runs(cloud, clients, function):
    """Though it may hold only one run as yet: it may be claiming the next one just now."""
    world = ReaperWorld(cloud, clients, long_run_function=function)
    executions = Executions(world)
    clients.use("lambda", executions)

    assert stop(world).outcome is StopOutcome.STOPPING
    assert executions.stopped == []


def test_the_shard_that_it_was_waiting_for_is_stopped_with_it(world, executions):
    for arn in (EARLIER, SHARD):
        executions.start(arn)
    executions.start(FIRST.replace("first", "step"), name="list-urls")
    world.end("SUCCEEDED", arn=EARLIER)
    world.end("RUNNING", arn=SHARD)

    stop(world)

    assert executions.stopped == [(FIRST, WHY), (SHARD, WHY)]


def test_a_shard_that_has_ended_is_left_alone(world, executions):
    executions.start(SHARD)
    world.end("SUCCEEDED", arn=SHARD)

    stop(world)

    assert [arn for arn, _ in executions.stopped] == [FIRST]


def test_a_run_that_has_stored_all_ends_by_itself(world, executions):
    put_manifest(world, 2, 1)
    put_stored(world, UNIT, layout.unit_id(0, 1), layout.unit_id(1, 0))

    assert stop(world).outcome is StopOutcome.STOPPING
    assert executions.stopped == []


@pytest.mark.parametrize("most_events", [1, 100])
def test_all_shards_that_run_side_by_side_are_stopped_with_it(world, executions, most_events):
    executions.most_events = most_events
    shards = [FIRST.replace("first", f"shard-{number}") for number in range(4)]
    for shard in shards:
        executions.start(shard)
    executions.end(shards[1])

    stop(world)

    assert [arn for arn, _ in executions.stopped] == [FIRST, shards[3], shards[2], shards[0]]


def test_so_are_shards_that_an_execution_of_its_own_starts(world, executions):
    """Of a run of more than 300 shards."""
    group = FIRST.replace("first", "shards-300")
    executions.start(group, name="run-shards")
    for shard in (EARLIER, SHARD):
        executions.start(shard, parent=group)

    stop(world)

    assert [arn for arn, _ in executions.stopped] == [FIRST, group, SHARD, EARLIER]


def test_a_shard_that_cannot_be_stopped_leaves_no_other_going_on(world, executions):
    for shard in (EARLIER, SHARD):
        executions.start(shard)
    executions.errors[SHARD] = client_error("TooManyRequestsException", 429)

    stop(world)

    assert [arn for arn, _ in executions.stopped] == [FIRST, EARLIER]


@pytest.mark.parametrize("missing", [UNIT, layout.unit_id(1, 0)])
def test_a_run_that_lacks_a_unit_of_any_shard_is_stopped(world, executions, missing):
    put_manifest(world, 2, 1)
    units = {UNIT, layout.unit_id(0, 1), layout.unit_id(1, 0)}
    put_stored(world, *(units - {missing}))

    assert stop(world).outcome is StopOutcome.STOPPED
    assert [arn for arn, _ in executions.stopped] == [FIRST]


@pytest.mark.parametrize("failing", [FIRST, SHARD])
def test_what_cannot_be_stopped_now_is_stopped_by_the_next_sweep(world, executions, failing):
    """The jobs are cancelled all the same. A shard begins nothing more, so it is left alone."""
    world.submit()
    executions.start(SHARD)
    world.end("RUNNING", arn=SHARD)
    executions.errors[failing] = client_error("TooManyRequestsException", 429)

    stop(world)
    assert world.job().state is JobState.CANCELLED
    world.sweep()

    assert FIRST in [arn for arn, _ in executions.stopped]
    assert world.run()["status"] == "STOPPED"


@pytest.mark.usefixtures("executions")
def test_its_end_is_counted_by_its_event_only(world, capsys):
    assert stop(world).outcome is StopOutcome.STOPPED
    assert "ExecutionsStopped" not in capsys.readouterr().out


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_request_is_made_good_by_a_repeat(world, executions, after):
    world.submit()
    for number in range(1, 60):
        world.fate.kill_at(number, after=after)
        try:
            stop(world)
        except Killed:
            continue
        finally:
            world.fate.spare()
        break
    world.sweep()
    assert executions.stopped == [(FIRST, WHY)]
    assert world.run()["status"] == "STOPPED"
    assert world.job().state is JobState.CANCELLED
