from __future__ import annotations

import json
from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW, client_error

from contracts.errors import InvalidInput, NotFound, Throttled, TransientFailure
from contracts.messages import Notify
from contracts.run import NextStep, RowCounts, RunResult, RunStatus, UnitTotals
from runs.announcement import run_event
from runtime.handler import settings_from_environment
from steps.notify import Settings, handler

RESULT = RunResult(
    run_id="r1",
    dataset_name="orders",
    status=RunStatus.FAILED,
    units=UnitTotals(total=3, stored=2, failed=1),
    rows=RowCounts(rows_in=12, rejected=2, stored=10),
    reason="1 of 3 units failed — größer\nals erlaubt" + "." * 200,
)


def notify(event: str, result: RunResult | None = None, attempt: int = 1) -> Notify:
    return Notify(
        event=event, run_id="r1", dataset_name="orders", run_attempt=attempt, result=result
    )


def test_the_start_of_a_run_is_reported(cloud: Any, lambda_context: Any) -> None:
    handler(notify("run-started", attempt=2).to_json(), lambda_context)

    (envelope,) = cloud.envelopes()
    assert envelope["Subject"] == "Run r1 of orders has started (attempt 2)"
    assert envelope["MessageAttributes"]["event"]["Value"] == "run-started"


def test_the_end_of_a_run_is_reported_with_its_result(cloud: Any, lambda_context: Any) -> None:
    handler(notify("run-ended", RESULT).to_json(), lambda_context)

    (reported,) = cloud.published()
    assert reported["eventId"] == "r1/run-ended/1"
    assert reported["status"] == "FAILED"
    assert reported["outcome"] == "FAILED"
    headline, reason, *_ = reported["text"].splitlines()
    assert headline == "Run r1 of orders FAILED: 2 of 3 units, 10 rows stored, 2 rejected"
    assert reason.startswith("Reason: 1 of 3 units failed —")
    assert reported["result"] == RESULT.to_json()


def test_subscribers_can_filter_by_attributes_and_read_the_subject(
    cloud: Any, lambda_context: Any
) -> None:
    handler(notify("run-ended", RESULT).to_json(), lambda_context)

    (envelope,) = cloud.envelopes()
    values = {name: item["Value"] for name, item in envelope["MessageAttributes"].items()}
    assert values == {
        "event": "run-ended",
        "status": "FAILED",
        "outcome": "FAILED",
        "datasetName": "orders",
    }
    assert envelope["Subject"] == (
        "Run r1 of orders FAILED: 2 of 3 units, 10 rows stored, 2 rejected"
    )


def test_a_long_first_line_makes_a_subject_that_sns_takes(cloud: Any, lambda_context: Any) -> None:
    skipped = RunResult(
        run_id="r1", dataset_name="orders", status=RunStatus.SKIPPED, reason="größer " * 50
    )
    handler(notify("run-ended", skipped).to_json(), lambda_context)

    (envelope,) = cloud.envelopes()
    subject = envelope["Subject"]
    assert len(subject) == 99
    assert subject.isascii()
    assert subject.startswith("Run r1 of orders SKIPPED: gr??er")


def test_mail_gets_the_text_alone_and_programs_get_json(
    cloud: Any, clients: Any, lambda_context: Any
) -> None:
    published = clients.watch("sns", "publish")
    handler(notify("run-ended", RESULT).to_json(), lambda_context)

    (sent,) = published
    (received,) = cloud.published()
    by_protocol = json.loads(sent["Message"])
    assert by_protocol["email"] == received["text"]
    assert json.loads(by_protocol["default"]) == received


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"status": "SUCCEEDED"}, "SUCCEEDED"),
        ({"status": "SUCCEEDED", "rows": {"rejected": 1}}, "SUCCEEDED_WITH_LOSSES"),
        ({"status": "SUCCEEDED", "rows": {"warned": 1}}, "SUCCEEDED_WITH_LOSSES"),
        ({"status": "SUCCEEDED", "units": {"failed": 1}}, "SUCCEEDED_WITH_LOSSES"),
        ({"status": "SUCCEEDED", "items": {"failed": 1}}, "SUCCEEDED_WITH_LOSSES"),
        ({"status": "FAILED", "rows": {"rejected": 1}}, "FAILED"),
        ({"status": "SKIPPED"}, "SKIPPED"),
        ({"status": "STOPPED"}, "STOPPED"),
    ],
)
def test_every_outcome_has_its_own_attribute(
    cloud: Any, lambda_context: Any, result: dict[str, Any], outcome: str
) -> None:
    ended = RunResult.from_json({"runId": "r1", "datasetName": "orders", **result})
    handler(notify("run-ended", ended).to_json(), lambda_context)

    (envelope,) = cloud.envelopes()
    assert envelope["MessageAttributes"]["outcome"]["Value"] == outcome


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ({"STACK_NAME": "prod"}, "pipeline results r1 --stack prod"),
        ({"STACK_NAME": "prod", "AWS_ENDPOINT_URL": "http://local"}, "pipeline results r1"),
        ({}, "pipeline results r1"),
    ],
)
def test_commands_name_the_stack_but_not_on_a_local_cloud(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], command: str
) -> None:
    monkeypatch.delenv("STACK_NAME")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TOPIC_ARN", "arn:topic")
    step = NextStep(why="All of it:", command="pipeline results r1")
    ended = notify("run-ended", RESULT.model_copy(update={"next_steps": (step,)}))

    event = run_event(ended, NOW, settings_from_environment(Settings).stack)

    assert event.text.splitlines()[-1].strip() == command


def test_a_repeat_keeps_the_event_id(cloud: Any, clients: Any, lambda_context: Any) -> None:
    clients.break_once("sns", "publish", LOST_RESPONSE, after=True)
    with pytest.raises(TransientFailure):
        handler(notify("run-ended", RESULT).to_json(), lambda_context)

    handler(notify("run-ended", RESULT).to_json(), lambda_context)

    assert {reported["eventId"] for reported in cloud.published()} == {"r1/run-ended/1"}


def test_another_attempt_is_another_event() -> None:
    ids = {run_event(notify("run-started", attempt=n), NOW).event_id for n in (1, 2)}

    assert len(ids) == 2


@pytest.mark.parametrize(
    ("event", "complaint"),
    [("unit-started", "run-started or run-ended"), ("run-ended", "result")],
)
def test_what_cannot_be_reported_is_refused(event: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        run_event(notify(event), NOW)


@pytest.mark.parametrize(
    ("code", "status", "raised"), [("NotFound", 404, NotFound), ("Throttled", 429, Throttled)]
)
@pytest.mark.usefixtures("cloud")
def test_a_topic_that_refuses_is_reported_of(
    clients: Any, lambda_context: Any, code: str, status: int, raised: type[Exception]
) -> None:
    clients.break_once("sns", "publish", client_error(code, status), after=False)

    with pytest.raises(raised, match="r1/run-started/1"):
        handler(notify("run-started").to_json(), lambda_context)
