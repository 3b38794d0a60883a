"""Each stage says in a few words what came of it."""

from __future__ import annotations

import json

import pytest
from cli_world import History

from cli.client.history import read_history
from cli.views.details import describe
from contracts.base import Contract
from contracts.job import Engine, JobState, JobStatus
from contracts.manifest import ManifestSummary
from contracts.messages import (
    Began,
    PreparedLoad,
    StoredFiles,
    StoredRows,
    Submission,
    Transformed,
    Validated,
)
from contracts.run import ItemTotals, RunResult, RunStatus
from contracts.steps import RunStep, Steps


def said(name: str, response: object) -> str:
    history = History()
    history.invoke("a", name, json.dumps(response))
    operations = read_history(history.events).operations
    return describe(operations[0], operations)


JOB = JobStatus(
    job_id="20261120T081500Z-3f9c2a1b",
    stage="clean",
    engine=Engine.GLUE,
    attempt=1,
    state=JobState.SUBMITTED,
    output_url="s3://data/out/",
)
MANIFEST = ManifestSummary(
    manifest_url="s3://b/k", objects=3, total_bytes=4096, shard_sizes=(3,), pending=((0, 3),)
)
RESULT = RunResult(run_id="r", dataset_name="orders", status=RunStatus.SUCCEEDED)


@pytest.mark.parametrize(
    ("name", "response", "words"),
    [
        ("submit-job", JOB.to_json(), "clean SUBMITTED, job 20261120T081500Z-3f9c2a1b"),
        (
            "submit-job",
            Submission(began=Began(), status=JOB).to_json(),
            "begins; clean SUBMITTED, job 20261120T081500Z-3f9c2a1b",
        ),
        (
            "submit-job",
            Submission(began=Began(begin=False, why="the run is to stop")).to_json(),
            "the run is to stop",
        ),
        (
            "store-redshift",
            PreparedLoad(statements_url="s3://b/k", rows=6, status=JOB).to_json(),
            "load of 6 rows prepared; clean SUBMITTED, job 20261120T081500Z-3f9c2a1b",
        ),
        ("list-urls", MANIFEST.to_json(), "3 objects, 4,096 bytes"),
        (
            "list-urls",
            MANIFEST.model_copy(update={"items": 60}).to_json(),
            "3 objects of 60 items, 4,096 bytes",
        ),
        (
            "list-urls",
            MANIFEST.model_copy(update={"source_objects": 60}).to_json(),
            "60 objects in 3 units, 4,096 bytes",
        ),
        (
            "record-items",
            ItemTotals(total=10, stored=9, rejected=1).to_json(),
            "9 items stored, 1 rejected",
        ),
        (
            "validate",
            Validated(rows_in=9, filtered=0, rejected=2, valid=7, valid_url="s3://b/k").to_json(),
            "9 rows in, 7 valid, 2 rejected",
        ),
        (
            "transform",
            Transformed(rows=6, removed=1, output_url="s3://b/k").to_json(),
            "6 rows, 1 removed",
        ),
        ("store-dynamodb", StoredRows(rows=6).to_json(), "6 rows"),
        (
            "store-dynamodb",
            StoredRows(rows=6, unchanged=6).to_json(),
            "6 rows, 6 were there before",
        ),
        ("store-dynamodb", StoredRows(rows=6, ended=True).to_json(), "6 rows; the unit has ended"),
        (
            "store-files",
            StoredFiles(rows=6, files=1, bytes=90, ended=True).to_json(),
            "6 rows in 1 files, 90 bytes; the unit has ended",
        ),
        ("record-run", {"result": RESULT.to_json()}, "SUCCEEDED"),
        ("notify", None, ""),
        ("an-operation-of-another-version", {"x": 1}, ""),
    ],
)
def test_a_response_in_words(name: str, response: object, words: str) -> None:
    assert said(name, response) == words


def test_a_new_response_is_shown_by_its_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Enriched(Contract):
        parts: int
        rows_changed: int = 0
        whole: bool = True

    step = RunStep("enrich", Contract, Enriched)
    monkeypatch.setattr(Steps, "enrich", step, raising=False)
    assert said("enrich", {"parts": 1200, "rowsChanged": 7}) == "parts: 1,200, rows changed: 7"
    assert said("enrich", {"ofAnotherRelease": 1}) == ""


def test_an_error_comes_before_everything_else() -> None:
    history = History()
    history.failed_invoke("a", "validate")
    assert describe(read_history(history.events).operations[0]) == "Throttled: slow down"


def test_a_callback_under_way_names_the_stage_of_the_job_it_waits_for() -> None:
    history = History()
    history.add("CallbackStarted", "c", Name="await-job", details={"CallbackId": "id-1"})
    sent = json.dumps({"callbackId": "id-1", "key": {"stage": "clean"}})
    started = {"FunctionName": "f", "Input": {"Payload": sent}}
    history.add("ChainedInvokeStarted", "s", Name="submit-job", details=started)
    operations = read_history(history.events).operations
    assert describe(operations[0], operations) == "clean under way"


def test_a_callback_that_was_completed_reports_the_job() -> None:
    history = History()
    history.add("CallbackStarted", "c", Name="await-job", details={"CallbackId": "id-1"})
    response = JOB.model_copy(update={"state": JobState.SUCCEEDED}).to_json()
    result = {"Result": {"Payload": json.dumps(response)}}
    history.add("CallbackSucceeded", "c", Name="await-job", details=result)
    operations = read_history(history.events).operations
    assert describe(operations[0]) == "clean SUCCEEDED, job 20261120T081500Z-3f9c2a1b"


def test_an_invoked_job_is_named_by_what_it_was_given() -> None:
    history = History()
    payload = json.dumps({"JOB_ID": JOB.job_id, "OUTPUT_URL": "s3://data/out/"})
    given = {"FunctionName": "enrich", "Input": {"Payload": payload, "Truncated": False}}
    history.add("ChainedInvokeStarted", "a", details=given, Name="invoke-function")
    (running,) = read_history(history.events).operations
    returned = {"Result": {"Payload": '"whatever"', "Truncated": False}}
    history.add("ChainedInvokeSucceeded", "a", details=returned, Name="invoke-function")
    (ended,) = read_history(history.events).operations

    assert describe(running) == f"job {JOB.job_id} under way"
    assert describe(ended) == f"job {JOB.job_id} SUCCEEDED"
