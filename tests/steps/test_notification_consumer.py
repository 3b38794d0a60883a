from __future__ import annotations

import json
from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW

from contracts.errors import InvalidInput, TransientFailure
from contracts.messages import Notify
from steps import notify
from steps.notification_consumer import REMEMBERED_SECONDS, consume, handler, unwrap

EVENT = {"eventId": "r1/run-ended/1", "event": "run-ended", "runId": "r1", "status": "FAILED"}


def record(body: str, message_id: str = "m-1") -> dict[str, Any]:
    return {"messageId": message_id, "receiptHandle": "h", "body": body, "eventSource": "aws:sqs"}


def envelope(event: dict[str, Any]) -> str:
    return json.dumps({"Type": "Notification", "Message": json.dumps(event)})


def test_what_notify_publishes_is_understood(cloud: Any, lambda_context: Any) -> None:
    message = Notify(event="run-started", run_id="r1", dataset_name="orders", run_attempt=1)
    notify.handler(message.to_json(), lambda_context)
    (sent,) = cloud.envelopes()

    response = handler({"Records": [record(json.dumps(sent))]}, lambda_context)

    assert response == {"batchItemFailures": []}
    stored = cloud.ledger.get_item("r1", "EVENT#r1/run-started/1")
    assert stored["message_id"] == "m-1"


@pytest.mark.usefixtures("cloud")
def test_a_notification_is_logged_and_counted(
    lambda_context: Any,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler({"Records": [record(envelope(EVENT))]}, lambda_context)

    logged = vars(caplog.records[-1])
    assert (logged["notification"], logged["run_id"]) == (EVENT, "r1")
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (metric["event"], metric["status"]) == ("run-ended", "FAILED")
    assert metric["Notifications"] == [1.0]


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        ("FAILED", "WARNING"),
        ("STOPPED", "WARNING"),
        ("SUCCEEDED_WITH_LOSSES", "INFO"),
        ("SUCCEEDED", "INFO"),
    ],
)
def test_each_outcome_is_counted_by_itself_and_bad_ones_are_logged_as_warnings(
    lambda_context: Any,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    outcome: str,
    level: str,
) -> None:
    handler({"Records": [record(envelope({**EVENT, "outcome": outcome}))]}, lambda_context)

    assert caplog.records[-1].levelname == level
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert metric["outcome"] == outcome


@pytest.mark.usefixtures("cloud")
def test_the_end_of_a_unit_is_counted_by_its_status(
    lambda_context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = {**EVENT, "event": "unit-ended", "status": "STORED", "outcome": {"rows": {}}}

    handler({"Records": [record(envelope(ended))]}, lambda_context)

    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert metric["status"] == "STORED"
    assert "outcome" not in metric


def test_an_event_reported_twice_is_handled_once(cloud: Any) -> None:
    assert consume(envelope(EVENT), "m-1", cloud.ledger, NOW)
    assert not consume(envelope(EVENT), "m-2", cloud.ledger, NOW)


def test_a_message_whose_first_handling_broke_off_is_handled_again(
    cloud: Any, clients: Any
) -> None:
    clients.break_once("dynamodb", "put_item", LOST_RESPONSE, after=True)
    with pytest.raises(TransientFailure):
        consume(envelope(EVENT), "m-1", cloud.ledger, NOW)

    assert consume(envelope(EVENT), "m-1", cloud.ledger, NOW)
    assert not consume(envelope(EVENT), "m-2", cloud.ledger, NOW)


def test_an_event_is_remembered_for_thirty_days(cloud: Any) -> None:
    consume(envelope(EVENT), "m-1", cloud.ledger, NOW)

    stored = cloud.ledger.get_item("r1", "EVENT#r1/run-ended/1")
    assert stored["expires_at"] == int(NOW.timestamp()) + REMEMBERED_SECONDS


def test_a_bad_record_comes_again_without_its_neighbours(cloud: Any, lambda_context: Any) -> None:
    records = [record("{", "bad"), record(envelope(EVENT), "good")]

    response = handler({"Records": records}, lambda_context)

    assert response == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert cloud.ledger.get_item("r1", "EVENT#r1/run-ended/1")


@pytest.mark.usefixtures("cloud")
def test_a_batch_of_bad_records_is_returned_record_by_record(lambda_context: Any) -> None:
    response = handler({"Records": [record("{", "a"), record("[]", "b")]}, lambda_context)

    assert [item["itemIdentifier"] for item in response["batchItemFailures"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("", "not JSON"),
        ("[1]", "not a JSON object"),
        (json.dumps({"Type": "Notification", "Message": 5}), "not JSON|not a JSON object"),
        (json.dumps({**EVENT, "eventId": ""}), "eventId"),
        ("{}", "eventId.*event.*status.*runId"),
    ],
)
def test_what_is_no_notification_is_refused(body: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        unwrap(body)


def test_raw_delivery_is_understood() -> None:
    assert unwrap(json.dumps(EVENT)) == EVENT


def test_an_alarm_on_the_same_topic_is_let_pass(cloud: Any, lambda_context: Any) -> None:
    alarm = envelope({"AlarmName": "durable-pipeline-failed-runs", "NewStateValue": "ALARM"})

    response = handler({"Records": [record(alarm)]}, lambda_context)

    assert response == {"batchItemFailures": []}
    assert list(cloud.ledger.query("r1", "EVENT#")) == []
