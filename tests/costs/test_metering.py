"""What a step measures of itself: its time, and the requests that it sends."""

from __future__ import annotations

from typing import Any

import direct_requests
import pytest
from boto3.dynamodb.conditions import Attr
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from contracts.base import Contract
from contracts.costs.usage import METERED, USAGE, Meter
from ledger.table import Ledger
from runtime import clients
from runtime.handler import step_handler
from runtime.metering import meter


@pytest.fixture(autouse=True)
def _by_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests pass through all of botocore, which most tests have no time for."""
    monkeypatch.setattr(BaseClient, "_make_request", direct_requests.over_http)


class Asked(Contract):
    name: str = ""


class Returned(Contract):
    name: str


@step_handler(Asked)
def returning(message: Asked) -> Returned:
    clients.client("s3").put_object(Bucket="data-bucket", Key="a", Body=b"")
    clients.client("s3").get_object(Bucket="data-bucket", Key="a")
    return Returned(name=message.name)


@step_handler(Asked)
def silent(_message: Asked) -> None:
    return None


@pytest.mark.usefixtures("cloud")
def test_a_caller_who_asks_learns_what_the_call_has_used(lambda_context: Any) -> None:
    response = returning({"name": "x", METERED: True}, lambda_context)
    assert response is not None
    used = response.pop(USAGE)
    assert response == {"name": "x"}
    milliseconds = used.pop("lambda-mb-ms:test-metering") / lambda_context.memory_limit_in_mb
    assert milliseconds >= 1
    assert milliseconds == int(milliseconds), "whole milliseconds, as Lambda bills"
    assert used == {"s3-writes": 1, "s3-reads": 1}


@pytest.mark.usefixtures("cloud")
def test_others_get_the_response_as_ever(lambda_context: Any) -> None:
    assert returning({"name": "x"}, lambda_context) == {"name": "x"}
    assert silent({}, lambda_context) is None


def test_a_step_without_a_response_says_what_it_used(lambda_context: Any) -> None:
    response = silent({METERED: True}, lambda_context)
    assert response is not None
    assert response.keys() == {USAGE}


@pytest.mark.usefixtures("cloud")
def test_each_invocation_begins_at_nothing(lambda_context: Any) -> None:
    returning({"name": "x"}, lambda_context)
    response = returning({"name": "x", METERED: True}, lambda_context)
    assert response is not None
    assert response[USAGE]["s3-writes"] == 1


def used(function: Any) -> dict[str, int]:
    meter.begin("none", 0)
    function()
    return meter.so_far()


@pytest.mark.usefixtures("cloud")
def test_requests_of_s3_are_counted_by_what_they_cost() -> None:
    s3 = clients.client("s3")

    def requests() -> None:
        s3.list_objects_v2(Bucket="data-bucket")
        s3.put_object(Bucket="data-bucket", Key="k", Body=b"x")
        s3.head_object(Bucket="data-bucket", Key="k")
        s3.delete_object(Bucket="data-bucket", Key="k")

    assert used(requests) == {Meter.S3_WRITES: 2, Meter.S3_READS: 1}


def test_dynamodb_says_what_a_request_consumed(cloud: Any) -> None:
    ledger: Ledger = cloud.ledger
    writes = used(lambda: ledger.update("r", "i", {"value": "x"}))
    reads = used(lambda: ledger.get_item("r", "i"))
    assert writes.keys() == {Meter.DYNAMODB_WRITES}
    assert writes[Meter.DYNAMODB_WRITES] >= 1
    assert reads.keys() == {Meter.DYNAMODB_HALF_READS}
    assert reads[Meter.DYNAMODB_HALF_READS] >= 1


def test_a_write_whose_condition_does_not_hold_is_billed_and_counted(cloud: Any) -> None:
    never = Attr("value").eq("something else")
    found = used(lambda: cloud.ledger.update("r", "i", {"value": 1}, condition=never))
    assert found[Meter.DYNAMODB_WRITES] == 1


@pytest.mark.usefixtures("cloud")
def test_a_request_that_dynamodb_refuses_is_not() -> None:
    def refused() -> None:
        with pytest.raises(ClientError):
            clients.client("dynamodb").get_item(TableName="none", Key={"run_id": {"S": "r"}})

    assert used(refused) in ({}, {Meter.DYNAMODB_HALF_READS: 0})


def test_messages_are_counted(cloud: Any) -> None:
    def sent() -> None:
        clients.client("sqs").send_message(QueueUrl=cloud.queue_url, MessageBody="{}")
        clients.client("sns").publish(TopicArn=cloud.topic_arn, Message="{}")

    assert used(sent) == {Meter.SQS_REQUESTS: 1, Meter.SNS_REQUESTS: 1}
