"""Several runs at once want a Glue job of two places, while the job watcher is killed at random."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from contended_cloud import (
    PLACES,
    Killer,
    TwoPlaces,
    operations_of,
    put_work,
    queue_is_empty,
    two_places,
)
from running_cloud import ROOT, Item, RunningCloud, wait_until

from contracts.messages import LoadedDataset, LoadedJob
from contracts.steps import declared
from durable_pipeline.plan import operations_per_unit
from local.local_cloud.cloud import LocalCloud

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(1800),
]
RUNS = 5


@pytest.fixture
def contended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    directory = tmp_path_factory.mktemp("contended")
    with (
        two_places(),
        LocalCloud(
            ROOT / "template.yaml",
            directory,
            port=0,
            parameters={"RedshiftWorkgroupName": ""},
            redelivery_seconds=2,
        ) as cloud,
    ):
        yield RunningCloud(cloud, with_sample=False)


def planned() -> int:
    """Operations of a unit."""
    job = LoadedJob.model_validate({"stage": "clean", "engine": "glue", "timeout_seconds": 600})
    return operations_per_unit(
        LoadedDataset(name="", version="", unit_seconds=1, jobs=(job,), targets=("dynamodb",))
    )


def test_five_runs_share_two_places_while_dispatchers_are_killed(contended: RunningCloud) -> None:
    """A kill between a place and its job costs that place a minute: with more units they are rarer.

    `make test-contention` runs it with 250 units.
    """
    units = int(os.environ.get("CONTENDED_UNITS", "4"))  # of each run
    messages = put_work(contended, RUNS, units)
    with Killer(contended, seed=units, seconds=max(6, units / 4)) as killer:
        for message in messages:
            contended.send(message)
        for message in messages:
            run = contended.await_run(message["runId"], "SUCCEEDED", "FAILED", patience=1500)
            assert run["status"]["S"] == "SUCCEEDED", contended.results(message["runId"])
    queue_is_empty(contended)

    keys = {
        f"{message['runId']}/00000-{unit:03d}/clean/1"
        for message in messages
        for unit in range(units)
    }
    (glue,) = TwoPlaces.made[-1:]
    assert Counter(glue.started) == dict.fromkeys(keys, 1), "each job once"
    assert (glue.most_running, glue.refused) == (PLACES, 0)
    stored = Counter(
        row["run_id"]["S"] for message in messages for row in contended.stored(message["runId"])
    )
    assert stored == {message["runId"]: units for message in messages}
    operations = operations_of(contended)
    of_units = {step.name for step in declared() if step.per_unit} | {"unit", "await-job"}
    assert sum(operations[name] for name in of_units) == planned() * RUNS * units
    assert operations["submit-job"] == operations["await-job"] == RUNS * units
    assert not {"check-job", "cancel-job", "job-backoff"} & operations.keys()
    assert killer.killed > 0


def test_a_full_pool_delays_no_message_of_another_dataset(
    contended: RunningCloud, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    first, waiting = put_work(contended, 2, PLACES, gate)
    (glue,) = TwoPlaces.made[-1:]
    contended.send(first)
    wait_until(lambda: {} if len(glue.started) == PLACES else None, "both places to be taken")

    waiting.pop("detached")
    other = {**waiting, "datasetName": "plain", "runId": "plain"}
    batch = [
        {"messageId": run["runId"], "eventSource": "aws:sqs", "body": json.dumps(run)}
        for run in (waiting, other)
    ]
    contended.cloud.client("lambda").invoke(
        FunctionName=contended.outputs["PipelineFunctionArn"],
        InvocationType="Event",
        Payload=json.dumps({"Records": batch}).encode(),
    )

    holder = contended.await_run("plain", "SUCCEEDED")["holder"]["S"]
    assert contended.await_end(holder)["Status"] == "SUCCEEDED", "it awaited the other run"

    def handed_over() -> Item | None:
        run = contended.run(waiting["runId"])
        return run if run and "LongRunFunction" in run["holder"]["S"] else None

    run = wait_until(handed_over, "the run without places to be handed over")
    assert run["status"]["S"] in ("CLAIMED", "RUNNING")
    assert len(glue.started) == PLACES
    gate.unlink()
    for message in (first, waiting):
        contended.await_run(message["runId"], "SUCCEEDED")
    assert (len(glue.started), glue.refused) == (2 * PLACES, 0)
