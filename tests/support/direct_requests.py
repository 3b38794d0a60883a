"""Which requests to moto are not made HTTP requests first: DynamoDB's, and S3's frequent ones."""

from __future__ import annotations

from typing import Any, Final

import direct_dynamodb
import direct_s3
from botocore.client import BaseClient
from moto.core.models import botocore_stubber

over_http: Final = BaseClient._make_request


def make_request(client: BaseClient, model: Any, request: dict[str, Any], context: Any) -> Any:
    service = model.service_model.service_name
    if botocore_stubber.enabled and ".amazonaws.com" in request["url"]:
        if service == "dynamodb":
            return direct_dynamodb.respond(client, model, request)
        if service == "s3" and model.name in direct_s3.OPERATIONS:
            return direct_s3.respond(client, model, request)
    return over_http(client, model, request, context)


BaseClient._make_request = make_request
