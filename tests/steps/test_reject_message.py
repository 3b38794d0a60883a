from __future__ import annotations

from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, client_error

from contracts.errors import NotFound, TransientFailure
from contracts.messages import RejectMessage
from runs.dead_letters import MESSAGE_BYTES, REASON_BYTES, dead_letter
from steps.reject_message import handler

MESSAGE = RejectMessage(
    message_id="m-1",
    body='{"datasetName": 5}',
    reason="message: datasetName: must be a string (found 5); startDateTime: is required",
    run_id="r1",
)


def reject(context: Any, message: RejectMessage = MESSAGE) -> None:
    assert handler(message.to_json(), context) is None


def test_a_message_is_dead_lettered_with_its_reason(cloud: Any, lambda_context: Any) -> None:
    reject(lambda_context)

    (letter,) = cloud.dead_letters()
    values = {name: item["StringValue"] for name, item in letter["MessageAttributes"].items()}
    assert letter["Body"] == MESSAGE.body
    assert values == {"Reason": MESSAGE.reason, "MessageId": "m-1", "RunId": "r1"}
    assert cloud.ledger.get_item("r1", "REJECTED#m-1")["reason"] == MESSAGE.reason


def test_the_log_holds_the_whole_reason(
    cloud: Any, lambda_context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reason = "é" * REASON_BYTES
    reject(lambda_context, MESSAGE.model_copy(update={"reason": reason}))

    (warning,) = [entry for entry in caplog.records if entry.levelname == "WARNING"]
    assert vars(warning)["reason"] == reason
    (letter,) = cloud.dead_letters()
    sent = letter["MessageAttributes"]["Reason"]["StringValue"]
    assert len(sent.encode()) <= REASON_BYTES


def test_a_repeat_sends_nothing(cloud: Any, lambda_context: Any) -> None:
    reject(lambda_context)
    reject(lambda_context)

    assert len(cloud.dead_letters()) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "operation", "copies"),
    [
        ("dynamodb", "put_item", 1),
        ("sqs", "send_message", {False: 1, True: 2}),
        ("dynamodb", "update_item", {False: 2, True: 1}),
    ],
)
def test_what_broke_off_is_repeated_and_never_lost(
    cloud: Any,
    clients: Any,
    lambda_context: Any,
    service: str,
    operation: str,
    copies: int | dict[bool, int],
    after: bool,
) -> None:
    """Between the sending and its mark lies the one window in which a copy is sent twice."""
    clients.break_once(service, operation, LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        reject(lambda_context)

    reject(lambda_context)
    reject(lambda_context)

    expected = copies[after] if isinstance(copies, dict) else copies
    assert len(cloud.dead_letters()) == expected
    assert cloud.ledger.get_item("r1", "REJECTED#m-1")["sent"] is True


@pytest.mark.parametrize("run_id", [None, "", "has spaces", "x" * 3000])
def test_a_message_without_a_usable_run_id_is_stored_among_the_rejected(
    cloud: Any, lambda_context: Any, run_id: str | None
) -> None:
    reject(lambda_context, MESSAGE.model_copy(update={"run_id": run_id}))

    assert cloud.ledger.get_item("rejected", "REJECTED#m-1")["sent"] is True
    assert len(cloud.dead_letters()) == 1


@pytest.mark.parametrize("body", ["", "\x00\x01", "é" * 200_000, "x" * 200_000, "\ud800"])
def test_every_body_fits_the_queue(cloud: Any, body: str) -> None:
    message = RejectMessage(message_id="m" * 300, body=body, reason="\x07", run_id=None)

    arguments = dead_letter(message)

    values = [item["StringValue"] for item in arguments["MessageAttributes"].values()]
    assert all(values)
    size = len(arguments["MessageBody"].encode()) + sum(len(value.encode()) for value in values)
    assert 0 < size <= MESSAGE_BYTES
    queue = cloud.client("sqs")
    queue.send_message(QueueUrl=cloud.dead_letter_queue_url, **arguments)


@pytest.mark.usefixtures("cloud")
def test_a_missing_queue_is_reported_of(clients: Any, lambda_context: Any) -> None:
    error = client_error("AWS.SimpleQueueService.NonExistentQueue")
    clients.break_once("sqs", "send_message", error, after=False)

    with pytest.raises(NotFound, match="dead-letter queue"):
        reject(lambda_context)
