"""`pipeline results`: the results document, for people and for programs."""

from __future__ import annotations

import json
from typing import Any

import boto3
from cli_world import World, pipeline

from contracts import layout
from contracts.output.files import FilesTotals
from contracts.run import (
    FailedUnit,
    Finding,
    ItemTotals,
    NextStep,
    RowCounts,
    RunResult,
    RunStatus,
    StageFailure,
    UnitOutcome,
    UnitOutputs,
    UnitState,
    UnitTotals,
)
from runs.recording import document_chunks
from runs.units import UnitRecords

URL = "s3://data/runs/run-1/results.json"
FAILURE = StageFailure(
    stage="clean",
    error_type="JobFailed",
    message="exit code 1",
    job_id="j1",
    log_url="https://logs",
    log_tail="ValueError: row 7",
)
STEP = NextStep(why="Look at its log:", command="pipeline jobs run-1")


def unit(number: int, **fields: Any) -> UnitOutcome:
    return UnitOutcome(
        unit_id=f"00000-{number:03d}",
        status=fields.pop("status", UnitState.STORED),
        rows=RowCounts(rows_in=5, stored=5),
        outputs=UnitOutputs(output_url=f"s3://data/{number}/output/"),
        seconds=1.5,
        **fields,
    )


def put_results(world: World, *outcomes: UnitOutcome, **fields: Any) -> bytes:
    """Store a run that has ended and its document; return the document."""
    failed = [one for one in outcomes if one.failure]
    result = RunResult(
        run_id="run-1",
        dataset_name="orders",
        status=RunStatus.SUCCEEDED,
        units=UnitTotals(
            total=len(outcomes), stored=len(outcomes) - len(failed), failed=len(failed)
        ),
        rows=RowCounts(rows_in=9, rejected=2, stored=7, warned=1),
        failures=tuple(FailedUnit(unit_id=one.unit_id, failure=FAILURE) for one in failed),
        findings=(Finding(rule="positive", column="amount", severity="quarantine", rows=2),),
        next_steps=(STEP,),
        results_url=URL,
        **fields,
    )
    with UnitRecords(outcomes) as records:
        body = b"".join(document_chunks(result.to_json(), records))
    boto3.client("s3").put_object(Bucket="data", Key=layout.results_key("run-1"), Body=body)
    world.put_run(status="SUCCEEDED", results_url=URL)
    return body


def test_the_outcome_is_reported_with_evidence_and_what_to_do(local: World) -> None:
    put_results(local, unit(0), unit(1, status=UnitState.FAILED, failure=FAILURE))

    result = pipeline("results", "run-1")

    assert result.exit_code == 0, result.output
    assert "Run run-1 of orders SUCCEEDED with losses: 1 of 2 units" in result.output
    assert "Units: 2 = 1 failed + 1 stored" in result.output
    assert "9 in = 0 filtered + 2 rejected + 0 removed + 7 stored; 1 of them" in result.output
    assert "- positive of amount (quarantine): 2 rows" in result.output
    for evidence in ("00000-001 at clean: JobFailed", "https://logs", "| ValueError: row 7"):
        assert evidence in result.output
    assert "s3://data/0/output/" in result.output
    assert "1. Look at its log:\n   pipeline jobs run-1\n" in result.output


def test_a_run_whose_rows_the_warehouse_lacks_says_so(local: World) -> None:
    put_results(local, unit(0), warehouse_error="permission denied")

    assert "pipeline_jobs): permission denied" in pipeline("results", "run-1").output


def test_a_run_with_files_names_their_manifest(local: World) -> None:
    files = FilesTotals(manifest_url="s3://output/p/_runs/run-1.json", files=3, rows=7)
    put_results(local, unit(0), files=files)

    output = pipeline("results", "run-1").output
    assert "Files: 3 with 7 rows (0 bytes): s3://output/p/_runs/run-1.json" in output


def test_of_many_units_those_with_losses_are_shown_first(local: World) -> None:
    put_results(
        local, *(unit(n) for n in range(50)), unit(50, status=UnitState.FAILED, failure=FAILURE)
    )

    result = pipeline("results", "run-1", "--units", "3")

    assert "00000-050" in result.output
    assert "00000-001" in result.output
    assert "00000-002" not in result.output
    assert "3 of 51 units shown" in result.output


def test_items_of_an_array_are_reported_with_where_their_results_lie(local: World) -> None:
    url = "s3://data/runs/run-1/items/results/"
    totals = ItemTotals(total=50, stored=48, rejected=2)
    put_results(local, unit(0), unit(1), items=totals, item_results_url=url)

    output = pipeline("results", "run-1").output

    assert "Items: 50 = 2 rejected + 0 of failed batches + 48 stored" in output
    assert f"Every item: {url}" in output


def test_programs_get_all_that_the_document_has(local: World) -> None:
    body = json.loads(put_results(local, unit(0), unit(1)))

    document = json.loads(pipeline("results", "run-1", "--json").output)

    assert {name: document[name] for name in body if not isinstance(body[name], list)} == {
        name: value for name, value in body.items() if not isinstance(value, list)
    }
    assert [outcome["outputs"]["outputUrl"] for outcome in document["outcomes"]] == [
        "s3://data/0/output/",
        "s3://data/1/output/",
    ]


def test_a_run_without_units_reports_its_reason_and_what_to_do(local: World) -> None:
    step = {"why": "Ask again:", "command": "pipeline run --dataset orders", "of_stack": True}
    local.put_run(status="SKIPPED", outcome="SKIPPED", reason="no objects", next_steps=[step])

    result = pipeline("results", "run-1")

    assert result.exit_code == 0
    assert "Run run-1 of orders SKIPPED: no objects" in result.output
    assert "   pipeline run --dataset orders" in result.output
    document = json.loads(pipeline("results", "run-1", "--json").output)
    assert document["outcome"] == "SKIPPED"


def test_a_run_that_goes_on_has_no_results_yet(local: World) -> None:
    local.put_run(status="RUNNING")

    result = pipeline("results", "run-1")

    assert result.exit_code == 5
    assert "pipeline status --follow run-1" in result.output


def test_an_expired_document_is_reported_as_such(local: World) -> None:
    local.put_run(status="SUCCEEDED", results_url=URL)

    result = pipeline("results", "run-1")

    assert result.exit_code == 4
    assert "RunFilesRetentionDays" in result.output
