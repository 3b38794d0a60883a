"""What tests of services that run jobs share: the bus, waiting, and looking for processes."""

from __future__ import annotations

import os
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from json_services import make_client

from local.local_cloud.http.front import Front

BUCKET = "code"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "GREETING": "hello"}


class Events:
    """The bus: keeps what it is given."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any]) -> None:
        self.received.append(event)

    def states(self, name: str, value: str) -> list[str]:
        """The states, in order, of the events whose detail has this value."""
        details = [event["detail"] for event in self.received]
        return [detail["state"] for detail in details if detail.get(name) == value]


class World:
    """A front whose substrate is moto; scripts on S3."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.events = Events()
        self.s3 = self.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def client(self, service: str) -> Any:
        return make_client(service, self.front.url)

    def put_script(self, source: str, key: str = "jobs/script.py") -> str:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=textwrap.dedent(source).encode())
        return f"s3://{BUCKET}/{key}"


@contextmanager
def world(substrate_url: str) -> Iterator[World]:
    front = Front(0, urlsplit(substrate_url).port or 0)
    front.start()
    try:
        yield World(front)
    finally:
        front.stop()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed process may stay as a zombie until whoever adopted it looks.
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    status = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    return not status.stdout.strip().startswith("Z") and bool(status.stdout.strip())
