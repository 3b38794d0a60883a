"""A named pool, on a Glue that has more places than it: its limit, its turns, its broken file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from contended_cloud import PLACES, TwoPlaces, put_work, two_places
from running_cloud import ROOT, Item, RunningCloud, wait_until

from contracts import layout
from contracts.ledger_items import PoolItem, PoolsFileItem
from ledger.encoding import from_wire
from local.local_cloud.cloud import LocalCloud

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]
POOL = "narrow"
BLOCKER, NORMAL, URGENT = "blocker", "normal", "urgent"


@dataclass
class Seen:
    """What there was while the first job had the place.

    Attributes:
        pool: the pool's record while the jobs of the other runs waited.
        file: what the ledger had of `pools.yaml` after a broken one was put.
        alarm: of that.
        started: the runs of Glue's jobs, in the order in which they were started.
    """

    cloud: RunningCloud
    pool: PoolItem
    file: PoolsFileItem
    alarm: Item
    started: list[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("pools")
    gate = directory / "gate"
    gate.touch()
    parameters = {"RedshiftWorkgroupName": ""}
    with (
        two_places(),
        LocalCloud(ROOT / "template.yaml", directory, port=0, parameters=parameters) as local_cloud,
    ):
        cloud = RunningCloud(local_cloud, with_sample=False)
        put_pools(cloud, f"pools: {{{POOL}: {{limit: 1}}}}\n")
        requests = put_work(cloud, 3, 3, gate)
        put_pool_in_contracts(cloud)
        (glue,) = TwoPlaces.made[-1:]
        blocker, normal, urgent = (
            {**request, "runId": run_id}
            for request, run_id in zip(requests, (BLOCKER, NORMAL, URGENT), strict=True)
        )
        cloud.send({**blocker, "maxConcurrency": 1})
        wait_until(lambda: {} if glue.started else None, "the place to be taken")
        cloud.send({**normal, "datasetName": "other"})
        await_tickets(cloud, 3)
        cloud.send({**urgent, "priority": "high"})
        pool = await_tickets(cloud, 6)
        put_pools(cloud, f"pools: {{{POOL}: {{limit: many}}}}\n")
        cloud.cloud.client("lambda").invoke(FunctionName="durable-pipeline-JobWatcherFunction")
        file = PoolsFileItem.from_item(item_of(cloud, *PoolsFileItem.key_of()) or {})
        alarm = wait_until(lambda: raised(cloud), "PoolsFileBroken to be raised")
        gate.unlink()
        for run_id in (BLOCKER, NORMAL, URGENT):
            cloud.await_run(run_id, "SUCCEEDED", "FAILED", patience=400)
        started = [key.partition("/")[0] for key in glue.started]
        assert glue.most_running <= PLACES
        yield Seen(cloud, pool, file, alarm, started)


def put_pools(cloud: RunningCloud, text: str) -> None:
    bucket = cloud.outputs["CodeBucketName"]
    cloud.cloud.client("s3").put_object(Bucket=bucket, Key=layout.POOLS_KEY, Body=text.encode())


def put_pool_in_contracts(cloud: RunningCloud) -> None:
    """The dataset `queued`, and another of the same objects, each with its job in the pool."""
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["CodeBucketName"]
    source = layout.dataset_source_key("queued")
    text = s3.get_object(Bucket=bucket, Key=source)["Body"].read().decode()
    pooled = text.replace("stage: clean,", f"stage: clean, pool: {POOL},")
    assert pooled != text
    for name in ("queued", "other"):
        body = pooled.replace("name: queued", f"name: {name}").encode()
        s3.put_object(Bucket=bucket, Key=layout.dataset_source_key(name), Body=body)


def item_of(cloud: RunningCloud, partition: str, sort: str) -> dict[str, Any] | None:
    response = cloud.cloud.client("dynamodb").get_item(
        TableName=cloud.outputs["LedgerTable"],
        Key={"run_id": {"S": partition}, "item": {"S": sort}},
        ConsistentRead=True,
    )
    return from_wire(response["Item"]) if "Item" in response else None


def await_tickets(cloud: RunningCloud, count: int) -> PoolItem:
    """The pool's record, once so many jobs wait."""

    def found() -> Item | None:
        item = item_of(cloud, *PoolItem.key_of(POOL))
        pool = PoolItem.from_item(item) if item else None
        return {"pool": pool} if pool and len(pool.waiting) == count else None

    pool: PoolItem = wait_until(found, f"{count} jobs to wait")["pool"]
    return pool


def raised(cloud: RunningCloud) -> Item | None:
    alarms = cloud.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    (alarm,) = (each for each in alarms if "PoolsFileBroken" in each["AlarmName"])
    return alarm if alarm["StateValue"] == "ALARM" else None


def test_a_named_pool_bounds_the_jobs_of_two_datasets(seen: Seen) -> None:
    (held,) = seen.pool.held.values()
    assert (seen.pool.limit, held.run_id) == (1, BLOCKER)
    waiting = sorted(ticket.run_id for ticket in seen.pool.waiting.values())
    assert waiting == [NORMAL] * 3 + [URGENT] * 3
    assert {run: seen.started.count(run) for run in (BLOCKER, NORMAL, URGENT)} == {
        BLOCKER: 3,
        NORMAL: 3,
        URGENT: 3,
    }


def test_one_of_high_priority_overtakes(seen: Seen) -> None:
    """Ten turns for one: its jobs come before all but the first of those that waited before."""
    last_urgent = len(seen.started) - 1 - seen.started[::-1].index(URGENT)
    assert seen.started[:last_urgent].count(NORMAL) <= 1


def test_a_broken_file_leaves_the_last_good_one_in_force_and_raises_its_alarm(seen: Seen) -> None:
    assert seen.file.limits == {POOL: 1}
    assert "pools.narrow.limit" in str(seen.file.problem)
    assert seen.alarm["StateValue"] == "ALARM"
    (glue,) = TwoPlaces.made[-1:]
    assert glue.most_running == 1, "also while the file was broken"
    runs = [seen.cloud.run(run_id) or {} for run_id in (BLOCKER, NORMAL, URGENT)]
    assert [run["status"]["S"] for run in runs] == ["SUCCEEDED"] * 3
