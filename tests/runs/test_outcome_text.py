from __future__ import annotations

from typing import Any

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
    UnitTotals,
)
from contracts.source.ready import NotReady
from runs.outcome_text import end_text


def result(status: RunStatus = RunStatus.SUCCEEDED, **fields: Any) -> RunResult:
    return RunResult(run_id="r1", dataset_name="orders", status=status, **fields)


def test_a_clean_run_says_so_and_adds_up() -> None:
    text = end_text(
        result(
            units=UnitTotals(total=3, stored=3),
            rows=RowCounts(rows_in=9, filtered=1, removed=2, stored=6),
            started_at="2026-11-20T08:00:00Z",
            ended_at="2026-11-20T08:01:30Z",
            results_url="s3://data/runs/r1/results.json",
        )
    )

    assert text.splitlines() == [
        "Run r1 of orders SUCCEEDED: 3 of 3 units, 6 rows stored, 0 rejected",
        "Units: 3 = 0 failed + 3 stored",
        "Rows of stored units: 9 in = 1 filtered + 0 rejected + 2 removed + 6 stored",
        "Time: 2026-11-20T08:00:00Z to 2026-11-20T08:01:30Z (90 s)",
        "Every unit: s3://data/runs/r1/results.json",
    ]


def test_one_row_is_one() -> None:
    text = end_text(
        result(
            units=UnitTotals(total=1, stored=1),
            rows=RowCounts(rows_in=1, stored=1),
            files=FilesTotals(manifest_url="s3://output/p/_runs/r1.json", files=1, rows=1, bytes=9),
        )
    )
    assert text.splitlines()[0] == (
        "Run r1 of orders SUCCEEDED: 1 of 1 units, 1 row stored, 0 rejected"
    )
    assert "Files: 1 with 1 row (9 bytes): s3://output/p/_runs/r1.json" in text.splitlines()


def test_published_files_are_named_by_their_manifest() -> None:
    files = FilesTotals(
        manifest_url="s3://output/p/_runs/r1.json", files=3, rows=6, bytes=4567, supersedes=2
    )
    (line,) = (each for each in end_text(result(files=files)).splitlines() if "output" in each)
    assert line == (
        "Files: 3 with 6 rows (4,567 bytes): s3://output/p/_runs/r1.json; supersedes 2 earlier runs"
    )


def test_what_became_of_other_runs_files_is_reported() -> None:
    files = FilesTotals(manifest_url="s3://o/k", supersedes=1, removed=4, superseded_by="r2")
    text = end_text(result(files=files))
    assert "s3://o/k; supersedes 1 earlier run; 4 replaced files removed; superseded by" in text
    assert "by the newer run r2" in text


def test_losses_are_reported_with_the_rules_that_rows_broke() -> None:
    found = Finding(
        rule="positive",
        column="amount",
        severity="quarantine",
        rows=2,
        example="unit 00000-001, line 7: -3",
    )
    lines = end_text(
        result(
            units=UnitTotals(total=2, stored=2),
            rows=RowCounts(rows_in=9, rejected=2, stored=7, warned=1),
            findings=(found, Finding(rule="late", severity="warn", rows=1)),
        )
    ).splitlines()

    assert lines[0] == (
        "Run r1 of orders SUCCEEDED with losses: 2 of 2 units, 7 rows stored, 2 rejected, 1 warned"
    )
    assert "1 of them break a rule that only warns" in lines[2]
    assert lines[4:] == [
        "- positive of amount (quarantine): 2 rows, such as unit 00000-001, line 7: -3",
        "- late (warn): 1 row",
    ]


