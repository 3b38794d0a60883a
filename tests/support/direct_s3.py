"""The frequent requests of S3 go to moto without being made HTTP requests and taken apart again.

As with DynamoDB's (`direct_dynamodb`): botocore checks and encodes the parameters and decodes the
response or error, and moto carries the operation out. What is left out is signing, werkzeug's
request, and the search for a service, a bucket and a key by the URL.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from botocore.httpchecksum import AwsChunkedWrapper
from botocore.parsers import ResponseParserFactory
from botocore.response import StreamingBody
from botocore.utils import parse_timestamp
from moto.core.botocore_stubber import MockRawResponse
from moto.iam.models import get_account_id_from
from moto.s3.responses import S3Response
from moto.utilities.utils import get_partition
from requests.structures import CaseInsensitiveDict

OPERATIONS: Final = frozenset(
    {"PutObject", "GetObject", "HeadObject", "DeleteObject", "ListObjectsV2"}
)
_CHUNKED: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_parsers: Final = ResponseParserFactory()
_parsers.set_parser_defaults(timestamp_parser=functools.lru_cache(parse_timestamp))
_parser: Final = _parsers.create_parser("rest-xml")


class _Handler(S3Response):
    """What moto's own reads from the HTTP request (S3Response.setup_class), from its parts."""

    def __init__(self, request: SimpleNamespace, region: str, access_key: str) -> None:
        super().__init__()
        self.request = request
        self.headers, self.method, self.uri = request.headers, request.method, request.url
        self.parsed_url = urlsplit(request.url)
        self.path = self.raw_path = self.parsed_url.path
        self.querystring = self.data = parse_qs(self.parsed_url.query, keep_blank_values=True)
        self.body = self.raw_body = request.body
        if request.headers.get("x-amz-content-sha256") == _CHUNKED:
            self.body = self._handle_encoded_body(self.body)
        self.region, self.partition = region, get_partition(region)
        self.access_key = access_key
        self.current_account = get_account_id_from(access_key)
        self.bucket_name = request.bucket
        self.response_headers: dict[str, str] = {}
        self.uri_match: dict[str, Any] = {}

    def setup_class(self, *_request: Any) -> None:
        """Nothing is left to read."""

    def parse_bucket_name_from_url(self, *_request: Any) -> str:
        return str(self.bucket_name)

    def parse_key_name(self) -> str:
        return str(self.request.key)


def respond(client: Any, model: Any, request: dict[str, Any]) -> tuple[SimpleNamespace, Any]:
    """The operation's status and its decoded response, as `BaseClient._make_request` returns."""
    asked = request["context"]["s3_redirect"]["params"]
    headers = CaseInsensitiveDict(
        (name, value.decode() if isinstance(value, bytes) else value)
        for name, value in request["headers"].items()
    )
    headers["Authorization"] = "moto only looks whether there is one"
    body = request["body"]
    if isinstance(body, AwsChunkedWrapper):
        headers["x-amz-content-sha256"] = _CHUNKED
    parts = SimpleNamespace(
        method=request["method"],
        url=request["url"],
        headers=headers,
        body=bytes(body.read() if hasattr(body, "read") else body),
        bucket=asked["Bucket"],
        key=asked.get("Key", ""),
    )
    access_key = client._request_signer._credentials.access_key
    handler = _Handler(parts, client.meta.region_name, access_key)
    carry_out = handler.key_response if "Key" in asked else handler.bucket_response
    status, found, content = carry_out(parts, parts.url, headers)
    content = content.encode() if isinstance(content, str) else content
    response = {
        "status_code": int(status),
        "headers": CaseInsensitiveDict(found),
        "body": content,
        "context": {"operation_name": model.name},
    }
    if status < 300 and model.has_streaming_output:
        length = response["headers"].get("content-length")
        response["body"] = StreamingBody(MockRawResponse(content), length)
    parsed = _parser.parse(response, model.output_shape)
    if status >= 300:
        client._endpoint._add_modeled_error_fields(response, parsed, model, _parser)
    parsed["ResponseMetadata"]["RetryAttempts"] = 0
    return SimpleNamespace(status_code=response["status_code"]), parsed
