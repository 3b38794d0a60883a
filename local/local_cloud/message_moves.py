"""SQS message move tasks, which bring dead letters back: StartMessageMoveTask and its kin.

Amazon SQS API Reference (the three operations) and Developer Guide, "Troubleshooting dead-letter
queue redrive": a message goes back to the queue that it came from by redrive; one that was sent to
the dead-letter queue directly has none, and its task fails as CouldNotDetermineMessageSource unless
a destination is given.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from botocore.exceptions import BotoCoreError, ClientError

from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.services import ServiceError

RUNNING: Final = "RUNNING"
CANCELLING: Final = "CANCELLING"
LISTED_AT_MOST: Final = 10
NO_SOURCE: Final = "CouldNotDetermineMessageSource"
# How long a message is hidden while it is moved.
_HIDDEN_SECONDS: Final = 60


@dataclass
class _Task:
    source: str
    destination: str | None
    per_second: int | None
    to_move: int
    handle: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: int = field(default_factory=lambda: int(time.time() * 1000))
    status: str = RUNNING
    moved: int = 0
    failure: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def listed(self) -> dict[str, Any]:
        running = {"TaskHandle": self.handle} if self.status == RUNNING else {}
        optional = {
            "DestinationArn": self.destination,
            "MaxNumberOfMessagesPerSecond": self.per_second,
            "FailureReason": self.failure,
        }
        return {
            **running,
            "SourceArn": self.source,
            "Status": self.status,
            "StartedTimestamp": self.started,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            **{name: value for name, value in optional.items() if value is not None},
        }


class MessageMoves(JsonService):
    """A part of SQS; everything else of it is the substrate's."""

    service: ClassVar = "sqs"
    target_prefix: ClassVar = "AmazonSQS"
    forwards: ClassVar = True

    def __init__(self, clients: ServiceClients) -> None:
        """Prepare it.

        Args:
            clients: of the endpoint, whose queue URLs are those that callers know.
        """
        self._clients = clients
        super().__init__(
            {
                "StartMessageMoveTask": self._start,
                "ListMessageMoveTasks": self._list,
                "CancelMessageMoveTask": self._cancel,
                "ListDeadLetterSourceQueues": self._list_sources,  # the substrate has none
            }
        )
        self._tasks: list[_Task] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End the tasks that are running; what they have not moved stays."""
        for task in self._tasks:
            task.cancelled.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        source, destination = request["SourceArn"], request.get("DestinationArn")
        url = self._url(source)
        if destination:
            self._url(destination)
        sqs = self._clients.get("sqs")
        if not self._sources(source):
            raise ServiceError(
                "AWS.SimpleQueueService.UnsupportedOperation",
                "Source queue must be configured as a Dead Letter Queue.",
            )
        name = "ApproximateNumberOfMessages"
        held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
        with self._lock:
            if any(task.source == source and task.status == RUNNING for task in self._tasks):
                raise ServiceError(
                    "AWS.SimpleQueueService.UnsupportedOperation",
                    f"There is already a task running for {source}: only one at a time",
                )
            per_second = request.get("MaxNumberOfMessagesPerSecond")
            task = _Task(source, destination, per_second, int(held))
            self._tasks.append(task)
        thread = threading.Thread(target=self._run, args=(task, url), daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"TaskHandle": task.handle}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        self._url(request["SourceArn"])
        at_most = min(int(request.get("MaxResults", 1)), LISTED_AT_MOST)
        found = [task for task in reversed(self._tasks) if task.source == request["SourceArn"]]
        return {"Results": [task.listed() for task in found[:at_most]]}

    def _cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        for task in self._tasks:
            if task.handle == request["TaskHandle"] and task.status == RUNNING:
                task.status = CANCELLING
                task.cancelled.set()
                return {"ApproximateNumberOfMessagesMoved": task.moved}
        raise ServiceError(
            "ResourceNotFoundException", "The task does not exist, or does not run.", 404
        )

    def _list_sources(self, request: dict[str, Any]) -> dict[str, Any]:
        name = "QueueArn"
        try:
            found = self._clients.get("sqs").get_queue_attributes(
                QueueUrl=request["QueueUrl"], AttributeNames=[name]
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise ServiceError(code, error.response["Error"]["Message"]) from error
        return {"queueUrls": self._sources(found["Attributes"][name])}

    def _sources(self, dead_letters: str) -> list[str]:
        """URLs of the queues whose dead letters go to the queue of this ARN."""
        sqs, name = self._clients.get("sqs"), "RedrivePolicy"
        found = []
        for url in sqs.list_queues().get("QueueUrls", []):
            response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
            policy = json.loads(response.get("Attributes", {}).get(name) or "{}")
            if policy.get("deadLetterTargetArn") == dead_letters:
                found.append(str(url))
        return found

    def _run(self, task: _Task, url: str) -> None:
        try:
            while task.moved < task.to_move and not task.cancelled.is_set():
                if not self._move_one(task, url):
                    break
                task.cancelled.wait(1 / task.per_second if task.per_second else 0)
        except (ClientError, BotoCoreError, ServiceError) as error:
            code = getattr(error, "code", None) or type(error).__name__
            task.failure = str(code)
        if task.failure:
            task.status = "FAILED"
        else:
            task.status = "CANCELLED" if task.cancelled.is_set() else "COMPLETED"

    def _move_one(self, task: _Task, url: str) -> bool:
        """Whether there was a message, and it was moved."""
        sqs = self._clients.get("sqs")
        received = sqs.receive_message(
            QueueUrl=url,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            VisibilityTimeout=_HIDDEN_SECONDS,
        ).get("Messages", [])
        if not received:
            return False
        message = received[0]
        arn = task.destination or _source_of(message)
        if arn is None:
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
            task.failure = NO_SOURCE
            return False
        attributes = message.get("MessageAttributes")
        carried = {"MessageAttributes": attributes} if attributes else {}
        # A message that is moved is a new one, with an id of its own.
        sqs.send_message(QueueUrl=self._url(arn), MessageBody=message["Body"], **carried)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        task.moved += 1
        return True

    def _url(self, arn: str) -> str:
        try:
            found = self._clients.get("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])
        except ClientError as error:
            raise ServiceError(
                "ResourceNotFoundException", f"The queue {arn} does not exist.", 404
            ) from error
        return str(found["QueueUrl"])


def _source_of(message: Mapping[str, Any]) -> str | None:
    source = message.get("Attributes", {}).get("DeadLetterQueueSourceArn")
    return str(source) if source else None
