"""SQS event source mappings: messages received, functions invoked, the done ones deleted."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.local_cloud.http.services import REGION, ServiceError

LOGGER: Final = logging.getLogger(__name__)
_RECEIVE_LIMIT: Final = 10
_LONG_POLL_SECONDS: Final = 20
# Lambda starts with five pollers for a mapping that has no MaximumConcurrency of its own.
_DEFAULT_CONCURRENCY: Final = 5
_PAUSE_AFTER_ERROR_SECONDS: Final = 1.0
# Lambda repeats throttled invocations until the batch's visibility timeout has passed.
_THROTTLES: Final = frozenset({"TooManyRequestsException", "ThrottlingException"})


@dataclass(frozen=True)
class SqsMapping:
    """One AWS::Lambda::EventSourceMapping of a standard queue.

    Attributes:
        function: ARN, qualified for durable functions.
        batch_size: most messages of one invocation.
        window_seconds: how long to wait for a batch to fill.
        maximum_concurrency: most invocations in parallel; None: the service's initial value.
        report_failures: whether the response's `batchItemFailures` say what failed.
    """

    id: str
    queue_arn: str
    queue_url: str
    function: str
    batch_size: int = 10
    window_seconds: int = 0
    maximum_concurrency: int | None = None
    report_failures: bool = False
    enabled: bool = True


class Result(Protocol):
    """What an invocation comes to."""

    @property
    def payload(self) -> bytes: ...

    @property
    def function_error(self) -> str | None: ...


class Invoker(Protocol):
    """The part of the Lambda service that is needed here."""

    def invoke(
        self,
        name_or_arn: str,
        payload: bytes,
        qualifier: str | None = None,
        invocation_type: str = "RequestResponse",
    ) -> Result: ...


class SqsPoller:
    """Serves one mapping with threads of its own."""

    def __init__(
        self, mapping: SqsMapping, sqs: Any, invoker: Invoker, redelivery_seconds: float | None
    ) -> None:
        """Nothing is received before `start`.

        Args:
            mapping: what to do.
            sqs: boto3 client.
            invoker: runs the function.
            redelivery_seconds: when a failed message is to become visible again. None: when its
                visibility timeout has passed, as with Lambda.
        """
        self._mapping = mapping
        self._sqs = sqs
        self._invoker = invoker
        self._redelivery_seconds = redelivery_seconds
        self._stopping = threading.Event()
        self._free = threading.Semaphore(mapping.maximum_concurrency or _DEFAULT_CONCURRENCY)
        self._receiver = threading.Thread(
            target=self._receive, name=f"sqs-{mapping.id}-receiver", daemon=True
        )

    def start(self) -> None:
        if self._mapping.enabled:
            self._receiver.start()

    def stop(self) -> None:
        """Receive nothing more. Messages in work stay in the queue."""
        self._stopping.set()

    def join(self) -> None:
        """After `stop`, and when the queue no longer responds: wait for the last receive."""
        if self._receiver.is_alive():
            self._receiver.join(timeout=5)

    def _receive(self) -> None:
        while not self._stopping.is_set():
            # A message is only taken off the queue when somebody is free to work on it.
            if not self._free.acquire(timeout=1):
                continue
            messages = self._next_batch()
            if not messages or self._stopping.is_set():
                self._free.release()
                continue
            # Daemons and not a pool, whose threads an ending interpreter would wait for.
            threading.Thread(
                target=self._work, args=(messages,), name=f"sqs-{self._mapping.id}", daemon=True
            ).start()

    def _next_batch(self) -> list[dict[str, Any]]:
        """Messages for one invocation; none if none came or the queue could not be reached."""
        mapping = self._mapping
        batch = self._receive_once(mapping.batch_size, _LONG_POLL_SECONDS)
        deadline = time.monotonic() + mapping.window_seconds
        while batch and len(batch) < mapping.batch_size:
            rest = deadline - time.monotonic()
            if rest <= 0 and not self._worth_another_look(batch):
                break
            more = self._receive_once(mapping.batch_size - len(batch), max(0, round(rest)))
            if not more and rest <= 1:
                break
            batch += more
        return batch

    def _worth_another_look(self, batch: Sequence[Any]) -> bool:
        """Large batches need several receives even without a window; small ones do not wait."""
        return len(batch) % _RECEIVE_LIMIT == 0

    def _receive_once(self, limit: int, wait_seconds: int) -> list[dict[str, Any]]:
        try:
            response = self._sqs.receive_message(
                QueueUrl=self._mapping.queue_url,
                MaxNumberOfMessages=min(limit, _RECEIVE_LIMIT),
                WaitTimeSeconds=min(wait_seconds, _LONG_POLL_SECONDS),
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.is_set():
                LOGGER.warning("%s: cannot receive: %s", self._mapping.id, error)
                self._stopping.wait(_PAUSE_AFTER_ERROR_SECONDS)
            return []
        messages: list[dict[str, Any]] = response.get("Messages", [])
        return messages

    def _work(self, messages: list[dict[str, Any]]) -> None:
        try:
            failed = self._failed(messages)
            self._delete([m for m in messages if m["MessageId"] not in failed])
            self._return([m for m in messages if m["MessageId"] in failed])
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.is_set():
                LOGGER.warning("%s: the queue does not respond: %s", self._mapping.id, error)
        except Exception:
            # What we call may end before us; then its errors mean nothing.
            if not self._stopping.is_set():
                LOGGER.exception("%s: a batch failed", self._mapping.id)
        finally:
            self._free.release()

    def _failed(self, messages: list[dict[str, Any]]) -> set[str]:
        """Invoke the function; the ids of the messages that it did not finish."""
        everything = {message["MessageId"] for message in messages}
        event = {"Records": [sqs_record(m, self._mapping.queue_arn) for m in messages]}
        try:
            result = self._invoke(json.dumps(event).encode())
        except ServiceError as error:
            if not self._stopping.is_set():
                LOGGER.warning("%s: cannot invoke %s: %s", self._mapping.id, self._function, error)
            return everything
        if result.function_error is not None:
            LOGGER.info("%s: %s failed: %r", self._mapping.id, self._function, result.payload[:500])
            return everything
        if not self._mapping.report_failures:
            return set()
        failed = reported_failures(result.payload, everything)
        if failed is None:
            LOGGER.warning("%s: bad batchItemFailures: %r", self._function, result.payload[:500])
            return everything
        return failed

    @property
    def _function(self) -> str:
        return self._mapping.function.partition("function:")[2] or self._mapping.function

    def _invoke(self, payload: bytes) -> Result:
        pause = 0.5
        while True:
            try:
                return self._invoker.invoke(self._mapping.function, payload)
            except ServiceError as error:
                if error.code not in _THROTTLES or self._stopping.wait(pause):
                    raise
                pause = min(pause * 2, 20)

    def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for part in _tens(messages):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(part)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._mapping.queue_url, Entries=entries)

    def _return(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Lambda leaves failed messages alone: they come back when their timeout has passed."""
        if self._redelivery_seconds is None:
            return
        for message in messages:
            self._sqs.change_message_visibility(
                QueueUrl=self._mapping.queue_url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=round(self._redelivery_seconds),
            )


def sqs_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """A received message as a record of a Lambda event."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _record_attribute(value)
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _record_attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    names = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}
    plain = {new: value[old] for old, new in names.items() if old in value}
    if isinstance(plain.get("binaryValue"), bytes):
        plain["binaryValue"] = base64.b64encode(plain["binaryValue"]).decode()
    return {**plain, "stringListValues": [], "binaryListValues": []}


def reported_failures(payload: bytes, sent: set[str]) -> set[str] | None:
    """The message ids in a response's `batchItemFailures`; None if it is malformed.

    An empty response reports none. For a malformed one (a missing or unknown id among the
    failures, or no list) Lambda treats the whole batch as failed.
    """
    try:
        response = json.loads(payload or b"null")
    except ValueError:
        return None
    if not response:
        return set()
    failures = response.get("batchItemFailures") if isinstance(response, dict) else None
    if failures is None:
        return set() if isinstance(response, dict) else None
    if not isinstance(failures, list):
        return None
    ids = {item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures}
    return {str(item) for item in ids} if ids <= sent else None


def _tens(messages: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    for start in range(0, len(messages), _RECEIVE_LIMIT):
        yield messages[start : start + _RECEIVE_LIMIT]
