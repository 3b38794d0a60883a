"""Messages on their way out, and those that came to the dead-letter queue."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from cli_world import World

from cli.client.messages import (
    check_message,
    message_of,
    peek_dead_letters,
    run_id_of,
    send_message,
)
from cli.exit_codes import REFUSED, CommandFailed


def test_options_that_were_not_given_are_left_out() -> None:
    body = message_of({"datasetName": "orders", "startDateTime": "2026-11-01", "query": None})
    assert json.loads(body) == {"datasetName": "orders", "startDateTime": "2026-11-01"}


def test_a_message_that_would_be_refused_is_not_sent() -> None:
    with pytest.raises(CommandFailed) as failed:
        check_message('{"datasetName": "Orders!", "startDateTime": "soon"}')

    assert failed.value.exit_code == REFUSED
    assert "datasetName" in failed.value.message
    assert "startDateTime" in failed.value.message
    assert "--unchecked" in str(failed.value.hint)


class Strict:
    """An SQS that takes no message, for its characters or for its sender."""

    def __init__(self, code: str) -> None:
        self.code = code

    def send_message(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "SendMessage")


def test_characters_that_sqs_does_not_allow_are_named() -> None:
    with pytest.raises(CommandFailed) as failed:
        send_message(Strict("InvalidMessageContents"), "queue", '{"runId": "bell\x07"}')

    assert failed.value.exit_code == REFUSED
    assert "U+0007, character 16" in failed.value.message
    assert "\\u0007" in str(failed.value.hint)
    with pytest.raises(ClientError, match="AccessDenied"):
        send_message(Strict("AccessDenied"), "queue", "{}")


def test_a_run_is_named_by_its_message_unless_the_message_names_it() -> None:
    assert run_id_of('{"runId": "mine"}', "message-1") == "mine"
    assert run_id_of('{"datasetName": "orders"}', "message-1") == "message-1"
    assert run_id_of("not JSON", "message-1") == "message-1"


def test_dead_letters_are_looked_at_and_stay(world: World) -> None:
    world.put_dead_letter("not JSON", Reason="is not JSON", MessageId="first")
    world.put_dead_letter('{"runId": "r"}')
    sqs, queue = world.deployment.client("sqs"), world.deployment.outputs["DeadLetterQueueUrl"]

    for _ in range(2):
        letters = {letter.body: letter for letter in peek_dead_letters(sqs, queue)}

        refused, redriven = letters["not JSON"], letters['{"runId": "r"}']
        assert (refused.message_id, refused.reason, refused.run_id) == (
            "first",
            "is not JSON",
            None,
        )
        assert (redriven.reason, redriven.run_id) == (None, "r")
