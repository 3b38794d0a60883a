"""Runs whose records have left the ledger, or are leaving it: all commands say so alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cli_world import World, pipeline

from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED
from contracts.ledger_items import place_in_list
from contracts.run_request import format_timestamp

DOCUMENT = "s3://data/runs/run-1/results.json"
REQUEST = {"datasetName": "orders", "startDateTime": "2026-11-01T00:00:00Z"}


@pytest.fixture(params=["expiring", "gone"])
def expired(local: World, request: Any) -> World:
    if request.param == "expiring":
        held = json.dumps({**REQUEST, "runId": "run-1"})
        at = "2026-11-20T08:00:00Z"
        local.put_run("run-1", status="FAILED", request=held, expired_at=at)
    s3 = local.deployment.client("s3")
    s3.put_object(Bucket="data", Key="runs/run-1/results.json", Body=b"{}")
    return local


@pytest.mark.parametrize(
    "words",
    [
        "show run-1",
        "status run-1",
        "units run-1",
        "results run-1",
        "rejected run-1",
        "run --retry-of run-1",
        "purge run-1 --yes",
    ],
)
def test_commands_name_the_results_document(expired: World, words: str) -> None:
    result = pipeline(*words.split())
    assert result.exit_code == NOT_FOUND
    said = " ".join(result.output.split())
    assert f"run run-1 has expired from the ledger; results document at {DOCUMENT}" in said
    assert expired.sent() == []


@pytest.mark.usefixtures("local")
def test_a_run_that_nothing_is_known_of_has_not_expired() -> None:
    result = pipeline("show", "run-1")
    assert result.exit_code == NOT_FOUND
    assert "there is no run run-1" in result.output


def test_a_run_whose_document_has_gone_too_is_reported_as_expired(local: World) -> None:
    local.put_run("run-1", status="FAILED", expired_at="2026-11-20T08:00:00Z")
    result = pipeline("show", "run-1")
    assert result.exit_code == NOT_FOUND
    said = " ".join(result.output.split())
    assert "run run-1 has expired from the ledger, and its results document is not there" in said


def test_the_list_leaves_it_out(local: World) -> None:
    claimed = format_timestamp(datetime.now(UTC))
    for run_id, more in (("old", {"expired_at": "2026-11-20T08:00:00Z"}), ("new", {})):
        local.put_run(run_id, status="SUCCEEDED", **place_in_list(claimed, run_id), **more)
    runs = pipeline("ls", "--since", "1h", "--json").stdout
    assert '"new"' in runs
    assert '"old"' not in runs


def test_its_id_is_not_sent_again_while_it_would_start_nothing(local: World) -> None:
    local.put_run("run-1", status="FAILED", expired_at="2026-11-20T08:00:00Z")
    again = ("--dataset", "orders", "--start", "2026-11-01", "--run-id", "run-1")

    result = pipeline("run", *again)
    assert result.exit_code == REFUSED
    assert "run run-1 has expired from the ledger" in result.output
    assert local.sent() == []

    assert pipeline("run", *again, "--unchecked").exit_code == SUCCEEDED
