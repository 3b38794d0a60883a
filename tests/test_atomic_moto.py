"""What tests rely on: threads use moto's DynamoDB at once as they may use the real one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_cloud import _environment, cloud
from botocore.exceptions import ClientError

__all__ = ["_environment", "cloud"]

OF_RUN_0 = {
    "KeyConditionExpression": "run_id = :r",
    "ExpressionAttributeValues": {":r": {"S": "r-0"}},
}


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_items_are_read_while_others_are_written(cloud: Any) -> None:
    client = cloud.client("dynamodb")
    written = threading.Event()

    def write(number: int) -> None:
        client.put_item(TableName="ledger", Item=_key(number))

    def read() -> int:
        readings = 0
        while not written.is_set():
            assert len(client.query(TableName="ledger", **OF_RUN_0)["Items"]) == 1
            readings += 1
        return readings

    for number in range(1000):
        write(number)
    with ThreadPoolExecutor(3) as threads:
        reading = threads.submit(read)
        for number in range(1000, 2000):
            write(number)
        written.set()
        assert reading.result(60) > 0


@pytest.mark.usefixtures("hurried")
def test_one_of_two_conditional_writes_wins(cloud: Any) -> None:
    client = cloud.client("dynamodb")

    def claim(number: int) -> str:
        condition = "attribute_not_exists(run_id)"
        try:
            client.put_item(TableName="ledger", Item=_key(number), ConditionExpression=condition)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "won"

    with ThreadPoolExecutor(2) as threads:
        for number in range(50):
            results = sorted(threads.map(claim, [number, number]))
            assert results == ["ConditionalCheckFailedException", "won"]


def _key(number: int) -> dict[str, Any]:
    return {"run_id": {"S": f"r-{number}"}, "item": {"S": "RUN"}}
