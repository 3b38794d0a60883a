"""`pipeline run --retry-of`: what it takes from the run that is retried, and what is superseded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document, error_of

from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED

RANGE = {
    "datasetName": "orders",
    "startDateTime": "2026-11-01T00:00:00Z",
    "query": "a > 1",
    "index": "late",
    "maxConcurrency": 3,
    "toleratedFailurePercentage": 10,
    "failFast": True,
    "priority": "high",
    "onlyNew": True,
}
OBJECT = {"datasetName": "orders", "inputUrl": "s3://data/a.json", "itemsPerBatch": 5}
END = "2026-11-20T08:00:00Z"


def put(local: World, request: dict[str, Any], **more: Any) -> None:
    own = {"runId": "run-1", "retryOf": "run-0", "detached": True}
    held = {"status": "FAILED", "end_date_time": END, **more}
    local.put_run(request=json.dumps({**request, **own}), **held)


def sent_by(local: World, *words: str) -> dict[str, Any]:
    result = pipeline("run", "--retry-of", "run-1", *words)
    assert result.exit_code == SUCCEEDED, result.output
    (body,) = local.sent()
    sent: dict[str, Any] = json.loads(body)
    return sent


def test_all_that_was_asked_for_is_as_in_the_run(local: World) -> None:
    """The end of its range is the one that its claim has frozen."""
    put(local, RANGE)

    assert sent_by(local) == {**RANGE, "endDateTime": END, "retryOf": "run-1"}


def test_the_end_that_was_asked_for_stays_as_it_is(local: World) -> None:
    put(local, {**RANGE, "endDateTime": "2026-11-04T00:00:00Z"})

    assert sent_by(local)["endDateTime"] == "2026-11-04T00:00:00Z"


def test_a_range_that_had_not_begun_has_no_end(local: World) -> None:
    put(local, {**RANGE, "startDateTime": "2027-01-01T00:00:00Z"})

    assert "endDateTime" not in sent_by(local)


def test_a_run_over_an_object_is_retried_over_it(local: World) -> None:
    put(local, OBJECT)

    assert sent_by(local) == {**OBJECT, "retryOf": "run-1"}


@pytest.mark.parametrize(
    ("held", "words", "changed"),
    [
        (RANGE, ("--query", "a > 2"), {"query": "a > 2"}),
        (RANGE, ("--index", "x", "--max-concurrency", "1"), {"index": "x", "maxConcurrency": 1}),
        (RANGE, ("--priority", "low", "--no-fail-fast"), {"priority": "low", "failFast": False}),
        (RANGE, ("--start", "2026-11-02"), {"startDateTime": "2026-11-02"}),
        (RANGE, ("--end", "2026-11-03"), {"endDateTime": "2026-11-03"}),
        (RANGE, ("--run-id", "run-2", "--not-detached"), {"runId": "run-2", "detached": False}),
    ],
)
def test_each_of_it_may_be_given_anew(
    local: World, held: dict[str, Any], words: tuple[str, ...], changed: dict[str, Any]
) -> None:
    put(local, held)

    before = {**held, "endDateTime": END, "retryOf": "run-1"}
    assert sent_by(local, *words) == {**before, **changed}


def test_an_object_takes_the_place_of_the_range(local: World) -> None:
    put(local, RANGE)

    sent = sent_by(local, "--input-url", "s3://data/b.csv")

    assert sent["inputUrl"] == "s3://data/b.csv"
    assert not {"startDateTime", "endDateTime", "onlyNew"} & sent.keys()


def test_a_range_takes_the_place_of_the_object(local: World) -> None:
    put(local, OBJECT)

    assert sent_by(local, "--start", "2026-11-01") == {
        "datasetName": "orders",
        "startDateTime": "2026-11-01",
        "retryOf": "run-1",
    }


def test_a_run_that_is_not_there_is_named(local: World) -> None:
    result = pipeline("run", "--retry-of", "nobody", "--json")

    assert result.exit_code == NOT_FOUND
    assert "no run nobody" in error_of(result.stdout)["message"]
    assert local.sent() == []


def test_unchecked_it_is_sent_as_it_is(local: World) -> None:
    words = ("--retry-of", "nobody", "--dataset", "orders", "--start", "2026-11-01")
    result = pipeline("run", *words, "--unchecked")

    assert result.exit_code == SUCCEEDED, result.output
    assert json.loads(local.sent()[0])["retryOf"] == "nobody"


@pytest.mark.parametrize(
    ("more", "words", "text"),
    [
        ({"superseded_by": "run-2"}, (), "pipeline run --retry-of run-2"),
        ({}, ("--dataset", "visits"), "run run-1 is of the dataset orders"),
    ],
)
def test_what_the_pipeline_would_refuse_is_not_sent(
    local: World, more: dict[str, Any], words: tuple[str, ...], text: str
) -> None:
    put(local, RANGE, **more)

    result = pipeline("run", "--retry-of", "run-1", *words)

    assert (result.exit_code, text in result.output) == (REFUSED, True), result.output
    assert local.sent() == []


def test_a_message_file_says_all_itself(local: World) -> None:
    result = pipeline("run", "message.json", "--retry-of", "run-1")

    assert result.exit_code == REFUSED
    assert local.sent() == []


class TestASupersededRun:
    @pytest.fixture(autouse=True)
    def superseded(self, local: World) -> None:
        step = {"why": "Retry it:", "command": "pipeline run --retry-of run-1", "of_stack": True}
        put(
            local,
            RANGE,
            outcome="FAILED",
            next_steps=[step],
            superseded_by="run-2",
            superseded_at=END,
        )

    def test_its_status_says_by_which_run(self) -> None:
        found = document("status", pipeline("status", "run-1", "--json").stdout)

        assert (found["status"], found["outcome"]) == ("FAILED", "SUPERSEDED")
        assert (found["supersededBy"], found["supersededAt"]) == ("run-2", END)
        assert [step["command"] for step in found["nextSteps"]] == ["pipeline status run-2"]
        shown = pipeline("status", "run-1").output
        assert "Run run-2 has superseded it" in shown
        assert "Retry it" not in shown

    def test_so_do_its_results(self) -> None:
        found = document("results", pipeline("results", "run-1", "--json").stdout)

        assert (found["outcome"], found["supersededBy"]) == ("SUPERSEDED", "run-2")
        assert "pipeline status run-2" in pipeline("results", "run-1").output

    def test_its_message_is_reported_to_start_nothing(self, local: World, tmp_path: Path) -> None:
        own = {"runId": "run-1", "retryOf": "run-0", "detached": True}
        (tmp_path / "message.json").write_text(json.dumps({**RANGE, **own}))

        result = pipeline("run", "message.json", "--wait", "--timeout", "5")

        assert "started nothing new" in result.output
        assert len(local.sent()) == 1


def test_a_relative_range_is_the_one_that_it_came_to(local: World) -> None:
    request = {**RANGE, "startDateTime": "yesterday", "zone": "Europe/Berlin"}
    put(local, request, start_date_time="2026-11-18T23:00:00Z", as_of="2026-11-19T12:00:00Z")

    sent = sent_by(local)

    assert (sent["startDateTime"], sent["endDateTime"]) == ("2026-11-18T23:00:00Z", END)
    assert not sent.keys() & {"zone", "asOf"}


def test_a_message_with_a_relative_range_from_options(local: World) -> None:
    words = ("--dataset", "orders", "--start", "today-1d", "--zone", "Europe/Berlin")
    assert pipeline("run", *words, "--as-of", "2026-11-20").exit_code == SUCCEEDED
    (sent,) = map(json.loads, local.sent())
    assert sent == {
        "datasetName": "orders",
        "startDateTime": "today-1d",
        "zone": "Europe/Berlin",
        "asOf": "2026-11-20",
    }
    refused = pipeline("run", "--dataset", "orders", "--start", "yesterdy")
    assert refused.exit_code == REFUSED
    assert "or a relative one: yesterday" in refused.output
