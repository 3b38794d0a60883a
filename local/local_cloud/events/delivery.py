"""How events reach their targets, and how those of S3 reach the bus."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.local_cloud.events.sources import Invoker, SqsMapping
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.services import ACCOUNT_ID, REGION

_S3_EVENTS: Final = "local-cloud-s3-events"


class TargetDelivery:
    """Hands events to functions, queues and topics."""

    def __init__(self, invoker: Invoker, clients: ServiceClients, queue_base_url: str) -> None:
        """Set up.

        Args:
            invoker: the Lambda service.
            clients: for queues and topics.
            queue_base_url: what a queue's URL begins with, `/` at the end.
        """
        self._invoker = invoker
        self._clients = clients
        self._queue_base_url = queue_base_url

    def __call__(self, target_arn: str, text: str) -> None:
        """Deliver a text, asynchronously where the target is a function."""
        service, name = target_arn.split(":")[2], target_arn.rpartition(":")[2]
        if service == "lambda":
            self._invoker.invoke(target_arn, text.encode(), invocation_type="Event")
        elif service == "sqs":
            url = self._queue_base_url + name
            self._clients.get("sqs").send_message(QueueUrl=url, MessageBody=text)
        else:
            self._clients.get("sns").publish(TopicArn=target_arn, Message=text)


@dataclass(frozen=True)
class _Done:
    payload: bytes = b"null"
    function_error: str | None = None


class S3EventBridge:
    """Takes the events of S3, which the substrate puts into a queue for us, to our own bus.

    It is the "function" of the mapping that `mapping` makes.
    """

    def __init__(
        self,
        clients: ServiceClients,
        queue_base_url: str,
        publish: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._clients = clients
        self._queue_base_url = queue_base_url
        self._publish = publish

    def mapping(self) -> SqsMapping:
        """Route the substrate's events of S3 into a queue of ours, which is to be polled."""
        queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{_S3_EVENTS}"
        self._clients.get("sqs").create_queue(QueueName=_S3_EVENTS)
        events = self._clients.get("events")
        events.put_rule(Name=_S3_EVENTS, EventPattern=json.dumps({"source": ["aws.s3"]}))
        events.put_targets(Rule=_S3_EVENTS, Targets=[{"Id": "queue", "Arn": queue_arn}])
        return SqsMapping(
            id=_S3_EVENTS,
            queue_arn=queue_arn,
            queue_url=self._queue_base_url + _S3_EVENTS,
            function=_S3_EVENTS,
        )

    def invoke(
        self,
        name_or_arn: str,  # noqa: ARG002
        payload: bytes,
        qualifier: str | None = None,  # noqa: ARG002
        invocation_type: str = "RequestResponse",  # noqa: ARG002
    ) -> _Done:
        """Publish the events of one batch."""
        for record in json.loads(payload)["Records"]:
            self._publish(json.loads(record["body"]))
        return _Done()
