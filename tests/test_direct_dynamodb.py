"""The tests' shorter way to moto's DynamoDB gives what the way over HTTP gives."""

from __future__ import annotations

from typing import Any

import direct_dynamodb
import pytest
from aws_cloud import LEDGER_TABLE, PROCESSED_DATA_TABLE, _environment, cloud
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError

__all__ = ["_environment", "cloud"]

KEY = {"run_id": {"S": "a"}, "item": {"S": "b"}}
OTHER = {"run_id": {"S": "a"}, "item": {"S": "c"}}
NESTED = {"M": {"y": {"L": [{"N": "1"}, {"BOOL": True}, {"NULL": True}, {"B": b"\0\xff"}]}}}
ABSENT = "attribute_not_exists(run_id)"
OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
SET_V = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"SS": ["p", "q"]}}}
OF_RUN = {
    "KeyConditionExpression": "run_id = :r",
    "ExpressionAttributeValues": {":r": {"S": "a"}},
}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("put_item", {"Item": {**KEY, "x": NESTED, "text": {"S": "é€"}}}),
    ("get_item", {"Key": KEY, "ConsistentRead": True}),
    ("get_item", {"Key": OTHER}),
    ("get_item", {"Key": KEY, "TableName": "none"}),
    ("get_item", {"Key": {"run_id": {"S": "a"}}}),
    ("get_item", {"Key": {"run_id": 1}}),
    ("put_item", {"Item": KEY, "ConditionExpression": ABSENT, **OLD}),
    ("put_item", {"Item": {**OTHER, "number": {"N": "many"}}}),
    ("put_item", {"Item": {**OTHER, "large": {"S": "x" * 500_000}}}),
    ("update_item", {"Key": KEY, "ReturnValues": "ALL_NEW", **SET_V}),
    ("update_item", {"Key": OTHER, "ConditionExpression": "attribute_exists(v)", **SET_V, **OLD}),
    ("update_item", {"Key": KEY, "UpdateExpression": "SET v :v"}),
    ("query", OF_RUN),
    ("query", {"IndexName": "by-holder", **OF_RUN}),
    ("scan", {"Limit": 1}),
    (
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": LEDGER_TABLE, "Item": KEY}}]},
    ),
    ("batch_get_item", {"RequestItems": {LEDGER_TABLE: {"Keys": [KEY, OTHER]}}}),
    ("describe_table", {"TableName": PROCESSED_DATA_TABLE}),
    ("delete_item", {"Key": KEY, "ReturnValues": "ALL_OLD"}),
]


def outcome(client: Any, operation: str, request: dict[str, Any]) -> Any:
    of_many = "TransactItems" in request or "RequestItems" in request
    table = {} if of_many else {"TableName": LEDGER_TABLE}
    try:
        response = getattr(client, operation)(**table | request)
    except (ClientError, ParamValidationError) as error:
        response = {**getattr(error, "response", {})}
        return type(error).__name__, str(error), without_what_differs(response)
    return without_what_differs(response)


def without_what_differs(response: dict[str, Any]) -> dict[str, Any]:
    """Ids and times are anew in every response; its headers are nobody's concern."""
    about = response.get("ResponseMetadata", {})
    stable = {name: about.get(name) for name in ("HTTPStatusCode", "RetryAttempts")}
    described = response.get("Table", {})
    for name in ("CreationDateTime", "TableId"):
        described.pop(name, None)
    return {**response, "ResponseMetadata": stable}


def test_results_and_errors_are_those_of_the_way_over_http(
    cloud: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = cloud.client("dynamodb")
    assert BaseClient._make_request is direct_dynamodb._make_request
    direct = [outcome(client, *request) for request in REQUESTS]
    client.delete_item(TableName=LEDGER_TABLE, Key=OTHER)

    monkeypatch.setattr(BaseClient, "_make_request", direct_dynamodb._over_http)
    over_http = [outcome(client, *request) for request in REQUESTS]

    assert direct == over_http
    errors = {found[0] for found in direct if isinstance(found, tuple)}
    assert errors == {
        "ClientError",
        "ConditionalCheckFailedException",
        "ParamValidationError",
        "ResourceNotFoundException",
    }
