"""How an event's text reaches functions, queues and topics."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from local.local_cloud.events.delivery import S3EventBridge, TargetDelivery
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.services import ACCOUNT_ID


@dataclass(frozen=True)
class Response:
    payload: bytes = b"null"
    function_error: str | None = None


@dataclass
class Functions:
    """Remembers invocations."""

    invoked: list[tuple[str, bytes, str]] = field(default_factory=list)

    def invoke(
        self,
        name_or_arn: str,
        payload: bytes,
        qualifier: str | None = None,
        invocation_type: str = "RequestResponse",
    ) -> Response:
        assert qualifier is None
        self.invoked.append((name_or_arn, payload, invocation_type))
        return Response()


@pytest.fixture(autouse=True)
def _our_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account of the local cloud, which moto reads at every request."""
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT_ID)


def test_a_function_is_invoked_without_waiting_for_it(moto_endpoint: str) -> None:
    functions = Functions()
    deliver = TargetDelivery(functions, ServiceClients(moto_endpoint), "http://x/")

    deliver("arn:aws:lambda:us-east-1:000000000000:function:f:live", '{"a": 1}')

    (call,) = functions.invoked
    assert call == ("arn:aws:lambda:us-east-1:000000000000:function:f:live", b'{"a": 1}', "Event")


def test_a_queue_and_a_topic_get_the_text(moto_endpoint: str) -> None:
    clients = ServiceClients(moto_endpoint)
    base = f"{moto_endpoint}/{ACCOUNT_ID}/"
    queue = clients.get("sqs").create_queue(QueueName="targets")["QueueUrl"]
    topic = clients.get("sns").create_topic(Name="targets")["TopicArn"]
    queue_arn = f"arn:aws:sqs:us-east-1:{ACCOUNT_ID}:targets"
    clients.get("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    deliver = TargetDelivery(Functions(), clients, base)

    deliver(queue_arn, "to the queue")
    deliver(topic, "to the topic")

    response = clients.get("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    bodies = [message["Body"] for message in response["Messages"]]
    clients.close()
    assert bodies[0] == "to the queue"
    assert json.loads(bodies[1])["Message"] == "to the topic"


def test_events_of_s3_are_published_one_by_one(moto_endpoint: str) -> None:
    published: list[object] = []
    bridge = S3EventBridge(ServiceClients(moto_endpoint), "http://x/", published.append)
    records = [{"body": json.dumps({"id": number})} for number in (1, 2)]

    bridge.invoke("any", json.dumps({"Records": records}).encode())

    assert published == [{"id": 1}, {"id": 2}]
