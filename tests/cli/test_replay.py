"""`pipeline dead-letters replay`: each letter's request, once, under the id of its run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import make_bucket
from cli_world import World, pipeline
from json_documents import document

from cli.client.dead_letters import HIDDEN_SECONDS
from cli.exit_codes import FAILED, NOT_FOUND, REFUSED, SUCCEEDED

REQUEST = {"datasetName": "orders", "startDateTime": "2026-11-01T00:00:00Z"}
NAMED = {**REQUEST, "runId": "run-1"}
FIRST_ID = "6d3a0ad5-6a4c-4f44-9a8b-7d6b3f5f3a01"
S3_RECORD = {
    "eventName": "ObjectCreated:Put",
    "s3": {
        "bucket": {"name": "data"},
        "object": {"key": "landing/orders/a+b.csv", "sequencer": "0A"},
    },
}


def replay(*words: str, status: int = SUCCEEDED) -> dict[str, Any]:
    result = pipeline("dead-letters", "replay", *words, "--json")
    assert result.exit_code == status, result.output
    return document("dead-letters replay", result.stdout)


def letters_left() -> list[str]:
    """Bodies that the next command can see."""
    return [each["body"] for each in document("dead-letters", listed())["messages"]]


def listed() -> str:
    return pipeline("dead-letters", "--json").stdout


def put(local: World, body: dict[str, Any] | str, **attributes: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    local.put_dead_letter(text, **attributes)


def put_run(local: World, run_id: str = "run-1", status: str = "FAILED", **more: Any) -> None:
    request = json.dumps({**REQUEST, "runId": run_id})
    local.put_run(run_id, status=status, **{"request": request, **more})


@pytest.mark.parametrize(
    ("body", "request_sent"),
    [
        (NAMED, NAMED),
        (REQUEST, {**REQUEST, "runId": FIRST_ID}),
        ({**REQUEST, "runId": "auto"}, {**REQUEST, "runId": FIRST_ID}),
        (
            {"data_source": "test.csv"},
            {"datasetName": "standard", "inputUrl": "test.csv", "runId": FIRST_ID},
        ),
        (
            {"Type": "Notification", "Message": json.dumps(REQUEST)},
            {**REQUEST, "runId": FIRST_ID},
        ),
        (
            {"Type": "Notification", "Message": json.dumps({"Records": [S3_RECORD]})},
            {"datasetName": "orders", "inputUrl": "s3://data/landing/orders/a b.csv"},
        ),
    ],
)
def test_the_canonical_request_is_sent_under_the_id_of_the_first_message(
    local: World, body: dict[str, Any], request_sent: dict[str, Any]
) -> None:
    put(local, body, MessageId=FIRST_ID, Reason="the contract is broken")

    (letter,) = replay("--all")["letters"]

    (sent,) = local.sent()
    assert (letter["messageId"], letter["outcome"]) == (FIRST_ID, "REPLAYED")
    assert json.loads(sent) == {"runId": letter["runId"], **request_sent}
    assert sent == json.dumps(json.loads(sent), sort_keys=True, separators=(",", ":"))
    assert letters_left() == []


def test_an_upload_has_the_id_that_every_message_about_it_gives(local: World) -> None:
    put(local, {"Records": [S3_RECORD]}, MessageId=FIRST_ID)
    put(local, {"Type": "Notification", "Message": json.dumps({"Records": [S3_RECORD]})})

    first, second = replay("--all")["letters"]

    assert first["runId"] == second["runId"]
    assert first["runId"].startswith("upload-")
    assert len(local.sent()) == 1


def test_a_letter_that_the_queue_redrove_still_has_its_message_id(local: World) -> None:
    put(local, REQUEST)
    (letter,) = document("dead-letters", listed())["messages"]

    replay(letter["messageId"])

    (sent,) = local.sent()
    assert json.loads(sent)["runId"] == letter["messageId"]


def test_a_drawn_id_is_found_again(local: World) -> None:
    drawn = {"run_id": FIRST_ID, "item": "DRAWN", "drawn_run_id": "20261120T081500Z-1"}
    local.put(drawn)
    put_run(local, "20261120T081500Z-1")
    put(local, {**REQUEST, "runId": "auto"}, MessageId=FIRST_ID)

    (letter,) = replay("--all")["letters"]

    assert letter["runId"] == "20261120T081500Z-1"
    (sent,) = local.sent()
    assert json.loads(sent) == {**REQUEST, "runId": "20261120T081500Z-1"}


@pytest.mark.parametrize("wanted", [FIRST_ID, "run-1"])
def test_only_the_letters_that_were_named_are_replayed(local: World, wanted: str) -> None:
    put(local, NAMED, MessageId=FIRST_ID)
    put(local, {**REQUEST, "runId": "run-2"}, MessageId="another")

    found = replay(wanted)

    assert [letter["runId"] for letter in found["letters"]] == ["run-1"]
    assert [json.loads(body)["runId"] for body in local.sent()] == ["run-1"]
    assert [json.loads(body)["runId"] for body in letters_left()] == ["run-2"]


def test_an_id_of_no_letter_is_named(local: World) -> None:
    put(local, NAMED, MessageId=FIRST_ID)

    found = replay(FIRST_ID, "no-such-letter", status=NOT_FOUND)

    assert found["notFound"] == ["no-such-letter"]
    assert len(local.sent()) == 1


@pytest.mark.usefixtures("local")
def test_without_letters_there_is_nothing_to_do() -> None:
    assert replay("--all")["letters"] == []
    assert "the dead-letter queue is empty" in pipeline("dead-letters", "replay", "--all").output


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("words", [(), ("run-1", "--all")])
def test_ids_or_all_have_to_be_given(words: tuple[str, ...]) -> None:
    result = pipeline("dead-letters", "replay", *words)

    assert result.exit_code == REFUSED
    assert "give the ids of messages or runs, or --all" in result.output


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("option", ["--json", "--stack=prod", "--region=eu-central-1"])
def test_an_option_of_the_listing_is_not_left_unheard(option: str) -> None:
    result = pipeline("dead-letters", option, "replay", "--all")

    assert result.exit_code == REFUSED
    assert "stands before replay" in result.output


class TestWhatStaysOnTheQueue:
    def refused(self, local: World, body: dict[str, Any] | str, **attributes: str) -> str:
        put(local, body, **{"MessageId": FIRST_ID, **attributes})
        (letter,) = replay("--all", status=REFUSED)["letters"]
        assert (letter["outcome"], letter["sentMessageId"]) == ("REFUSED", None)
        assert local.sent() == []
        assert len(letters_left()) == 1  # at once, not when its time is over
        return str(letter["detail"])

    def test_a_message_that_is_wrong_itself(self, local: World) -> None:
        detail = self.refused(local, {**NAMED, "startDateTime": "soon"})
        assert "startDateTime: must be an ISO 8601 date" in detail
        assert "correct it" in detail

    def test_what_is_no_json(self, local: World) -> None:
        assert "is not JSON" in self.refused(local, "{")

    def test_a_message_of_which_only_a_part_is_there(self, local: World) -> None:
        assert "only a part of it" in self.refused(local, NAMED, BodyChanged="true")

    def test_a_message_that_starts_nothing(self, local: World) -> None:
        assert "would start nothing" in self.refused(local, {"Event": "s3:TestEvent"})

    def test_a_message_with_the_id_of_another_run(self, local: World) -> None:
        put_run(local, request=json.dumps({**NAMED, "query": "a > 1"}))
        detail = self.refused(local, NAMED)
        assert "a run run-1 with other content (query)" in detail

    def test_a_message_of_a_run_that_was_stopped(self, local: World) -> None:
        put_run(local, status="STOPPED")
        assert "pipeline resume run-1" in self.refused(local, NAMED)


@pytest.mark.parametrize("status", ["SUCCEEDED", "SKIPPED"])
def test_the_letter_of_a_run_that_has_ended_well_is_deleted(local: World, status: str) -> None:
    """As after a replay that was broken off before it deleted the letter."""
    put_run(local, status=status)
    put(local, NAMED)

    (letter,) = replay("--all")["letters"]

    assert (letter["outcome"], status in letter["detail"]) == ("DELETED", True)
    assert (local.sent(), letters_left()) == ([], [])


def test_the_letter_of_a_run_that_was_superseded_is_deleted(local: World) -> None:
    put_run(local, superseded_by="run-2")
    put(local, NAMED)

    (letter,) = replay("--all")["letters"]

    assert (letter["outcome"], letter["detail"]) == (
        "DELETED",
        "run run-2 has superseded run run-1",
    )
    assert (local.sent(), letters_left()) == ([], [])


@pytest.mark.parametrize("status", ["CLAIMED", "RUNNING", "FAILED"])
def test_a_run_that_goes_on_or_has_failed_gets_its_message(local: World, status: str) -> None:
    put_run(local, status=status)
    put(local, NAMED)

    assert replay("--all")["letters"][0]["outcome"] == "REPLAYED"
    assert [json.loads(body) for body in local.sent()] == [NAMED]


def test_killed_between_sending_and_deleting_a_repeat_asks_for_the_same_run(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(local, REQUEST, MessageId=FIRST_ID)
    sqs = local.deployment.client("sqs")
    delete = sqs.delete_message

    def killed(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sqs, "delete_message", killed)
    assert pipeline("dead-letters", "replay", "--all").exit_code == 130
    assert len(letters_left()) == 1

    monkeypatch.setattr(sqs, "delete_message", delete)
    replay("--all")

    bodies = local.sent()
    assert len(bodies) == 2
    assert {json.loads(body)["runId"] for body in bodies} == {FIRST_ID}
    assert letters_left() == []


def test_one_that_cannot_be_sent_is_not_deleted(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(local, NAMED, MessageId=FIRST_ID)
    sqs = local.deployment.client("sqs")

    def refuse(**_: Any) -> None:
        from botocore.exceptions import EndpointConnectionError

        raise EndpointConnectionError(endpoint_url="https://sqs")

    monkeypatch.setattr(sqs, "send_message", refuse)

    assert pipeline("dead-letters", "replay", "--all").exit_code == FAILED
    assert len(letters_left()) == 1


def test_more_letters_than_one_request_brings_are_replayed(local: World) -> None:
    for number in range(23):
        put(local, {**REQUEST, "runId": f"run-{number}"})
    put(local, "{")

    letters = replay("--all", status=REFUSED)["letters"]

    assert len(letters) == 24
    assert [each["outcome"] for each in letters].count("REPLAYED") == 23
    assert letters_left() == ["{"]


def test_a_letter_is_hidden_from_others_only_for_as_long_as_it_takes(local: World) -> None:
    asked: list[dict[str, Any]] = []
    queue = local.deployment.client("sqs")
    queue.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage", lambda params, **_: asked.append(params)
    )
    put(local, NAMED)

    replay("--all")

    assert {each["VisibilityTimeout"] for each in asked} == {HIDDEN_SECONDS}


def test_people_read_what_became_of_each(local: World) -> None:
    put(local, NAMED, MessageId="one")
    put_run(local, "run-2", status="SUCCEEDED")
    put(local, {**REQUEST, "runId": "run-2"}, MessageId="two")
    put(local, "[]", MessageId="three")

    lines = pipeline("dead-letters", "replay", "--all").output.splitlines()

    assert "one: sent as run run-1; follow it: pipeline watch run-1" in lines
    assert "two: deleted, as run run-2 has ended, SUCCEEDED" in lines
    assert any(line.startswith("three: not sent, and still on the queue: ") for line in lines)


def test_a_relative_range_stays_that_of_the_letter(local: World) -> None:
    """Not that of the day on which it is replayed; a run that was claimed has it fixed."""
    put(local, {**NAMED, "startDateTime": "yesterday"}, MessageId=FIRST_ID)
    sent_at = document("dead-letters", listed())["messages"][0]["sentAt"]

    replay("--all")

    (sent,) = map(json.loads, local.sent())
    assert sent == {**NAMED, "startDateTime": "yesterday", "asOf": sent_at}


def test_a_relative_range_that_was_claimed_is_sent_as_it_was(local: World) -> None:
    request = {**NAMED, "startDateTime": "yesterday"}
    local.put_run(status="FAILED", request=json.dumps(request), as_of="2026-11-20T08:00:00Z")
    put(local, request, MessageId=FIRST_ID)

    replay("--all")

    assert [json.loads(body) for body in local.sent()] == [request]


@pytest.mark.parametrize("wanted", [FIRST_ID, "run-1"])
def test_a_corrected_message_is_sent_in_place_of_its_letter(
    local: World, tmp_path: Path, wanted: str
) -> None:
    put(local, {**NAMED, "startDateTime": "2026-11-31"}, MessageId=FIRST_ID, Reason="no such day")
    put(local, {**REQUEST, "runId": "run-2"}, MessageId="another")
    put_contract(local)
    file = tmp_path / "message.json"
    file.write_text(json.dumps(NAMED))

    (letter,) = replay(wanted, "--corrected", str(file))["letters"]

    assert (letter["messageId"], letter["runId"]) == (FIRST_ID, "run-1")
    assert [json.loads(sent) for sent in local.sent()] == [NAMED]
    assert [json.loads(left)["runId"] for left in letters_left()] == ["run-2"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**NAMED, "startDateTime": "2026-11-31"}, "startDateTime"),
        ({**NAMED, "datasetName": "oders"}, "there is no dataset oders"),
    ],
)
def test_a_correction_that_would_be_refused_leaves_the_letter(
    local: World, tmp_path: Path, body: dict[str, Any], said: str
) -> None:
    put(local, {**NAMED, "startDateTime": "2026-11-31"}, MessageId=FIRST_ID, Reason="no such day")
    put_contract(local)
    file = tmp_path / "message.json"
    file.write_text(json.dumps(body))

    result = pipeline("dead-letters", "replay", FIRST_ID, "--corrected", str(file))

    assert result.exit_code == REFUSED
    text = " ".join(result.output.split())
    assert said in text
    assert "the letter is still on the queue" in text
    assert "--unchecked" not in text
    assert local.sent() == []
    assert len(letters_left()) == 1


@pytest.mark.parametrize("ids", [["--all"], [FIRST_ID, "run-2"]])
@pytest.mark.usefixtures("local")
def test_a_correction_is_of_one_letter(ids: list[str]) -> None:
    result = pipeline("dead-letters", "replay", *ids, "--corrected", "message.json")
    assert result.exit_code == REFUSED
    assert "takes the place of one letter" in " ".join(result.output.split())


def put_contract(local: World) -> None:
    """That of the sample, so that messages are checked by it."""
    s3 = local.deployment.client("s3")
    make_bucket("code")
    text = Path(__file__).parents[2].joinpath("datasets/orders.yaml").read_bytes()
    s3.put_object(Bucket="code", Key="datasets/orders.yaml", Body=text)
