"""`pipeline dead-letters ls | show | delete`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document

from cli.client.dead_letters import DeadLetterQueue
from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED

BODY = '{"datasetName": "orders", "startDateTime": "2026-11-31"}'
REASON = "startDateTime: there is no such day"


def listed() -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = document(
        "dead-letters ls", pipeline("dead-letters", "ls", "--json").stdout
    )["messages"]
    return letters


def test_the_list_has_ages_and_counts(local: World) -> None:
    for number in range(3):
        local.put_dead_letter(BODY, MessageId=f"m{number}", Reason=REASON)

    text = pipeline("dead-letters", "ls")
    whole = document("dead-letters ls", pipeline("dead-letters", "ls", "--json").stdout)

    assert text.exit_code == SUCCEEDED
    assert " s " in text.stdout  # the age
    assert whole["approximateCount"] == 3
    assert {each["messageId"] for each in whole["messages"]} == {"m0", "m1", "m2"}


def test_a_list_that_is_not_whole_says_so(local: World, monkeypatch: pytest.MonkeyPatch) -> None:
    local.put_dead_letter(BODY, MessageId="m", Reason=REASON)
    monkeypatch.setattr(DeadLetterQueue, "count", lambda _: 340)

    assert "1 of about 340 letters" in pipeline("dead-letters").stdout


def test_more_letters_than_one_look_brings_are_listed_and_can_be_received_at_once(
    local: World,
) -> None:
    for number in range(25):
        local.put_dead_letter(json.dumps({"runId": f"run-{number:02d}"}), Reason="wrong")
    for _ in range(2):
        found = document("dead-letters ls", pipeline("dead-letters", "ls", "--json").stdout)
        assert sorted(each["runId"] for each in found["messages"]) == [
            f"run-{number:02d}" for number in range(25)
        ]
        assert found["approximateCount"] == 25


def test_letters_that_are_hidden_are_not_said_to_be_none(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadLetterQueue, "count", lambda _: 7)

    assert "of about 7 letters none was returned" in pipeline("dead-letters").stdout
    assert local.sent() == []


@pytest.mark.parametrize("name", ["m", "run-9"])
def test_one_letter_whole_by_its_id_or_its_runs(local: World, name: str) -> None:
    body = json.dumps({"runId": "run-9", "note": "x" * 500})
    local.put_dead_letter(body, MessageId="m", Reason=REASON)
    local.put_dead_letter(BODY, MessageId="other")

    text = pipeline("dead-letters", "show", name)
    letter = document("dead-letters show", pipeline("dead-letters", "show", name, "--json").stdout)
    alone = pipeline("dead-letters", "show", name, "--body")

    assert REASON in text.stdout
    assert "x" * 500 in text.stdout
    assert "pipeline dead-letters replay m --corrected message.json" in text.stdout
    assert (letter["messageId"], letter["runId"], letter["body"]) == ("m", "run-9", body)
    assert alone.stdout == body
    assert len(listed()) == 2  # and it can be seen again at once


@pytest.mark.parametrize(
    ("start", "may_pass"), [("2026-11-01", True), ("2026-11-31", False)], ids=["good", "wrong"]
)
def test_a_letter_that_would_be_refused_again_is_not_offered_for_replay(
    local: World, start: str, may_pass: bool
) -> None:
    body = json.dumps({"datasetName": "orders", "startDateTime": start, "runId": "run-9"})
    local.put_dead_letter(body, MessageId="m", Reason=REASON)

    lines = pipeline("dead-letters", "show", "m").stdout.splitlines()

    assert ("    pipeline dead-letters replay m" in lines) == may_pass
    assert "    pipeline dead-letters replay m --corrected message.json" in lines


def test_a_letter_that_is_not_there(local: World) -> None:
    result = pipeline("dead-letters", "show", "m9", "--json")
    assert result.exit_code == NOT_FOUND
    assert json.loads(result.stdout)["error"]["code"] == "NOT_FOUND"

    result = pipeline("dead-letters", "delete", "m9", "--yes")
    assert result.exit_code == NOT_FOUND
    assert "m9: there is no such letter" in result.stdout
    assert local.sent() == []


def test_letters_are_deleted_and_nothing_is_sent(local: World) -> None:
    for name in ("m0", "m1", "m2"):
        local.put_dead_letter(BODY, MessageId=name, Reason=REASON)

    result = pipeline("dead-letters", "delete", "m1", "m9", "--yes", "--json")

    assert result.exit_code == NOT_FOUND
    whole = document("dead-letters delete", result.stdout)
    assert [each["messageId"] for each in whole["deleted"]] == ["m1"]
    assert whole["deleted"][0]["body"] == BODY
    assert whole["notFound"] == ["m9"]
    assert {each["messageId"] for each in listed()} == {"m0", "m2"}
    assert local.sent() == []

    assert pipeline("dead-letters", "delete", "--all", "--yes").exit_code == SUCCEEDED
    assert listed() == []


@pytest.mark.parametrize(
    "words",
    [
        (),  # neither ids nor --all
        ("m", "--all", "--yes"),
        ("m",),  # nobody can be asked
        ("m", "--json"),
    ],
)
def test_nothing_is_deleted_unasked(local: World, words: tuple[str, ...]) -> None:
    local.put_dead_letter(BODY, MessageId="m", Reason=REASON)

    result = pipeline("dead-letters", "delete", *words)

    assert result.exit_code == REFUSED
    assert len(listed()) == 1
