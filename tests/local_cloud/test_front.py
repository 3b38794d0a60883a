"""The endpoint: what it handles itself, what it passes on, and what it refuses by name."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from local.local_cloud.http.front import Front, FrontError
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.routing import route
from local.local_cloud.http.services import Headers, HttpRequest, Response, ServiceError


class Greeter(JsonService):
    """A JSON service of two operations."""

    service = "glue"
    target_prefix = "AWSGlue"

    def __init__(self) -> None:
        super().__init__({"GetJob": self._get_job, "GetJobs": self._get_jobs})

    def _get_job(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["JobName"] == "nobody":
            raise ServiceError("EntityNotFoundException", "there is no nobody")
        return {"Job": {"Name": request["JobName"], "CreatedOn": 1.5}}

    def _get_jobs(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        raise KeyError("a bug")


class Echo:
    """Stands for the Lambda API: returns the request that it got."""

    def handle(self, request: HttpRequest) -> Response:
        where = f"{request.method} {request.path} {request.query}"
        words = f"{where} {request.headers['X-Test']} {request.body.decode()}"
        return Response(200, {"Content-Type": "text/plain"}, words.encode())


@pytest.fixture(scope="module")
def front(moto_endpoint: str) -> Iterator[Front]:
    port = urlsplit(moto_endpoint).port
    assert port is not None
    front = Front(0, port)
    front.add_json(Greeter())
    front.add_rest("lambda", Echo())
    front.start()
    yield front
    front.stop()


def client(front: Front, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=front.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def connect(front: Front) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)


def test_a_service_of_ours_returns_its_operations(front: Front) -> None:
    job = client(front, "glue").get_job(JobName="x")["Job"]

    assert job["Name"] == "x"
    assert job["CreatedOn"].timestamp() == 1.5


def test_its_errors_arrive_as_exceptions_of_the_sdk(front: Front) -> None:
    glue = client(front, "glue")

    with pytest.raises(glue.exceptions.EntityNotFoundException, match="there is no nobody"):
        glue.get_job(JobName="nobody")


def test_a_bug_in_a_service_is_reported_to_its_caller(front: Front) -> None:
    with pytest.raises(ClientError, match="InternalFailure.*a bug"):
        client(front, "glue").get_jobs()


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("glue", "start_crawler", {"Name": "x"}),
        ("emr", "list_clusters", {}),
        ("ec2", "describe_instances", {}),
        ("cloudfront", "list_distributions", {}),
        ("route53", "list_hosted_zones", {}),
        ("stepfunctions", "list_state_machines", {}),
        ("apigatewayv2", "get_apis", {}),
        ("ssm", "send_command", {"DocumentName": "x", "InstanceIds": ["i-12345678"]}),
    ],
)
def test_what_nobody_emulates_is_refused_by_name(
    front: Front, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    asked = client(front, service)

    with pytest.raises(ClientError, match="does not emulate") as refusal:
        getattr(asked, operation)(**arguments)

    assert refusal.value.response["Error"]["Code"] == "NotEmulated"


def test_a_refusal_is_understood_in_every_protocol(front: Front) -> None:
    where = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/nosuch/aws4_request"
    }

    cbor = requests.post(front.url, headers={**where, "smithy-protocol": "rpc-v2-cbor"}, timeout=30)
    query = requests.post(front.url, headers=where, data={"Action": "X"}, timeout=30)

    assert cbor.headers["smithy-protocol"] == "rpc-v2-cbor"
    assert b"NotEmulated" in cbor.content
    assert "<Code>NotEmulated</Code>" in query.text


def test_a_refused_body_does_not_spoil_the_connection(front: Front) -> None:
    connection = connect(front)
    for _ in range(2):
        headers = {"X-Amz-Target": "AWSGlue.StartCrawler", "Content-Type": "text/plain"}
        connection.request("POST", "/", body=b"x" * 100_000, headers=headers)
        assert connection.getresponse().read().count(b"NotEmulated") == 1
    connection.close()


def test_rest_services_get_the_request_as_it_is(front: Front) -> None:
    response = requests.post(
        f"{front.url}/2015-03-31/functions/a%3Ab/invocations?Qualifier=live&Empty=",
        headers={"x-test": "yes"},
        data="body",
        timeout=30,
    )

    assert response.text == (
        "POST /2015-03-31/functions/a%3Ab/invocations"
        " {'Qualifier': ['live'], 'Empty': ['']} yes body"
    )


def test_objects_pass_through_unchanged(front: Front) -> None:
    s3 = client(front, "s3")
    s3.create_bucket(Bucket="front-objects")
    key, content = "a b/ü+%.bin", bytes(range(256)) * 4_000
    s3.put_object(Bucket="front-objects", Key=key, Body=content)

    assert s3.get_object(Bucket="front-objects", Key=key)["Body"].read() == content
    part = s3.get_object(Bucket="front-objects", Key=key, Range="bytes=10-19")
    assert part["Body"].read() == content[10:20]
    assert s3.head_object(Bucket="front-objects", Key=key)["ContentLength"] == len(content)
    listed = s3.list_objects_v2(Bucket="front-objects")["Contents"]
    assert [item["Key"] for item in listed] == [key]


def test_a_missing_object_is_still_missing_and_the_connection_lives(front: Front) -> None:
    s3 = client(front, "s3")
    s3.create_bucket(Bucket="front-missing")

    for _ in range(3):
        with pytest.raises(ClientError, match="404"):
            s3.head_object(Bucket="front-missing", Key="nothing")


def test_a_body_in_chunks_is_passed_on(front: Front) -> None:
    s3 = client(front, "s3")
    s3.create_bucket(Bucket="front-chunks")
    url = s3.generate_presigned_url("put_object", {"Bucket": "front-chunks", "Key": "chunked"})

    response = requests.put(url, data=iter([b"a" * 70_000, b"b" * 10]), timeout=30)

    assert response.status_code == 200
    found = s3.get_object(Bucket="front-chunks", Key="chunked")["Body"].read()
    assert found == b"a" * 70_000 + b"b" * 10


@pytest.mark.parametrize("service", ["sqs", "sns", "dynamodb", "secretsmanager", "logs"])
def test_ordinary_services_are_passed_on(front: Front, service: str) -> None:
    calls = {
        "sqs": "list_queues",
        "sns": "list_topics",
        "dynamodb": "list_tables",
        "secretsmanager": "list_secrets",
        "logs": "describe_log_groups",
    }
    response = getattr(client(front, service), calls[service])()

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_response_leaves_at_once_and_in_one_chunk(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nagle's algorithm or unbuffered headers would cost 40 ms a request."""
    immediate: set[Any] = set()
    setsockopt = socket.socket.setsockopt

    def noted(self: socket.socket, *option: Any) -> None:
        setsockopt(self, *option)
        if option == (socket.IPPROTO_TCP, socket.TCP_NODELAY, True):
            immediate.add(self.getpeername())

    monkeypatch.setattr(socket.socket, "setsockopt", noted)
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as raw:
        for _ in range(3):
            raw.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AWSGlue.GetJob\r\n"
                b'Content-Length: 16\r\n\r\n{"JobName": "x"}'
            )
            head, _, body = raw.recv(65_536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b'"Name": "x"' in body
        assert raw.getsockname() in immediate


def test_an_object_is_asked_for_before_it_is_sent(front: Front) -> None:
    """The SDK waits a second for `100 Continue` before it sends an object unasked."""
    client(front, "s3").create_bucket(Bucket="front-quick")
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as raw:
        raw.sendall(
            b"PUT /front-quick/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert raw.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"x")
        assert raw.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_malformed_body_ends_the_connection_and_nothing_else(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as raw:
        raw.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AWSGlue.GetJob\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n"
        )
        assert raw.recv(1000) == b""

    assert client(front, "glue").get_job(JobName="x")["Job"]["Name"] == "x"


def test_a_taken_port_is_reported_clearly(front: Front) -> None:
    with pytest.raises(FrontError, match=f"port {front.port} .* in use.*--port"):
        Front(front.port, 1)


def test_a_substrate_that_is_gone_is_reported_clearly() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        front = Front(0, nobody.getsockname()[1])
        front.start()
        try:
            with pytest.raises(ClientError, match="the emulator is gone"):
                client(front, "sqs").list_queues()
        finally:
            front.stop()


@pytest.mark.parametrize(
    ("path", "headers", "service"),
    [
        (
            "/",
            {"Authorization": "AWS4 Credential=k/20260101/us-east-1/monitoring/aws4_request,"},
            "monitoring",
        ),
        ("/b/k?X-Amz-Credential=k%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", {}, "s3"),
        ("/", {"X-Amz-Target": "DynamoDB_20120810.GetItem"}, "dynamodb"),
        ("/2025-12-01/durable-executions/x/history", {}, "lambda"),
        ("/bucket/2015-03-31/functions", {}, ""),
    ],
)
def test_the_service_of_a_request_is_found(
    path: str, headers: dict[str, str], service: str
) -> None:
    assert route(path, Headers(headers.items())).service == service
