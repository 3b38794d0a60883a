"""Which service a request is for, found as AWS's own endpoints could: by what it was signed for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

_CREDENTIAL_SCOPE: Final = re.compile(r"Credential=[^/]*/\d{8}/[^/]*/([^/]+)/aws4_request")
_LAMBDA_PATH: Final = re.compile(
    r"^/\d{4}-\d{2}-\d{2}/(functions|durable-execution|event-source-mappings|layers|tags"
    r"|account-settings)"
)
_TARGET_SERVICES: Final = {
    "AWSGlue": "glue",
    "ElasticMapReduce": "elasticmapreduce",
    "RedshiftData": "redshift-data",
    "AWSEvents": "events",
    "AmazonSQS": "sqs",
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodb",
    "secretsmanager": "secretsmanager",
    "Logs_20140328": "logs",
    "AmazonSSM": "ssm",
    "TrentService": "kms",
}


@dataclass(frozen=True)
class Route:
    """Where a request belongs.

    Attributes:
        service: the signing name, e.g. `s3`, `monitoring`; empty: unsigned and not known otherwise.
        target: prefix and operation of `X-Amz-Target`, empty if it has none.
    """

    service: str
    target_prefix: str
    operation: str


def route(path: str, headers: Mapping[str, str]) -> Route:
    """Find the service of a request.

    Args:
        path: as in the request line, with query.
        headers: names in any case (as `email.message.Message` looks them up).
    """
    prefix, _, operation = (headers.get("x-amz-target") or "").rpartition(".")
    match = _CREDENTIAL_SCOPE.search(headers.get("authorization") or "")
    if match:
        return Route(match[1], prefix, operation)
    location, _, query = path.partition("?")
    if "X-Amz-Credential=" in query:
        parts = parse_qs(query)["X-Amz-Credential"][0].split("/")
        if len(parts) == 5:
            return Route(parts[3], prefix, operation)
    if prefix:
        return Route(_TARGET_SERVICES.get(prefix, prefix), prefix, operation)
    return Route("lambda" if _LAMBDA_PATH.match(location) else "", prefix, operation)
