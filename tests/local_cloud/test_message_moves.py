"""Bringing dead letters back, on the real substrate, as the operator's client asks for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.front import Front
from local.local_cloud.message_moves import MessageMoves
from local.local_cloud.substrate import Substrate

pytestmark = [pytest.mark.cloud]


@pytest.fixture(scope="module")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    substrate = Substrate(tmp_path_factory.mktemp("moves"))
    substrate.start()
    substrate.wait_until_ready()
    front = Front(0, substrate.port)
    clients = ServiceClients(front.url)
    moves = MessageMoves(clients)
    front.add_json(moves)
    front.start()
    client = boto3.client(
        "sqs",
        endpoint_url=front.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
    )
    yield client
    client.close()
    moves.stop()
    front.stop()
    clients.close()
    substrate.stop()


def arn_of(sqs: Any, url: str) -> str:
    name = "QueueArn"
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


@pytest.fixture
def queues(sqs: Any, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A queue and its dead-letter queue, which takes what was received once."""
    name = str(abs(hash(request.node.name)))
    dead = sqs.create_queue(QueueName=f"dead-{name}")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": "1"}
    attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "0"}
    return sqs.create_queue(QueueName=f"work-{name}", Attributes=attributes)["QueueUrl"], dead


def fail(sqs: Any, url: str, dead: str, body: str) -> str:
    """Send a message that is received until it is a dead letter; its id."""
    color = {"color": {"DataType": "String", "StringValue": "red"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=color)
    deadline = time.monotonic() + 30
    while depth(sqs, dead) == 0:
        assert time.monotonic() < deadline
        sqs.receive_message(QueueUrl=url)
    return str(sent["MessageId"])


def depth(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    return int(found)


def ended(sqs: Any, source: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        task: dict[str, Any] = sqs.list_message_move_tasks(SourceArn=source)["Results"][0]
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            return task
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_dead_letters_go_back_to_the_queue_that_they_came_from(
    sqs: Any, queues: tuple[str, str]
) -> None:
    work, dead = queues
    sent = fail(sqs, work, dead, "one")

    started = sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))

    assert started["TaskHandle"]
    task = ended(sqs, arn_of(sqs, dead))
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    assert "DestinationArn" not in task
    (message,) = sqs.receive_message(QueueUrl=work, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == "one"
    assert message["MessageAttributes"]["color"]["StringValue"] == "red"
    assert message["MessageId"] != sent
    assert depth(sqs, dead) == 0


def test_a_message_that_was_sent_there_directly_fails_the_task_and_stays(
    sqs: Any, queues: tuple[str, str]
) -> None:
    _, dead = queues
    sqs.send_message(QueueUrl=dead, MessageBody="refused")

    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))

    task = ended(sqs, arn_of(sqs, dead))
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert depth(sqs, dead) == 1


def test_any_message_goes_to_a_queue_that_is_named(sqs: Any, queues: tuple[str, str]) -> None:
    work, dead = queues
    sqs.send_message(QueueUrl=dead, MessageBody="refused")

    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead), DestinationArn=arn_of(sqs, work))

    task = ended(sqs, arn_of(sqs, dead))
    assert (task["Status"], task["DestinationArn"]) == ("COMPLETED", arn_of(sqs, work))
    assert depth(sqs, work) == 1


def test_a_task_runs_alone_and_can_be_cancelled(sqs: Any, queues: tuple[str, str]) -> None:
    work, dead = queues
    for number in range(3):
        sqs.send_message(QueueUrl=dead, MessageBody=str(number))
    what = {"SourceArn": arn_of(sqs, dead), "DestinationArn": arn_of(sqs, work)}
    # One a second: it is still running when the next calls arrive, or the second start succeeds.
    started = sqs.start_message_move_task(**what, MaxNumberOfMessagesPerSecond=1)

    with pytest.raises(ClientError, match="only one at a time"):
        sqs.start_message_move_task(**what)
    sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])

    task = ended(sqs, what["SourceArn"])
    assert task["Status"] == "CANCELLED"
    assert task["ApproximateNumberOfMessagesMoved"] < 3
    with pytest.raises(ClientError, match="does not run"):
        sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])


def test_only_a_dead_letter_queue_is_emptied(sqs: Any, queues: tuple[str, str]) -> None:
    work, dead = queues

    with pytest.raises(ClientError, match="must be configured as a Dead Letter Queue"):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, work))
    with pytest.raises(ClientError, match="does not exist"):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, dead) + "x")


def test_the_sources_of_a_dead_letter_queue_are_listed(sqs: Any, queues: tuple[str, str]) -> None:
    work, dead = queues
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [work]
    assert sqs.list_dead_letter_source_queues(QueueUrl=work)["queueUrls"] == []


def test_other_operations_go_on_to_the_substrate(sqs: Any, queues: tuple[str, str]) -> None:
    work, _ = queues
    assert work in sqs.list_queues()["QueueUrls"]
    assert Path(work).name.startswith("work-")
