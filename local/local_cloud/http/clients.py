"""boto3 clients by which services of ours call the others, through the endpoint of the cloud."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from local.local_cloud.http.services import ACCESS_KEY, REGION, SECRET_KEY

_MAKING = threading.Lock()  # clients are safe to share between threads, making one is not


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
    )


class ServiceClients:
    """One client per service, made when first asked for; safe to share between threads."""

    def __init__(self, endpoint_url: str, credentials: Mapping[str, str] | None = None) -> None:
        """Make none yet.

        Args:
            endpoint_url: of all services.
            credentials: the variables of a role's; absent: the operator's.
        """
        self._endpoint_url = endpoint_url
        signing = credentials or {}
        # One session for all: each would read botocore's tables of partitions again.
        self._session = boto3.Session(
            aws_access_key_id=signing.get("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            aws_secret_access_key=signing.get("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            aws_session_token=signing.get("AWS_SESSION_TOKEN"),
            region_name=REGION,
        )
        self._clients: dict[str, Any] = {}
        self._others: dict[str, ServiceClients] = {}

    def get(self, service: str) -> Any:
        """The client of e.g. `s3` or `logs`."""
        with _MAKING:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._endpoint_url,
                    config=Config(
                        connect_timeout=5,
                        read_timeout=60,
                        retries={"mode": "standard", "max_attempts": 3},
                        s3={"addressing_style": "path"},
                    ),
                )
            return self._clients[service]

    def signing_as(self, environment: Mapping[str, str]) -> ServiceClients:
        """Clients for the same endpoint that sign as a process with these variables does."""
        key = environment.get("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        if key == ACCESS_KEY:
            return self
        with _MAKING:
            if key not in self._others:
                self._others[key] = ServiceClients(self._endpoint_url, environment)
            return self._others[key]

    def close(self) -> None:
        """Close their connections."""
        with _MAKING:
            others = list(self._others.values())
            self._others.clear()
        for clients in others:
            clients.close()
        with _MAKING:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def polling_client(substrate_url: str) -> Any:
    """For long polls, many at a time, that end with the substrate and are not tried again."""
    return boto3.client(
        "sqs",
        endpoint_url=substrate_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=100),
    )


def split_s3_url(url: str) -> tuple[str, str]:
    """`s3://bucket/key` as bucket and key (which may be empty).

    Raises:
        ValueError: it is not such a URL.
    """
    scheme, separator, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise ValueError(f"not an s3:// URL: {url!r}")
    return bucket, key
