"""DynamoDB's requests go to moto without being made an HTTP request and taken apart again.

botocore checks and encodes the parameters and decodes the response or error, and moto carries the
operation out, as ever. What is left out stands between the two and is most of a request's
processor time: signing, headers, werkzeug's request, the search for a service by its URL.
"""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any, Final

from botocore.parsers import create_parser
from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler
from moto.iam.models import get_account_id_from
from moto.utilities.utils import get_partition
from requests.structures import CaseInsensitiveDict

_OF_ITEMS: Final = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"})
_parser: Final = create_parser("json")


class _Handler(DynamoHandler):
    """What moto's own reads from the HTTP request (BaseResponse.setup_class), from its parts."""

    def __init__(self, request: dict[str, Any], region: str, access_key: str) -> None:
        super().__init__()
        self.headers = CaseInsensitiveDict(request["headers"])
        self.raw_body = request["body"]
        self.querystring = self.data = {}
        self.method = request["method"]
        self.region, self.partition = region, get_partition(region)
        self.access_key = access_key
        self.current_account = get_account_id_from(access_key)
        self.response_headers: dict[str, str] = {}
        parts = SimpleNamespace(
            method=self.method,
            values={},
            headers=self.headers,
            data=self.raw_body,
            path="/",
            content_type=self.headers["Content-Type"],
        )
        self.uri_match: dict[str, Any] = {}
        self.parse_parameters(parts)

    def serialized(self, action_result: ActionResult) -> Any:
        """As moto's, but without its search for each field of items, which are as they are sent."""
        if self._get_action() not in _OF_ITEMS or isinstance(action_result.result, Exception):
            return super().serialized(action_result)
        return 200, {**self.response_headers}, json.dumps(action_result.result, default=_as_json)


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value)} in a result of DynamoDB")


def _of_items(response: dict[str, Any], model: Any) -> dict[str, Any] | None:
    """A response that botocore would decode to just what is sent; None of any other."""
    body = response["body"]
    if model.name not in _OF_ITEMS or response["status_code"] >= 300 or b'"B' in body:
        return None  # a binary value, perhaps
    sent = json.loads(body)
    parsed = {name: sent[name] for name in model.output_shape.members if name in sent}
    parsed["ResponseMetadata"] = {
        "HTTPStatusCode": response["status_code"],
        "HTTPHeaders": {name.lower(): value for name, value in response["headers"].items()},
        "RequestId": response["headers"].get("x-amzn-requestid", ""),
    }
    return parsed


def respond(client: Any, model: Any, request: dict[str, Any]) -> tuple[SimpleNamespace, Any]:
    """The operation's status and its decoded response, as `BaseClient._make_request` returns."""
    credentials = client._request_signer._credentials
    handler = _Handler(request, client.meta.region_name, credentials.access_key)
    status, headers, body = handler.call_action()
    response = {
        "status_code": int(status),
        "headers": CaseInsensitiveDict(headers),
        "body": body.encode() if isinstance(body, str) else body,
        "context": {"operation_name": model.name},
    }
    parsed = _of_items(response, model) or _parser.parse(response, model.output_shape)
    if response["status_code"] >= 300:
        client._endpoint._add_modeled_error_fields(response, parsed, model, _parser)
    parsed["ResponseMetadata"]["RetryAttempts"] = 0
    return SimpleNamespace(status_code=response["status_code"]), parsed
