"""`pipeline dead-letters`: refused messages and their reasons."""

from __future__ import annotations

from datetime import UTC, datetime

from cli.client.deployment import find_deployment
from cli.client.ledger import LedgerView
from cli.client.messages import DeadLetter, peek_dead_letters
from cli.client.run_reasons import with_run_reasons
from cli.documents.base import print_document
from cli.documents.runs import DeadLetterDocument, DeadLettersDocument
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.tables import dead_letters_table, make_console
from contracts.run_request import format_timestamp


def dead_letters(
    stack: StackOption = None, region: RegionOption = None, json_output: JsonOption = False
) -> None:
    """List the messages on the dead-letter queue with the reason why each was refused.

    A message that was delivered too often has the reason why its run failed, from the ledger.
    They stay on the queue. To have one processed, send it again as it should be: pipeline run.
    """
    deployment = find_deployment(stack, region)
    queue_url = deployment.output("DeadLetterQueueUrl")
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    letters = with_run_reasons(peek_dead_letters(deployment.client("sqs"), queue_url), ledger)
    if json_output:
        messages = tuple(_document(letter) for letter in letters)
        print_document(DeadLettersDocument(queue_url=queue_url, messages=messages))
    elif letters:
        make_console().print(dead_letters_table(letters))
    else:
        make_console().print("the dead-letter queue is empty")


def _document(letter: DeadLetter) -> DeadLetterDocument:
    return DeadLetterDocument(
        message_id=letter.message_id,
        sent_at=format_timestamp(datetime.fromtimestamp(letter.sent_at_ms / 1000, UTC)),
        reason=letter.reason,
        run_id=letter.run_id,
        body=letter.body,
    )