def test_failed_units_are_reported_with_the_end_of_their_jobs_log() -> None:
    failure = StageFailure(
        stage="clean",
        error_type="JobFailed",
        message="exit code 1",
        job_id="j1",
        log_url="https://logs",
        console_url="https://console",
        log_tail="\n".join(f"line {number}" for number in range(1, 31)),
    )
    lines = end_text(
        result(
            RunStatus.FAILED,
            units=UnitTotals(total=9, stored=5, failed=4),
            reason="4 of 9 units failed",
            failures=(FailedUnit(unit_id="00000-001", failure=failure),),
        )
    ).splitlines()

    begin = lines.index("Failed units (the first 1 of 4):")
    assert lines[begin + 1 : begin + 5] == [
        "- 00000-001 at clean: JobFailed: exit code 1",
        "  job: j1",
        "  log: https://logs",
        "  console: https://console",
    ]
    assert lines[begin + 6 :] == [f"  | line {number}" for number in range(21, 31)]
    assert lines[1] == "Reason: 4 of 9 units failed"


def test_a_run_that_ended_before_its_units_says_why_at_once() -> None:
    text = end_text(result(RunStatus.SKIPPED, reason="no objects to process"))

    assert text == "Run r1 of orders SKIPPED: no objects to process"


def test_items_are_reported_beside_the_batches() -> None:
    lines = end_text(
        result(
            units=UnitTotals(total=2, stored=1, failed=1),
            items=ItemTotals(total=50, stored=24, rejected=1, failed=25),
            item_results_url="s3://data/runs/r1/items/results/",
        )
    ).splitlines()

    assert "1 of 2 units, 24 of 50 items" in lines[0]
    assert "Items: 50 = 1 rejected + 25 of failed batches + 24 stored" in lines
    assert lines[-1] == "Every item: s3://data/runs/r1/items/results/"


def test_counts_that_do_not_add_up_are_not_hidden() -> None:
    text = end_text(
        result(units=UnitTotals(total=1, stored=1), rows=RowCounts(rows_in=9, stored=8))
    )

    assert "9 in is NOT 0 filtered + 0 rejected + 0 removed + 8 stored" in text


def test_what_to_do_comes_last_with_commands_for_this_stack() -> None:
    steps = (
        NextStep(why="Check it:", command="pipeline dataset check x.yaml", of_stack=False),
        NextStep(why="Look:", command="pipeline units r1"),
        NextStep(why="Think."),
    )
    lines = end_text(result(RunStatus.FAILED, next_steps=steps), stack="prod").splitlines()

    assert lines[-6:] == [
        "What to do next:",
        "1. Check it:",
        "   pipeline dataset check x.yaml",
        "2. Look:",
        "   pipeline units r1 --stack prod",
        "3. Think.",
    ]


def test_hidden_objects_are_mentioned_with_the_way_to_read_them() -> None:
    text = end_text(result(units=UnitTotals(total=1, stored=1), hidden_objects=3))

    assert "Objects: 3 hidden objects were left out" in text
    assert "source.hidden: read" in text


def test_excluded_objects_are_mentioned_by_their_own_name() -> None:
    stored = UnitTotals(total=1, stored=1)
    alone = end_text(result(units=stored, excluded_objects=3))
    both = end_text(result(units=stored, hidden_objects=1, excluded_objects=1))

    assert "Objects: 3 excluded objects were left out" in alone
    assert "source.exclude" in alone
    assert "hidden" not in alone
    assert "1 hidden object was left out" in both
    assert "; 1 excluded object was left out" in both


def test_partitions_that_were_left_out_are_mentioned_with_what_to_do() -> None:
    left = NotReady(count=1, marker="_SUCCESS", partitions=("dt=2026-11-02/",))
    text = end_text(result(units=UnitTotals(total=1, stored=1), not_ready=left))

    assert (
        "Objects: 1 partition was left out as not ready (dt=2026-11-02/: _SUCCESS is not there);"
        " send its range again when it is"
    ) in text


def test_a_run_without_rows_in_the_warehouse_says_so() -> None:
    text = end_text(
        result(
            units=UnitTotals(total=1, stored=1),
            warehouse_error="permission denied for pipeline_runs",
        )
    )

    assert (
        "The warehouse has no current rows about this run (pipeline_runs, pipeline_units,"
        " pipeline_jobs): permission denied for pipeline_runs" in text.splitlines()
    )
