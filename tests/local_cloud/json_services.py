"""Serves services of ours to boto3 over HTTP, as the front does; S3 is moto's."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.config import Config

from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.services import ServiceError


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )


def make_client(service: str, endpoint_url: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return _session().client(service, endpoint_url=endpoint_url, config=config)


@contextmanager
def served(services: Sequence[JsonService]) -> Iterator[str]:
    """A local endpoint that serves `services` only."""
    by_prefix = {service.target_prefix: service for service in services}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            prefix, _, operation = self.headers["X-Amz-Target"].partition(".")
            status, response, headers = 200, {}, {}
            try:
                response = by_prefix[prefix].call(operation, json.loads(body))
            except ServiceError as error:
                status = error.status
                response = {"__type": error.code, "message": error.message}
                headers["x-amzn-ErrorType"] = error.code
            content = json.dumps(response).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
