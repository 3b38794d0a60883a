"""Which operations go on to the substrate: only those whose result is true of this cloud."""

from __future__ import annotations

from urllib.parse import parse_qs

import boto3
import pytest

from local.local_cloud.http.forwarding import (
    FORWARDED,
    S3_REFUSED,
    check_forwarded,
    names_operation_in_body,
    with_operation,
)
from local.local_cloud.http.front import Front
from local.local_cloud.http.routing import Route
from local.local_cloud.http.services import Headers, ServiceError

FORM = Headers([("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")])
# Parts of buckets and objects that are what the substrate says.
S3_REAL = {
    *("attributes", "cors", "delete", "encryption", "lifecycle", "list-type", "location"),
    *("notification", "ownershipControls", "policy", "policyStatus", "publicAccessBlock"),
    *("select-type", "tagging", "uploads", "versioning", "versions"),
}


def operations(service: str) -> set[str]:
    return set(boto3.client(service, region_name="us-east-1").meta.service_model.operation_names)


@pytest.fixture(scope="module")
def front() -> Front:
    """Without services of ours, and never started."""
    front = Front(0, 1)
    front.stop()
    return front


@pytest.mark.parametrize("service", sorted(FORWARDED))
def test_an_operation_goes_on_if_the_table_has_it_and_is_refused_by_name_if_not(
    front: Front, service: str
) -> None:
    known = operations(service)
    assert FORWARDED[service] < known
    for operation in known:
        where = Route(service, "", operation)
        if operation in FORWARDED[service]:
            assert front.own_service(where, "/") is None
            continue
        with pytest.raises(ServiceError, match=f"not emulate {service} {operation}$") as refusal:
            front.own_service(where, "/")
        assert refusal.value.code == "NotEmulated"


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("monitoring", "DescribeAlarms"),
        ("monitoring", "GetMetricData"),
        ("logs", "StartQuery"),
        ("logs", "DescribeMetricFilters"),
        ("sqs", "StartMessageMoveTask"),
        ("dynamodb", "ListBackups"),
        ("dynamodb", "DescribeContinuousBackups"),
        ("iam", "SimulatePrincipalPolicy"),
        ("secretsmanager", "RotateSecret"),
        ("kms", "GetKeyRotationStatus"),
        ("ssm", "ListCommands"),
        ("iam", "without an operation"),
    ],
)
def test_what_the_substrate_would_return_empty_is_refused(
    front: Front, service: str, operation: str
) -> None:
    with pytest.raises(ServiceError, match=operation) as refusal:
        front.own_service(Route(service, "", operation.replace("without an operation", "")), "/")
    assert refusal.value.code == "NotEmulated"
    assert service in refusal.value.message


def test_every_part_of_s3_is_either_real_or_refused() -> None:
    model = boto3.client("s3", region_name="us-east-1").meta.service_model
    parts = {
        part
        for name in model.operation_names
        for part in parse_qs(
            model.operation_model(name).http["requestUri"].partition("?")[2],
            keep_blank_values=True,
        )
    }
    assert parts == S3_REAL | S3_REFUSED
    for part in S3_REFUSED:
        with pytest.raises(ServiceError, match=f"s3 \\?{part}"):
            check_forwarded(Route("s3", "", ""), f"/bucket?{part}")
    for part in S3_REAL:
        check_forwarded(Route("s3", "", ""), f"/bucket/key?{part}=&prefix=logging")


def test_the_content_of_an_object_is_no_form_whatever_its_type() -> None:
    assert names_operation_in_body(Route("sns", "", ""), FORM)
    assert not names_operation_in_body(Route("s3", "", ""), FORM)
    assert not names_operation_in_body(Route("sqs", "AmazonSQS", "SendMessage"), Headers([]))


@pytest.mark.parametrize(
    ("path", "body", "operation"),
    [
        ("/", b"Action=Publish&Version=2010-03-31", "Publish"),
        ("/?Action=GetCallerIdentity&Version=x", b"", "GetCallerIdentity"),
        ("/service/GraniteV1/operation/DescribeAlarms", b"", "DescribeAlarms"),
        ("/", b"Message=Action%3DPublish", ""),
    ],
)
def test_the_operation_is_found_in_every_protocol(path: str, body: bytes, operation: str) -> None:
    assert with_operation(Route("sns", "", ""), path, body).operation == operation
