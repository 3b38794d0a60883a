"""Messages: made from options or a file, checked as the pipeline will check them, sent, refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.exit_codes import REFUSED, CommandFailed
from contracts.errors import InvalidRequest
from contracts.run_request import RunRequest
from durable_pipeline.intake import NOTHING_ASKED, claimed_run_id, parse_message

NO_BUCKET: Final = "your-data-bucket"
ID_TO_COME: Final = "message-id"  # a stand-in for the SQS message id while a message is checked
_PEEKS_AT_MOST: Final = 50  # of ten messages each
_NOT_HIDDEN: Final = frozenset(
    {"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "InvalidParameterValue"}
)
_NOT_ALLOWED: Final = "InvalidMessageContents"
# All but what XML 1.0 takes, as SQS documents it.
_NOT_OF_SQS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AT_ONCE: Final = 10  # the most that SQS returns
_HIDDEN_SECONDS: Final = 10


@dataclass(frozen=True)
class DeadLetter:
    """A message on the dead-letter queue.

    Attributes:
        message_id: of the message as it was first sent.
        reason: why it was refused; None where SQS moved it, after too many deliveries.
        run_id: the run it named, if any.
        body_changed: what is left of a body that did not fit the queue.
    """

    message_id: str
    sent_at_ms: int
    reason: str | None
    run_id: str | None
    body: str
    body_changed: bool = False


def read_message(path: str) -> str:
    """The text of a message file, or of standard input for `-`.

    Raises:
        CommandFailed: the file cannot be read.
    """
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"the message file {path} cannot be read: {error}", REFUSED) from None


def message_of(fields: Mapping[str, Any]) -> str:
    """A message from single fields; those that are None are left out."""
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def with_bucket(body: str, data_bucket: str) -> str:
    """The message files in events/ name no bucket of their own: this puts the deployment's in."""
    return body.replace(NO_BUCKET, data_bucket)


def check_message(body: str) -> RunRequest:
    """The request that the pipeline will read from this message.

    Raises:
        CommandFailed: it would refuse it; names every problem.
    """
    try:
        request = parse_message(body, default_run_id=ID_TO_COME)
    except InvalidRequest as error:
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise CommandFailed(
            f"not sent: the pipeline would refuse this message\n{lines}",
            REFUSED,
            "docs/message.md lists the fields; --unchecked sends the message anyway",
        ) from None
    if request is None:
        raise CommandFailed(f"not sent: it would start nothing ({NOTHING_ASKED})", REFUSED)
    return request


def send_message(sqs: Any, queue_url: str, body: str) -> str:
    """Send it to the queue; returns the message id.

    Raises:
        CommandFailed: it holds characters that SQS does not take; names the first.
    """
    try:
        message_id: str = sqs.send_message(QueueUrl=queue_url, MessageBody=body)["MessageId"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != _NOT_ALLOWED:
            raise
        found = _NOT_OF_SQS.search(body)
        where = f" (U+{ord(found[0]):04X}, character {found.start() + 1})" if found else ""
        raise CommandFailed(
            f"not sent: the message contains characters that SQS does not allow{where}",
            REFUSED,
            "take them out, or escape them in strings, as in \\u0007",
        ) from None
    return message_id


def id_is_drawn(body: str) -> bool:
    """Whether the pipeline will draw the run id of this message (`runId: auto`)."""
    try:
        request = parse_message(body, default_run_id=ID_TO_COME)
    except InvalidRequest:
        return False
    return request is not None and request.id_is_drawn


def run_id_of(body: str, message_id: str) -> str:
    """The run that a sent message names; a message without `runId` names it by its own id.

    Of one with `runId: auto` it is the message id, too, until its run id is drawn.
    """
    return claimed_run_id(body) or message_id


def peek_dead_letters(sqs: Any, queue_url: str) -> list[DeadLetter]:
    """The messages on the dead-letter queue, oldest first; they stay there.

    A queue has no listing: it is received from until a round brings nothing new. Few messages are
    not hidden meanwhile. More than one round holds would be the same ones again and again, so they
    are hidden until all were seen, or for some seconds if this is broken off. On a queue with
    hundreds of messages some may be missing.
    """
    found: dict[str, DeadLetter] = {}
    hidden: list[str] = []
    try:
        _receive_all(sqs, queue_url, found, hidden)
    finally:
        for handle in hidden:
            show_again(sqs, queue_url, handle)
    return sorted(found.values(), key=lambda letter: letter.sent_at_ms)


def show_again(sqs: Any, queue_url: str, handle: str) -> None:
    """Let others receive a message that is hidden, now rather than later."""
    try:
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=0)
    except ClientError as error:  # its time was over before
        if error.response.get("Error", {}).get("Code") not in _NOT_HIDDEN:
            raise


def _receive_all(sqs: Any, queue_url: str, found: dict[str, DeadLetter], hidden: list[str]) -> None:
    """Add the messages by their id, and the handles of those that are hidden."""
    for _ in range(_PEEKS_AT_MOST):
        hides = len(found) >= _AT_ONCE
        response = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=_AT_ONCE,
            VisibilityTimeout=_HIDDEN_SECONDS if hides else 0,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            AttributeNames=["SentTimestamp"],
        )
        received = response.get("Messages", [])
        if hides:
            hidden += [item["ReceiptHandle"] for item in received]
        new = [item for item in received if item["MessageId"] not in found]
        if not (received if hides else new):
            break
        found.update({item["MessageId"]: dead_letter_of(item) for item in new})


def dead_letter_of(message: Mapping[str, Any]) -> DeadLetter:
    """A message as ReceiveMessage returns it, with its attributes and `SentTimestamp`."""
    attributes = {
        name: str(value.get("StringValue", ""))
        for name, value in (message.get("MessageAttributes") or {}).items()
    }
    return DeadLetter(
        message_id=attributes.get("MessageId", message["MessageId"]),
        sent_at_ms=int(message["Attributes"]["SentTimestamp"]),
        reason=attributes.get("Reason"),
        run_id=attributes.get("RunId") or claimed_run_id(message["Body"]),
        body=message["Body"],
        body_changed="BodyChanged" in attributes,
    )
