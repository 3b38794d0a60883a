"""Evidence in what the commands show: logs of failed jobs, broken rules, next steps."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from cli_world import EXECUTION_ARN, World, pipeline
from rich.console import Console

from cli.client.follow import Snapshot
from cli.client.ledger import Run, UnitRow
from cli.views.outcome import print_lines
from cli.views.printing import make_console
from cli.views.report import Report, print_evidence, print_report

TAIL = "\n".join(f"line {number}" for number in range(1, 31))
FAILURE = {
    "stage": "clean",
    "error_type": "JobFailed",
    "message": "exit code 1",
    "job_id": "j1",
    "log_url": "https://logs",
    "console_url": "https://console",
    "log_tail": TAIL,
}
RUN = {
    "run_id": "run-1",
    "item": "RUN",
    "status": "SUCCEEDED",
    "outcome": "SUCCEEDED_WITH_LOSSES",
    "holder": EXECUTION_ARN,
    "dataset_name": "orders",
    "rows": {"rows_in": 5, "stored": 5, "warned": 2},
    "findings": [{"rule": "late", "severity": "warn", "rows": 2}],
    "next_steps": [
        {"why": "Check it:", "command": "pipeline dataset check x.yaml", "of_stack": False},
        {"why": "Look:", "command": "pipeline units run-1"},
    ],
}
STORED = {
    "run_id": "run-1",
    "item": "UNIT#00000-000",
    "status": "STORED",
    "rows": {"rows_in": 5, "stored": 5, "warned": 2},
}


def failed_unit(number: int) -> dict[str, Any]:
    item = f"UNIT#00000-{number:03d}"
    return {"run_id": "run-1", "item": item, "status": "FAILED", "failure": FAILURE}


def snapshot(run: dict[str, Any], *units: dict[str, Any]) -> Snapshot:
    rows = tuple(UnitRow.from_item(unit) for unit in units)
    return Snapshot("run-1", 3.0, Run.from_item(run), rows, over=True)


def shown(what: Snapshot, stack: str | None = None) -> str:
    console = Console(width=200, file=io.StringIO(), record=True, markup=False)
    print_evidence(console, what, stack)
    return console.export_text()


def test_the_report_counts_warned_rows_beside_the_sum() -> None:
    console = Console(width=200, file=io.StringIO(), record=True, markup=False)
    print_report(console, Report(snapshot(RUN, STORED)))
    text = console.export_text()

    assert "5 stored; 2 of them break a rule that only warns: the counts add up" in text
    assert "- late (warn): 2 rows" in text
    assert "Run run-1 of orders SUCCEEDED with losses" in text


def test_rows_that_a_newer_run_has_stored_are_reported_beside_the_sum() -> None:
    rows = {"rows_in": 5, "stored": 5, "superseded": 2}
    console = Console(width=200, file=io.StringIO(), record=True, markup=False)
    print_report(console, Report(snapshot({**RUN, "rows": rows}, {**STORED, "rows": rows})))
    text = console.export_text()

    assert "5 stored; 2 superseded by newer ones: the counts add up" in text
    assert "5 (2 superseded)" in text


@pytest.mark.parametrize(
    ("stack", "command"),
    [(None, "   pipeline units run-1\n"), ("prod", "   pipeline units run-1 --stack prod\n")],
)
def test_next_steps_name_the_stack(stack: str | None, command: str) -> None:
    text = shown(snapshot(RUN, STORED), stack)

    assert command in text
    assert "   pipeline dataset check x.yaml\n" in text


def test_the_first_failed_units_are_shown_with_links_and_the_end_of_their_log() -> None:
    text = shown(snapshot(RUN, *(failed_unit(number) for number in range(5))))

    assert "00000-002 at clean: JobFailed: exit code 1" in text
    assert "00000-003" not in text
    assert "Failed units (the first 3 of 5)" in text
    assert "https://logs" in text
    assert "https://console" in text
    assert "| line 30" in text
    assert "| line 20\n" not in text


def test_of_a_run_that_goes_on_an_earlier_attempts_outcome_is_not_shown() -> None:
    going_on = snapshot({**RUN, "status": "RUNNING"}, STORED)

    assert shown(going_on) == ""
    console = Console(width=200, file=io.StringIO(), record=True, markup=False)
    print_report(console, Report(replace(going_on)))
    assert "Run run-1 of orders is RUNNING" in console.export_text()


def test_jobs_that_failed_are_shown_with_their_log(local: World) -> None:
    local.put_run()
    job = {"run_id": "run-1", "engine": "glue", "job_id": "j1", "state": "FAILED"}
    evidence = {"error": "no such luck", "log_url": "https://logs", "log_tail": TAIL}
    local.put({**job, "item": "JOB#00000-000#clean#0001", **evidence})
    local.put({**job, "item": "JOB#00000-000#clean#0002", "job_id": "j2", "state": "SUCCEEDED"})

    output = pipeline("jobs", "run-1").output

    assert "Job j1 (00000-000, clean): FAILED" in output
    assert "log: https://logs" in output
    assert "| line 30" in output
    assert "Job j2" not in output


def test_units_that_failed_are_shown_with_their_log(local: World) -> None:
    local.put_run()
    local.put(failed_unit(1))

    output = pipeline("units", "run-1").output

    assert "job: j1" in output
    assert "| line 30" in output


def test_no_control_character_of_a_line_is_lost() -> None:
    console = make_console()
    with console.capture() as captured:
        print_lines(console, ["such as \x1b]0;owned\x07\x08 and \u202e"])
    assert captured.get() == "such as \\x1b]0;owned\\x07\\x08 and \\u202e\n"
