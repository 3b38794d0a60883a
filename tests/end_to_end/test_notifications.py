"""What subscribers of the topic and the notification queue's consumer get of a run's end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from running_cloud import Item, RunningCloud, wait_until
from test_stopping import announced
from test_whole_pipeline import run_request

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("end-to-end"),
]


@dataclass(frozen=True)
class Subscriber:
    """A queue of its own behind the topic, for ends of runs only."""

    sqs: Any
    url: str

    def end_of(self, run_id: str) -> Item:
        """The envelope of the run's end; what comes before it is dropped."""

        def found() -> Item | None:
            batch = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            for message in batch.get("Messages", []):
                envelope: Item = json.loads(message["Body"])
                if json.loads(envelope["Message"])["runId"] == run_id:
                    return envelope
            return None

        return wait_until(found, f"the notification of the end of {run_id}")


@pytest.fixture(scope="module")
def subscriber(cloud: RunningCloud) -> Iterator[Subscriber]:
    sqs, sns = (cloud.cloud.client(service) for service in ("sqs", "sns"))
    url = sqs.create_queue(QueueName="e2e-subscriber")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    subscription = sns.subscribe(
        TopicArn=cloud.outputs["NotificationTopicArn"],
        Protocol="sqs",
        Endpoint=queue["QueueArn"],
        Attributes={"FilterPolicy": json.dumps({"outcome": [{"exists": True}]})},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    yield Subscriber(sqs, url)
    sns.unsubscribe(SubscriptionArn=subscription)


@pytest.fixture(scope="module")
def losses(cloud: RunningCloud, subscriber: Subscriber) -> Item:
    """A run of all objects, some rows of each of which are rejected; the envelope of its end."""
    cloud.send(run_request("e2e-losses", endDateTime="2026-11-04"))
    return subscriber.end_of("e2e-losses")


def outcome_of(envelope: Item) -> str:
    """As the attribute and the message have it, which must agree."""
    reported: str = json.loads(envelope["Message"])["outcome"]
    assert envelope["MessageAttributes"]["outcome"]["Value"] == reported
    return reported


def test_failures_beyond_the_tolerance_reach_the_notification_queue(
    cloud: RunningCloud, subscriber: Subscriber
) -> None:
    with cloud.job_failing_for("dt=2026-11-01"):
        cloud.send(
            run_request(
                "e2e-breach",
                endDateTime="2026-11-03",
                detached=True,
                toleratedFailurePercentage=10,
            )
        )
        cloud.await_run("e2e-breach", "FAILED")

    envelope = subscriber.end_of("e2e-breach")
    text = json.loads(envelope["Message"])["text"]

    assert announced(cloud, "e2e-breach")  # by the queue's consumer
    assert outcome_of(envelope) == "FAILED"
    assert envelope["Subject"].startswith("Run e2e-breach of orders FAILED: ")
    assert "tolerated 10%" in text
    assert "no such luck" in text  # the end of the job's log
    assert "pipeline jobs e2e-breach" in text
    assert "--tolerated-failure-percentage 10 --retry-of e2e-breach" in text


def test_losses_are_reported_with_what_was_lost_and_how_to_send_it_again(
    cloud: RunningCloud, losses: Item
) -> None:
    run = cloud.await_run("e2e-losses", "SUCCEEDED", "FAILED")
    text = json.loads(losses["Message"])["text"]

    assert outcome_of(losses) == run["outcome"]["S"] == "SUCCEEDED_WITH_LOSSES"
    assert f"{cloud.sample.rejected} rejected" in text.splitlines()[0]
    assert "Rules that rows broke:" in text
    assert "pipeline rejected e2e-losses --out rejected-e2e-losses.jsonl" in text
    assert "--stack" not in text  # the CLI finds a local cloud by itself


@pytest.mark.usefixtures("losses")
def test_every_unit_is_in_the_results_document_with_its_outputs(cloud: RunningCloud) -> None:
    document = cloud.results("e2e-losses")
    s3 = cloud.cloud.client("s3")

    assert document["rowsAddUp"] is True
    assert len(document["outcomes"]) == document["units"]["total"]
    for unit in document["outcomes"]:
        rows = unit["rows"]
        taken = ("stored", "rejected", "filtered", "removed")
        assert rows["rowsIn"] == sum(rows[name] for name in taken) > 0
        assert unit["seconds"] > 0
        assert unit["jobIds"]
        assert "dynamodb" in unit["outputs"]["tables"]
        urls = [url for name, url in unit["outputs"].items() if name.endswith("Url")]
        for url in urls:
            bucket, _, key = url.removeprefix("s3://").partition("/")
            assert s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] > 0, url
        assert ("quarantineUrl" in unit["outputs"]) is (rows["rejected"] > 0)


def test_a_run_with_nothing_to_do_is_reported_as_skipped(
    cloud: RunningCloud, subscriber: Subscriber
) -> None:
    cloud.send(run_request("e2e-skipped", startDateTime="2020-01-01", endDateTime="2020-02-01"))

    envelope = subscriber.end_of("e2e-skipped")

    assert outcome_of(envelope) == "SKIPPED"
    assert "no objects to process" in envelope["Subject"]
    assert "pipeline run --dataset orders" in json.loads(envelope["Message"])["text"]
