"""Every message in events/ on the local cloud: it runs, or is refused as its name says."""

from __future__ import annotations

import itertools
import json

import pytest
from running_cloud import ROOT, Item, RunningCloud

from cli.client.messages import run_id_of, with_bucket

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("end-to-end"),
]
EVENTS = ROOT / "events"
# On engines that run Spark: tests/spark/test_every_engine.py runs them where
# there is Java.
SPARK = {"run-spark.json", "emr-ssm.json", "glue.json"}
# What the reason says, and how many objects a run has.
REFUSED = {
    "bad-date.json": "ISO 8601",
    "bad-end-before-start.json": "must be after",
    "bad-missing-start.json": "startDateTime",
    "bad-not-json.txt": "not JSON",
    "bad-unknown-dataset.json": "did you mean orders?",
    "bad-unknown-field.json": "maxConcurency",
    "bad-wrong-types.json": "whole number",
}
RUNS = {
    "data-source.json": 1,
    "data-source-key.json": 1,
    "detached.json": 4,
    "eventbridge-object-created.json": 1,
    "json-array.json": 10,
    "one-object.json": 1,
    "run.json": 4,
    "s3-notification.json": 1,
    "sequential.json": 4,
    "sns-wrapped.json": 4,
}


def message(cloud: RunningCloud, name: str) -> str:
    text = with_bucket((EVENTS / name).read_text(), cloud.outputs["DataBucketName"])
    # Two forms of one upload would be one run; so this is the next upload of the object.
    return text.replace("5F678901", "5F678902") if name == "s3-notification.json" else text


@pytest.fixture(scope="module")
def sent(cloud: RunningCloud) -> dict[str, str]:
    """All messages at once; the run or message id of each, by the file's name."""
    texts = {name: message(cloud, name) for name in [*RUNS, *REFUSED]}
    return {name: run_id_of(text, cloud.send(text)) for name, text in texts.items()}


def ended(cloud: RunningCloud, run_id: str) -> Item:
    return cloud.await_run(run_id, "SUCCEEDED", "FAILED", "STOPPED", "SKIPPED")


def test_every_message_is_run_or_refused_here() -> None:
    names = {path.name for path in EVENTS.iterdir()} - {"README.md"}
    assert names == set(REFUSED) | set(RUNS) | SPARK


def test_no_two_messages_are_one_run(sent: dict[str, str]) -> None:
    assert len(set(sent.values())) == len(sent)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_message_runs_to_its_end(cloud: RunningCloud, sent: dict[str, str], name: str) -> None:
    run = ended(cloud, sent[name])

    assert run["status"]["S"] == "SUCCEEDED", run
    units = {key: int(value["N"]) for key, value in run["units"]["M"].items()}
    assert (units["total"], units["failed"]) == (RUNS[name], 0), units
    assert int(run["rows"]["M"]["stored"]["N"]) > 0


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_bad_message_is_refused_for_its_reason(
    cloud: RunningCloud, sent: dict[str, str], name: str
) -> None:
    letter = cloud.dead_letter(message(cloud, name))

    assert REFUSED[name] in letter["MessageAttributes"]["Reason"]["StringValue"]
    assert letter["MessageAttributes"]["MessageId"]["StringValue"] == sent[name]


FIRST_DAY = "dt=2026-11-01"


def assert_one_after_another(cloud: RunningCloud, run_id: str) -> None:
    """Each Glue job is submitted after the one before has ended, in the order of the objects."""
    units = {
        unit["item"]["S"].split("#")[1]: unit["source_url"]["S"]
        for unit in cloud.ledger(run_id, "UNIT#")
    }
    jobs = sorted(
        (job["submitted_at"]["S"], job["ended_at"]["S"], units[job["item"]["S"].split("#")[1]])
        for job in cloud.ledger(run_id, "JOB#")
        if job["engine"]["S"] == "glue"
    )
    objects = list(dict.fromkeys(url for _, _, url in jobs))
    assert objects == sorted(units.values())
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(jobs)), jobs


def test_objects_of_a_sequential_run_go_in_order(cloud: RunningCloud, sent: dict[str, str]) -> None:
    run_id = sent["sequential.json"]
    ended(cloud, run_id)
    assert_one_after_another(cloud, run_id)


def test_the_next_object_goes_after_one_that_failed(cloud: RunningCloud) -> None:
    """After a time-out, too: test_five_designs.py."""
    run_id = "e2e-next-after-failure"
    request = json.loads(message(cloud, "sequential.json"))
    text = json.dumps({**request, "runId": run_id, "toleratedFailurePercentage": 100})

    with cloud.job_failing_for(FIRST_DAY):
        cloud.send(text)
        ended(cloud, run_id)

    assert_one_after_another(cloud, run_id)
    units = cloud.ledger(run_id, "UNIT#")
    failed = [unit["source_url"]["S"] for unit in units if unit["status"]["S"] != "STORED"]
    assert failed == [url for unit in units if FIRST_DAY in (url := unit["source_url"]["S"])]
    assert failed
