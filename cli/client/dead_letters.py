"""The dead-letter queue, message by message: to be looked at, replayed or deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from cli.client.deployment import Deployment
from cli.client.messages import DeadLetter, dead_letter_of, peek_dead_letters, show_again

# Long enough to send ten requests. After a kill a letter is hidden for as long.
HIDDEN_SECONDS: Final = 30
_ROUNDS_WITHOUT_NEWS: Final = 3
_COUNT: Final = "ApproximateNumberOfMessages"


class DeadLetterQueue:
    """The dead-letter queue of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._sqs: Any = deployment.client("sqs")
        self.url = deployment.output("DeadLetterQueueUrl")

    def peek(self) -> list[DeadLetter]:
        """Its messages, oldest first, hidden from nobody; of hundreds some may be missing."""
        return peek_dead_letters(self._sqs, self.url)

    def count(self) -> int:
        """How many messages can be received, as SQS counts them (approximately)."""
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[_COUNT])
        return int(found["Attributes"][_COUNT])

    def visit(
        self, wanted: Collection[str] | None, is_done: Callable[[DeadLetter], bool]
    ) -> list[str]:
        """Look at letters one by one; those that stay can be seen again at the end.

        Args:
            wanted: message ids, or ids of the runs that the letters ask for; None: all letters.
            is_done: called with each; whether it is to be deleted from the queue.

        Returns:
            The ids that are of no letter.
        """
        found: set[str] = set()
        staying: dict[str, str] = {}
        try:
            for message in self._messages():
                staying[message["MessageId"]] = message["ReceiptHandle"]
                letter = dead_letter_of(message)
                ids = {letter.message_id, letter.run_id or letter.message_id}
                if wanted is not None and not ids & set(wanted):
                    continue
                found |= ids
                if is_done(letter):
                    self._delete(message["ReceiptHandle"])
                    del staying[message["MessageId"]]
        finally:
            for handle in staying.values():
                show_again(self._sqs, self.url, handle)
        return [each for each in wanted or () if each not in found]

    def _messages(self) -> Iterator[dict[str, Any]]:
        """Every message of the queue once, hidden from others for a while."""
        seen: set[str] = set()
        without_news = 0
        while without_news < _ROUNDS_WITHOUT_NEWS:
            response = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
                AttributeNames=["SentTimestamp"],
            )
            messages = response.get("Messages", [])
            if not messages:
                return
            new = [message for message in messages if message["MessageId"] not in seen]
            seen.update(message["MessageId"] for message in new)
            without_news = 0 if new else without_news + 1
            yield from new

    def _delete(self, handle: str) -> None:
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=handle)
