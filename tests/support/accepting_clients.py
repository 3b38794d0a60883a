"""Clients of services that create whatever is asked for, so that a template deploys in no time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.services import ACCOUNT_ID


class AcceptingClients(ServiceClients):
    """Stands for services that create whatever they are asked to; nothing is looked up in them."""

    def __init__(self) -> None:
        super().__init__("http://nowhere")

    def get(self, service: str) -> Any:
        return _AcceptingClient(service)


class _AcceptingClient:
    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        arn = f"arn:aws:{self._service}:us-east-1:{ACCOUNT_ID}"
        responses: dict[str, Any] = {
            "create_key": {"KeyMetadata": {"KeyId": "key-1", "Arn": f"{arn}:key/key-1"}},
            "create_secret": {"ARN": f"{arn}:secret:made"},
            "create_table": {"TableDescription": {}},
            "get_queue_attributes": {"Attributes": {"VisibilityTimeout": "43200"}},
            "subscribe": {"SubscriptionArn": f"{arn}:topic:subscription"},
        }
        return lambda **_: responses.get(operation, {})
