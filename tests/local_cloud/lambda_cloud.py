"""A LambdaService behind the smallest HTTP front, for tests with real boto3 clients."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config

from local.local_cloud.http.refusals import error_response
from local.local_cloud.http.services import HttpRequest, ServiceError
from local.local_cloud.lambdas.functions import DurableSpec, FunctionSpec
from local.local_cloud.lambdas.service import LambdaService

FIXTURES = Path(__file__).with_name("fixtures")
REGION, ACCOUNT = "us-east-1", "000000000000"


def plain(name: str, handler: str = "", **properties: Any) -> FunctionSpec:
    """A plain function; its handler has the same name by default."""
    defaults = FunctionSpec(
        name, f"plain_handlers.{handler or name}", (FIXTURES,), timeout_seconds=10
    )
    return replace(defaults, **properties)


def durable(name: str, handler: str, seconds: int = 60, **properties: Any) -> FunctionSpec:
    defaults = FunctionSpec(
        name,
        f"durable_handlers.{handler}",
        (FIXTURES,),
        timeout_seconds=10,
        durable=DurableSpec(seconds, 1),
        aliases={"live": "1"},
    )
    return replace(defaults, **properties)


class LambdaCloud:
    """Use as a context manager."""

    def __init__(self, functions: Sequence[FunctionSpec], log_dir: Path, **options: Any) -> None:
        self.server = _Front(("127.0.0.1", 0), _Handler)
        self.endpoint_url = f"http://127.0.0.1:{self.server.server_port}"
        self.log_dir = log_dir
        self.status_events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.service = LambdaService(
            functions,
            endpoint_url=self.endpoint_url,
            region=REGION,
            account_id=ACCOUNT,
            on_status_change=self.status_events.put,
            log_dir=log_dir,
            **options,
        )
        self.server.service = self.service
        self.client = boto3.client(
            "lambda",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, max_pool_connections=50),
        )

    def __enter__(self) -> LambdaCloud:
        self.service.start()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.service.stop()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def invoke(self, name: str, event: Any = None, **parameters: Any) -> tuple[Any, dict[str, Any]]:
        """The decoded payload and the whole response."""
        response = self.client.invoke(FunctionName=name, Payload=json.dumps(event), **parameters)
        body = response["Payload"].read()
        return (json.loads(body) if body else None), response

    def start(self, name: str, event: Any, execution_name: str | None = None) -> str:
        """Start an execution asynchronously; its ARN."""
        named = {"DurableExecutionName": execution_name} if execution_name else {}
        _, response = self.invoke(name, event, InvocationType="Event", **named)
        return response["DurableExecutionArn"]

    def get(self, arn: str) -> dict[str, Any]:
        return self.client.get_durable_execution(DurableExecutionArn=arn)

    def ended(self, arn: str, seconds: float = 40) -> dict[str, Any]:
        """The execution, once it has ended."""
        eventually(lambda: self.get(arn)["Status"] != "RUNNING", seconds)
        return self.get(arn)

    def history(self, arn: str, **parameters: Any) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("get_durable_execution_history").paginate(
            DurableExecutionArn=arn, **parameters
        )
        return [event for page in pages for event in page["Events"]]


def eventually(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What the condition says, once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.02)
    return value


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # the default of 5 drops connections that come at the same time
    service: LambdaService


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Front

    def response(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            response = self.server.service.handle(
                HttpRequest(self.command, url.path, parse_qs(url.query), dict(self.headers), body)
            )
        except ServiceError as error:
            response = error_response(error, "lambda", self.headers)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_DELETE = response

    def log_message(self, *_: object) -> None:
        """Keeps test output quiet."""
