"""Puts messages on the dead-letter queue, each with its reason and once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts.ledger_items import NO_RUN, RejectedItem, RunItem
from contracts.messages import RejectMessage, letter_of
from contracts.run import RunStatus
from contracts.run_request import RUN_ID_PATTERN, format_timestamp
from ledger.table import Ledger
from runtime import clients
from runtime.handler import Clock, logger, metrics

RETENTION_SECONDS: Final = 90 * 24 * 3600
MESSAGE_BYTES: Final = 256 * 1024  # body and attributes; what every queue takes
ATTRIBUTES_BYTES: Final = 12 * 1024
REASON_BYTES: Final = 8 * 1024
LEDGER_REASON_BYTES: Final = 100 * 1024
_NOT_IN_SQS: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def reject_message(message: RejectMessage, ledger: Ledger, queue_url: str, now: datetime) -> None:
    """Record the rejection, send the message to the dead-letter queue, mark it sent.

    A repeat finds the mark and sends nothing. Only a failure between the sending and the mark makes
    the repeat send a second copy: a lost message would be worse, and copies have one `MessageId`.

    Raises:
        NotFound: no such queue.
        Throttled, TransientFailure: the same call goes on where this one stopped.
    """
    rejected = RejectedItem(
        run_id=_partition(message),
        message_id=_cut(message.message_id, 500),
        reason=_cut(message.reason, LEDGER_REASON_BYTES),
        rejected_at=format_timestamp(now),
        expires_at=int(now.timestamp()) + RETENTION_SECONDS,
    )
    there = ledger.put_if_absent(rejected.to_item()).item
    if there is not None and RejectedItem.from_item(there).sent:
        return
    logger.warning(
        "message rejected", extra={"message_id": message.message_id, "reason": message.reason}
    )
    with clients.translated(f"sending message {message.message_id} to the dead-letter queue"):
        clients.client("sqs").send_message(QueueUrl=queue_url, **dead_letter(message))
    key = RejectedItem.key_of(rejected.run_id, rejected.message_id)
    ledger.change(key, RejectedItem.changes(sent=True))
    metrics.add_metric(name="MessagesRejected", unit="Count", value=1)


@dataclass(frozen=True)
class LongRunLetters:
    """The dead letters of long runs that failed, sent where their executions could not.

    Attributes:
        holds: whether a run was last held by an execution of the long-running function.
    """

    ledger: Ledger
    queue_url: str
    holds: Callable[[RunItem], bool]
    clock: Clock

    def reject(self, run: RunItem) -> None:
        """Send the letter of the run's attempt, unless it was sent; nothing for any other run."""
        over = run.status is not RunStatus.FAILED or run.superseded_by or run.awaits_resumption
        if over or not self.holds(run):
            return
        letter = letter_of(run.requested, run.run_attempt, run.reason)
        reject_message(letter, self.ledger, self.queue_url, self.clock())


def dead_letter(message: RejectMessage) -> dict[str, Any]:
    """The arguments of SendMessage: the body as it came, cut only where the queue would refuse."""
    body = _sendable(message.body) or "(empty message)"
    sent = _cut(body, MESSAGE_BYTES - ATTRIBUTES_BYTES)
    attributes = {
        "Reason": _cut(_sendable(message.reason), REASON_BYTES) or "no reason given",
        "MessageId": _cut(_sendable(message.message_id), 200) or "none",
    }
    if message.run_id:
        attributes["RunId"] = _cut(_sendable(message.run_id), 200)
    if sent != message.body:
        attributes["BodyChanged"] = "true"
    return {
        "MessageBody": sent,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }


def _partition(message: RejectMessage) -> str:
    usable = message.run_id is not None and re.fullmatch(RUN_ID_PATTERN, message.run_id)
    return message.run_id if usable and message.run_id else NO_RUN


def _sendable(text: str) -> str:
    """Without the characters that SQS refuses; they cannot have come through a queue."""
    return _NOT_IN_SQS.sub("\ufffd", text)


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut between characters."""
    encoded = text.encode(errors="replace")
    return text if len(encoded) <= limit else encoded[: limit - 3].decode(errors="ignore") + "…"
