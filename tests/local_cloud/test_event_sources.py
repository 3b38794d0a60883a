"""SQS event source mappings, on a queue and a function of the test's own."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.local_cloud.events.sources import SqsMapping, SqsPoller, reported_failures, sqs_record
from local.local_cloud.http.services import ServiceError


class FakeQueue:
    """The part of an SQS client that a mapping uses; received messages never come back."""

    def __init__(self, *bodies: str) -> None:
        self._lock = threading.Condition()
        self._waiting = [self._message(str(i), body) for i, body in enumerate(bodies)]
        self.received: list[int] = []
        self.deleted: list[str] = []
        self.returned: dict[str, int] = {}
        self.broken = 0

    @staticmethod
    def _message(message_id: str, body: str) -> dict[str, Any]:
        return {
            "MessageId": message_id,
            "ReceiptHandle": f"handle-{message_id}",
            "Body": body,
            "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            "Attributes": {"ApproximateReceiveCount": "1"},
        }

    def send(self, message_id: str, body: str) -> None:
        with self._lock:
            self._waiting.append(self._message(message_id, body))
            self._lock.notify_all()

    def receive_message(
        self, *, MaxNumberOfMessages: int, WaitTimeSeconds: int, **_: Any
    ) -> dict[str, Any]:
        with self._lock:
            if self.broken:
                self.broken -= 1
                raise EndpointConnectionError(endpoint_url="http://queue")
            self._lock.wait_for(lambda: self._waiting, min(WaitTimeSeconds, 0.3))
            taken = self._waiting[:MaxNumberOfMessages]
            del self._waiting[:MaxNumberOfMessages]
            self.received.append(len(taken))
        return {"Messages": taken} if taken else {}

    def delete_message_batch(self, *, Entries: list[dict[str, str]], **_: Any) -> None:
        assert len(Entries) <= 10
        self.deleted += [entry["ReceiptHandle"].removeprefix("handle-") for entry in Entries]

    def change_message_visibility(
        self, *, ReceiptHandle: str, VisibilityTimeout: int, **_: Any
    ) -> None:
        self.returned[ReceiptHandle.removeprefix("handle-")] = VisibilityTimeout


@dataclass(frozen=True)
class Response:
    payload: bytes = b"null"
    function_error: str | None = None


@dataclass
class FakeFunction:
    """Takes invocations; `busy` is how many ran at once at most."""

    respond: Callable[[list[str]], Response] = lambda _: Response()
    batches: list[list[str]] = field(default_factory=list)
    busy: int = 0
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke(
        self,
        name_or_arn: str,
        payload: bytes,
        qualifier: str | None = None,
        invocation_type: str = "RequestResponse",
    ) -> Response:
        assert (name_or_arn, qualifier, invocation_type) == ("function", None, "RequestResponse")
        bodies = [record["body"] for record in json.loads(payload)["Records"]]
        with self._lock:
            self.batches.append(bodies)
            self._running += 1
            self.busy = max(self.busy, self._running)
        try:
            return self.respond(bodies)
        finally:
            with self._lock:
                self._running -= 1


@contextmanager
def polling(
    queue: FakeQueue,
    function: FakeFunction,
    redelivery_seconds: float | None = None,
    **details: Any,
) -> Iterator[None]:
    mapping = SqsMapping("mapping", "arn:queue", "http://queue", "function", **details)
    poller = SqsPoller(mapping, queue, function, redelivery_seconds)
    poller.start()
    try:
        yield
    finally:
        poller.stop()
        poller.join()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_messages_are_deleted_when_the_function_has_finished_them() -> None:
    queue, function = FakeQueue("a", "b", "c"), FakeFunction()

    with polling(queue, function):
        until(lambda: sorted(queue.deleted) == ["0", "1", "2"])

    assert function.batches == [["a", "b", "c"]]


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    queue, function = FakeQueue("a", "b", "c"), FakeFunction()

    with polling(queue, function, batch_size=2):
        until(lambda: len(queue.deleted) == 3)

    assert sorted(map(len, function.batches)) == [1, 2]


def test_a_window_gathers_what_comes_later() -> None:
    queue, function = FakeQueue("a"), FakeFunction()

    with polling(queue, function, window_seconds=2, batch_size=3):
        until(lambda: queue.received)
        queue.send("1", "b")
        queue.send("2", "c")
        until(lambda: len(queue.deleted) == 3)

    assert function.batches == [["a", "b", "c"]]


def test_a_large_batch_is_put_together_from_several_receives() -> None:
    queue, function = FakeQueue(*map(str, range(25))), FakeFunction()

    with polling(queue, function, window_seconds=1, batch_size=25):
        until(lambda: len(queue.deleted) == 25)

    assert list(map(len, function.batches)) == [25]


def test_only_the_reported_failures_stay_in_the_queue() -> None:
    failures = json.dumps({"batchItemFailures": [{"itemIdentifier": "1"}]}).encode()
    queue, function = FakeQueue("a", "b"), FakeFunction(lambda _: Response(failures))

    with polling(queue, function, report_failures=True):
        until(lambda: queue.deleted)

    assert queue.deleted == ["0"]
    assert queue.returned == {}


def test_without_the_response_type_reported_failures_count_for_nothing() -> None:
    failures = json.dumps({"batchItemFailures": [{"itemIdentifier": "1"}]}).encode()
    queue, function = FakeQueue("a", "b"), FakeFunction(lambda _: Response(failures))

    with polling(queue, function):
        until(lambda: len(queue.deleted) == 2)

    assert sorted(queue.deleted) == ["0", "1"]
    assert queue.returned == {}


def test_nothing_is_deleted_when_the_function_fails() -> None:
    queue, function = FakeQueue("a"), FakeFunction(lambda _: Response(b"{}", "Unhandled"))

    with polling(queue, function):
        until(lambda: function.batches)
        queue.send("1", "b")
        until(lambda: len(function.batches) == 2)

    assert queue.deleted == []
    assert queue.returned == {}


def test_failed_messages_come_back_early_when_that_is_asked_for() -> None:
    queue, function = FakeQueue("a"), FakeFunction(lambda _: Response(b"{}", "Unhandled"))

    with polling(queue, function, redelivery_seconds=2):
        until(lambda: queue.returned == {"0": 2})

    assert queue.deleted == []


def test_a_throttled_invocation_is_repeated() -> None:
    throttled = iter([True, False])

    def respond(_: list[str]) -> Response:
        if next(throttled):
            raise ServiceError("TooManyRequestsException", "slow down", 429)
        return Response()

    queue, function = FakeQueue("a"), FakeFunction(respond)

    with polling(queue, function):
        until(lambda: queue.deleted == ["0"])

    assert next(throttled, "asked twice") == "asked twice"


def test_a_refused_invocation_leaves_the_messages_in_the_queue() -> None:
    def refuse(_: list[str]) -> Response:
        raise ServiceError("ResourceNotFoundException", "no such function", 404)

    queue, function = FakeQueue("a"), FakeFunction(refuse)

    with polling(queue, function):
        until(lambda: function.batches)

    assert queue.deleted == []


def test_no_more_run_side_by_side_than_allowed() -> None:
    go_on = threading.Event()

    def respond(_: list[str]) -> Response:
        go_on.wait(30)
        return Response()

    queue, function = FakeQueue("a", "b", "c", "d"), FakeFunction(respond)

    with polling(queue, function, batch_size=1, maximum_concurrency=2):
        until(lambda: len(function.batches) == 2)
        time.sleep(0.1)
        go_on.set()
        until(lambda: len(queue.deleted) == 4)

    assert function.busy == 2


def test_polling_goes_on_after_the_queue_was_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("local.local_cloud.events.sources._PAUSE_AFTER_ERROR_SECONDS", 0.01)
    queue, function = FakeQueue("a"), FakeFunction()
    queue.broken = 2

    with polling(queue, function):
        until(lambda: queue.deleted == ["0"])

    assert function.batches == [["a"]]


def test_a_disabled_mapping_receives_nothing() -> None:
    queue, function = FakeQueue("a"), FakeFunction()

    with polling(queue, function, enabled=False):
        time.sleep(0.05)

    assert queue.received == []


@pytest.mark.parametrize(
    ("response", "failed"),
    [
        (b"null", set()),
        (b"", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "x"}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', None),
        (b'{"batchItemFailures": [{"id": "a"}]}', None),
        (b'{"batchItemFailures": ["a"]}', None),
        (b'{"batchItemFailures": "a"}', None),
        (b'"text"', None),
        (b"not json", None),
    ],
)
def test_what_a_response_reports(response: bytes, failed: set[str] | None) -> None:
    assert reported_failures(response, {"a", "b"}) == failed


def test_a_record_has_the_shape_that_lambda_gives_it() -> None:
    message = {
        "MessageId": "id",
        "ReceiptHandle": "handle",
        "Body": "body",
        "MD5OfBody": "md5",
        "Attributes": {"ApproximateReceiveCount": "2"},
        "MessageAttributes": {
            "text": {"DataType": "String", "StringValue": "x"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    }

    assert sqs_record(message, "arn:queue") == {
        "messageId": "id",
        "receiptHandle": "handle",
        "body": "body",
        "attributes": {"ApproximateReceiveCount": "2"},
        "messageAttributes": {
            "text": {
                "dataType": "String",
                "stringValue": "x",
                "stringListValues": [],
                "binaryListValues": [],
            },
            "bytes": {
                "dataType": "Binary",
                "binaryValue": "AA==",
                "stringListValues": [],
                "binaryListValues": [],
            },
        },
        "md5OfBody": "md5",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:queue",
        "awsRegion": "us-east-1",
    }
