from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer
from control_fakes import request
from typer.core import TyperGroup

from cli.main import app
from contracts.costs.figures import RunCost
from contracts.run import (
    FailedUnit,
    Finding,
    NextStep,
    RowCounts,
    RunResult,
    RunStatus,
    StageFailure,
    UnitTotals,
)
from contracts.source.object_totals import FailedObject
from costs.texts import ESTIMATED
from runs.advice import advise

THREE_STORED = UnitTotals(total=3, stored=3)
ONE_FAILED = UnitTotals(total=3, stored=2, failed=1)
REJECTED = RowCounts(rows_in=9, rejected=2, stored=7)


def result(status: RunStatus = RunStatus.FAILED, **fields: Any) -> RunResult:
    return RunResult(run_id="r1", dataset_name="orders", status=status, **fields)


def failed(stage: str, error_type: str = "JobFailed", **more: Any) -> FailedUnit:
    failure = StageFailure(stage=stage, error_type=error_type, message="x", **more)
    return FailedUnit(unit_id="00000-001", failure=failure)


def commands(steps: tuple[NextStep, ...]) -> list[str | None]:
    return [step.command for step in steps]


RETRY = "pipeline run --dataset orders --start 2026-11-01T00:00:00Z --retry-of r1"
SITUATIONS = {
    "clean": (
        result(RunStatus.SUCCEEDED, units=THREE_STORED, rows=RowCounts(rows_in=9, stored=9)),
        ["pipeline results r1"],
    ),
    "rejected rows": (
        result(RunStatus.SUCCEEDED, units=THREE_STORED, rows=REJECTED),
        [
            "pipeline rejected r1 --out rejected-r1.jsonl",
            "pipeline resend rejected-r1.jsonl --run r1",
        ],
    ),
    "warned rows": (
        result(
            RunStatus.SUCCEEDED,
            units=THREE_STORED,
            rows=RowCounts(rows_in=9, stored=9, warned=1),
            findings=(Finding(rule="late", severity="warn", rows=1),),
        ),
        ["pipeline results r1"],
    ),
    "a failed job within the tolerance": (
        result(
            RunStatus.SUCCEEDED,
            units=ONE_FAILED,
            failures=(failed("clean", job_id="j1", log_url="https://logs"),),
        ),
        ["pipeline jobs r1", RETRY],
    ),
    "too many rejected rows": (
        result(
            units=ONE_FAILED,
            failures=(failed("validate", "InvalidData"),),
            findings=(Finding(rule="type", severity="quarantine", rows=90),),
        ),
        [
            "pipeline units r1",
            "pipeline rejected r1",
            RETRY,
        ],
    ),
    "a unit without an end": (
        result(units=ONE_FAILED, failures=(failed("end-unit", "OutcomeMissing"),)),
        ["pipeline history r1", RETRY],
    ),
    "a store that refused": (
        result(units=ONE_FAILED, failures=(failed("store-dynamodb", "NotConfigured"),)),
        ["pipeline history r1", RETRY],
    ),
    "a broken contract": (
        result(reason="datasets/orders.yaml: columns[2].type: is not a type"),
        [
            "pipeline dataset check datasets/orders.yaml",
            "pipeline upload",
            "pipeline run --dataset orders --start 2026-11-01T00:00:00Z",
        ],
    ),
    "nothing listed": (
        result(reason="the bucket is not there"),
        ["pipeline history r1", "pipeline run --dataset orders --start 2026-11-01T00:00:00Z"],
    ),
    "skipped": (
        result(RunStatus.SKIPPED, reason="no objects"),
        ["pipeline run --dataset orders --start 2026-11-01T00:00:00Z"],
    ),
    "nothing new": (
        result(RunStatus.SKIPPED, reason="no new objects", already_stored=3),
        ["pipeline run --dataset orders --start 2026-11-01T00:00:00Z"],
    ),
    "stopped": (
        result(RunStatus.STOPPED, units=ONE_FAILED, reason="its execution was stopped"),
        ["pipeline jobs r1", "pipeline resume r1", RETRY],
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_outcome_has_its_commands(situation: str) -> None:
    ended, expected = SITUATIONS[situation]

    assert commands(advise(request(), ended)) == expected


def test_a_run_that_took_new_objects_only_does_so_again() -> None:
    ended = result(RunStatus.SKIPPED, reason="no new objects", already_stored=3)
    beside = result(RunStatus.SKIPPED, reason="run r0 takes the new objects of orders")

    for only_new, option in (
        (True, "--only-new"),
        ({"perVersion": True}, "--only-new-per-version"),
    ):
        (step,) = advise(request(onlyNew=only_new), ended)
        assert step.command is not None
        assert step.command.endswith(f" {option}")
    assert "stored already" in step.why
    assert "Once that run has ended" in advise(request(onlyNew=True), beside)[0].why


def test_rows_of_failed_units_are_not_to_be_sent_twice() -> None:
    both = result(RunStatus.SUCCEEDED, units=ONE_FAILED, rows=REJECTED)
    rows_only = result(RunStatus.SUCCEEDED, units=THREE_STORED, rows=REJECTED)

    assert "without those of failed units" in advise(request(), both)[1].why
    assert "without" not in advise(request(), rows_only)[1].why


def test_the_log_of_a_failed_job_is_linked() -> None:
    ended, _ = SITUATIONS["a failed job within the tolerance"]

    assert "https://logs" in advise(request(), ended)[0].why


def test_a_retry_asks_for_all_that_the_first_request_did() -> None:
    asked = request(
        endDateTime="2026-11-04",
        query="country = 'DE'",
        index="late-orders",
        maxConcurrency=3,
        toleratedFailurePercentage=12.5,
        failFast=True,
        priority="high",
    )

    retry = advise(asked, result(units=ONE_FAILED))[-1].command

    assert shlex.split(str(retry)) == [
        *("pipeline", "run", "--dataset", "orders"),
        *("--start", "2026-11-01T00:00:00Z", "--end", "2026-11-04T00:00:00Z"),
        *("--query", "country = 'DE'", "--index", "late-orders", "--max-concurrency", "3"),
        *("--tolerated-failure-percentage", "12.5", "--priority", "high"),
        *("--retry-of", "r1", "--fail-fast"),
    ]


def all_commands() -> list[str]:
    of_an_array = request(
        startDateTime=None,
        inputUrl="s3://bucket/a b.json",
        itemsPerBatch=5,
        failFast=False,
        maxConcurrency=3,
        toleratedFailurePercentage=5,
        index="x",
        query="a > 1",
        endDateTime="2026-11-04",
    )
    asked = [request(), of_an_array]
    found = {
        str(step.command_on("prod"))
        for ended, _ in SITUATIONS.values()
        for one in asked
        for step in advise(one, ended)
    }
    return sorted(found)


@pytest.mark.parametrize("command", all_commands())
def test_every_command_is_one_that_the_cli_takes(command: str) -> None:
    words = shlex.split(command)
    assert words.pop(0) == "pipeline"
    found: Any = typer.main.get_command(app)
    while isinstance(found, TyperGroup):
        name = words.pop(0)
        assert name in found.commands
        found = found.commands[name]

    found.make_context(command, words)  # raises on what the command does not know


@pytest.mark.parametrize(
    ("units", "lost"), [(THREE_STORED, "failed objects"), (ONE_FAILED, "failed units")]
)
def test_what_failed_is_called_what_it_is(units: UnitTotals, lost: str) -> None:
    """Where all units are stored, rows broke rules in objects that were left out."""
    left_out = FailedObject(
        url="s3://b/k", stage="validate", error_type="InvalidData", message="too many"
    )
    steps = advise(
        request(),
        result(
            units=units,
            findings=(Finding(rule="type", severity="quarantine", rows=90),),
            failed_objects=(left_out,),
        ),
    )
    assert f"See the rows of {lost} that broke rules, each with its reason:" in {
        step.why for step in steps
    }


def test_a_retry_of_what_cost_too_much_may_cost_more() -> None:
    reason = f"run request: maxCost: {ESTIMATED}0.00034 for 3 units, by past runs"
    refused = result(units=UnitTotals(total=3, failed=3), reason=reason, permanent=True)
    units = UnitTotals(total=3, stored=2, not_started=1)
    reached = result(units=units, permanent=True, cost=RunCost(usd=0.5))

    steps = advise(request(max_cost=0.0001), refused)
    assert commands(steps) == [f"{RETRY} --max-cost 0.00068"]
    assert "twice the estimate" in steps[0].why
    assert commands(advise(request(max_cost=0.4), reached))[-1] == f"{RETRY} --max-cost 0.8"
    most_is_left = reached.model_copy(
        update={"units": UnitTotals(total=12, stored=2, not_started=10)}
    )
    assert commands(advise(request(max_cost=0.4), most_is_left))[-1] == f"{RETRY} --max-cost 5.00"
    within = advise(request(max_cost=4), reached)
    assert commands(within)[-1] == f"{RETRY} --max-cost 4.00"


def test_the_reason_that_was_withheld_is_read_where_it_was_written() -> None:
    url = "s3://data/runs/r1/units/00000-000/error-validate.json"
    said = "validate of unit 00000-000 failed (InvalidData); the contract says examples: false, so"
    failure = StageFailure(
        stage="validate",
        error_type="InvalidData",
        message=f"{said} the reason, which may quote rows, is in {url}",
    )
    units = UnitTotals(total=1, failed=1)
    failed = (FailedUnit(unit_id="00000-000", failure=failure),)

    (first, _) = advise(request(), result(units=units, failures=failed, permanent=True))

    assert first.command == f"aws s3 cp {url} -"
    assert first.command_on("prod") == first.command
