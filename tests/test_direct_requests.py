"""The tests' shorter way to moto's DynamoDB and S3 gives what the way over HTTP gives."""

from __future__ import annotations

import io
from typing import Any

import direct_requests
import pytest
from aws_cloud import DATA_BUCKET, LEDGER_TABLE, PROCESSED_DATA_TABLE, _environment, cloud
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
    assert BaseClient._make_request is direct_requests.make_request
    direct = [outcome(client, *request) for request in REQUESTS]
    client.delete_item(TableName=LEDGER_TABLE, Key=OTHER)

    monkeypatch.setattr(BaseClient, "_make_request", direct_requests.over_http)
    over_http = [outcome(client, *request) for request in REQUESTS]

    assert direct == over_http
    errors = {found[0] for found in direct if isinstance(found, tuple)}
    assert errors == {
        "ClientError",
        "ConditionalCheckFailedException",
        "ParamValidationError",
        "ResourceNotFoundException",
    }


ODD = "landing/a b+c%20=é/ü?x&y#z//.csv"
OF_S3: list[tuple[str, dict[str, Any]]] = [
    ("put_object", {"Key": "a/1", "Body": b"one"}),
    ("put_object", {"Key": ODD, "Body": "täxt".encode(), "ContentType": "text/csv"}),
    ("put_object", {"Key": "a/2", "Body": io.BytesIO(b"x" * 70_000), "Metadata": {"run": "r-1"}}),
    ("put_object", {"Key": "a/3", "Body": b"", "ContentEncoding": "gzip"}),
    ("put_object", {"Key": "a/1", "Body": b"two", "IfNoneMatch": "*"}),
    ("put_object", {"Key": "a/1", "Body": b"two", "IfMatch": '"none"'}),
    ("put_object", {"Key": "gone", "Body": b"two", "IfMatch": '"none"'}),
    ("put_object", {"Key": "a/4", "Body": b"two", "IfNoneMatch": "*", "Tagging": "k=v"}),
    ("put_object", {"Key": "a/5", "Body": b"sum", "ChecksumAlgorithm": "SHA256"}),
    ("put_object", {"Key": "a/6", "Body": b"x", "Bucket": "no-such-bucket"}),
    ("put_object", {"Key": "a/7", "Body": 7}),
    *(
        (operation, {"Key": key, **more})
        for operation in ("get_object", "head_object")
        for key in ("a/1", ODD, "a/2", "a/3", "a/5", "gone")
        for more in ({}, {"Range": "bytes=1-2"}, {"IfMatch": '"none"'})
    ),
    ("get_object", {"Key": "a/1", "Range": "bytes=70-80"}),
    ("get_object", {"Key": "a/1", "Bucket": "no-such-bucket"}),
    ("get_object", {"Key": "a/1", "VersionId": "none"}),
    ("head_object", {"Key": "a/1", "Bucket": "no-such-bucket"}),
    ("list_objects_v2", {}),
    ("list_objects_v2", {"Prefix": "a/", "MaxKeys": 2}),
    ("list_objects_v2", {"Prefix": "a/", "StartAfter": "a/2"}),
    ("list_objects_v2", {"Prefix": "landing/a b+c%20=é", "Delimiter": "/"}),
    ("list_objects_v2", {"Prefix": "none"}),
    ("list_objects_v2", {"Bucket": "no-such-bucket"}),
    ("delete_object", {"Key": "a/1"}),
    ("delete_object", {"Key": "a/1"}),
    ("delete_object", {"Key": "a/2", "IfMatch": '"none"'}),
    ("delete_object", {"Key": "a/1", "Bucket": "no-such-bucket"}),
    ("list_objects_v2", {"Prefix": "a/"}),
]


def outcome_in_s3(client: Any, operation: str, request: dict[str, Any]) -> Any:
    """As `outcome`; what a body holds, and times to the day."""
    if hasattr(request.get("Body"), "seek"):
        request["Body"].seek(0)
    try:
        response = without_what_differs(
            getattr(client, operation)(**{"Bucket": DATA_BUCKET, **request})
        )
    except (ClientError, ParamValidationError) as error:
        found = without_what_differs({**getattr(error, "response", {})})
        return type(error).__name__, str(error), found
    if "Body" in response:
        response["Body"] = response["Body"].read()
    for dated in (response, *response.get("Contents", ())):
        if "LastModified" in dated:
            dated["LastModified"] = dated["LastModified"].date()
    return response


def test_objects_and_errors_are_those_of_the_way_over_http(
    cloud: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = cloud.client("s3")
    direct = [outcome_in_s3(client, *request) for request in OF_S3]
    for key in cloud.keys():  # noqa: SIM118
        client.delete_object(Bucket=DATA_BUCKET, Key=key)

    monkeypatch.setattr(BaseClient, "_make_request", direct_requests.over_http)
    over_http = [outcome_in_s3(client, *request) for request in OF_S3]

    assert direct == over_http
    errors = [found[2] for found in direct if isinstance(found, tuple)]
    codes = {error["Error"]["Code"] for error in errors if error.get("Error")}
    missing = {"404", "NoSuchBucket", "NoSuchKey", "NoSuchVersion"}
    assert codes == {"412", "416", "InvalidRange", "PreconditionFailed", *missing}
