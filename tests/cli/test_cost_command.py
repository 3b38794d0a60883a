"""`pipeline cost`: one run, all runs of a time, a table of one's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document, error_of

from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED
from contracts.ledger_items import place_in_list
from contracts.run_request import format_timestamp
from costs.prices import SHIPPED

USAGE = {"operations": 1_000_000, "lambda-requests:validate": 10, "emr-ms": 5}


def put(world: World, run_id: str, hours_ago: float, **more: Any) -> None:
    at = format_timestamp(datetime.now(UTC) - timedelta(hours=hours_ago))
    world.put_run(run_id, claimed_at=at, **place_in_list(at, run_id), **more)


def ended(usage: dict[str, int] | None = None, units: int = 2, **more: Any) -> dict[str, Any]:
    known = {"usage": usage, "cost": {"usd": "8", "by_service": []}} if usage else {}
    totals = {"total": units, "stored": units, "failed": 0, "not_started": 0}
    return {"status": "SUCCEEDED", "units": totals, **known, **more}


def cost(*words: str) -> dict[str, Any]:
    result = pipeline("cost", *words, "--json")
    assert result.exit_code == SUCCEEDED, result.output
    return document("cost", result.stdout)


def test_a_run_comes_with_its_bill(local: World) -> None:
    put(local, "run-1", 1, **ended(USAGE))
    found = cost("run-1")
    (run,) = found["runs"]
    assert run["usd"] == found["usd"] == 8.000002
    assert run["usdPerUnit"] == 4.000001
    assert [line["meter"] for line in run["lines"]] == [
        "operations",
        "lambda-requests:validate",
        "emr-ms",
    ]
    assert run["notPriced"] == ["5 emr-ms"]
    shown = pipeline("cost", "run-1").output
    assert "run run-1: $8.00, $4.00 a unit (2 units)" in shown
    assert "not priced: 5 emr-ms" in shown
    assert "us-east-1" in shown


def test_of_a_run_that_goes_on_the_units_that_have_ended_are_counted(local: World) -> None:
    put(local, "run-1", 1)
    unit = {"run_id": "run-1", "run_attempt": 1}
    local.put(
        {**unit, "item": "UNIT#00000-000", "status": "STORED", "usage": {"operations": 125_000}}
    )
    local.put({**unit, "item": "UNIT#00000-001", "status": "RUNNING"})
    local.put({**unit, "item": "UNIT#00000-002", "status": "STORED"})
    (run,) = cost("run-1")["runs"]
    assert (run["usd"], run["soFar"], run["units"], run["unmeteredUnits"]) == (1, True, 2, 1)
    assert "$1.00 so far" in pipeline("cost", "run-1").output


def test_what_an_earlier_release_ran_is_not_known_and_not_nothing(local: World) -> None:
    put(local, "run-1", 1, **ended())
    found = cost("run-1")
    assert (found["runs"][0]["usd"], found["unknownRuns"], found["countedRuns"]) == (None, 1, 0)
    assert "is not known: an earlier release ran it" in pipeline("cost", "run-1").output


def test_all_runs_of_a_time_are_counted_though_few_are_listed(local: World) -> None:
    for number in range(3):
        put(local, f"run-{number}", number + 1, **ended(USAGE))
    put(local, "old", 24 * 40, **ended(USAGE))
    put(local, "unknown", 5, **ended())
    put(local, "sales", 6, **ended({"operations": 250_000}, dataset_name="sales"))

    found = cost("--last", "30d", "--limit", "2")
    assert [run["runId"] for run in found["runs"]] == ["run-0", "run-1"]
    assert (found["countedRuns"], found["unknownRuns"]) == (4, 1)
    assert found["usd"] == pytest.approx(3 * 8.000002 + 2)
    assert all(run["lines"] == [] for run in found["runs"])

    of_sales = cost("--last", "30d", "--dataset", "sales")
    assert (of_sales["usd"], of_sales["dataset"]) == (2, "sales")
    shown = pipeline("cost", "--last", "30d").output
    assert "4 runs since" in shown
    assert "not counted: 1 run under way, stopped, or of earlier releases" in shown


def test_expired_runs_are_counted_as_their_cost_stays(local: World) -> None:
    put(local, "run-1", 1, expired_at="2026-11-20T08:00:00Z", **ended(USAGE))
    assert cost("--last", "7d")["countedRuns"] == 1


def test_prices_of_ones_own_replace_the_shipped_ones(local: World, tmp_path: Path) -> None:
    put(local, "run-1", 1, **ended(USAGE))
    table = tmp_path / "prices.yaml"
    table.write_text(SHIPPED.read_text("utf-8").replace("usd: 8.00", "usd: 4.00"), "utf-8")
    assert cost("run-1", "--prices", str(table))["usd"] == 4.000002
    table.write_text("prices: []", "utf-8")
    result = pipeline("cost", "run-1", "--prices", str(table), "--json")
    assert result.exit_code == REFUSED
    assert "region" in error_of(result.stdout)["message"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], REFUSED, "name one run, or a time with --last"),
        (["run-1", "--last", "3d"], REFUSED, "name one run, or a time with --last"),
        (["run-1", "--dataset", "orders"], REFUSED, "--dataset goes with --last"),
        (["--last", "soon"], REFUSED, "--last soon is no time"),
        (["run-1", "--prices", "nowhere.yaml"], NOT_FOUND, "nowhere.yaml cannot be read"),
        (["nothing"], NOT_FOUND, "there is no run nothing"),
    ],
)
@pytest.mark.usefixtures("local")
def test_what_cannot_be_is_refused(words: list[str], status: int, said: str) -> None:
    result = pipeline("cost", *words)
    assert result.exit_code == status
    assert said in " ".join(result.output.split())


def test_of_a_run_whose_execution_died_the_units_say_what_they_used(local: World) -> None:
    put(local, "run-1", 1, **ended(status="FAILED"))
    used = {"status": "STORED", "usage": {"operations": 125_000}, "run_attempt": 1}
    local.put({"run_id": "run-1", "item": "UNIT#00000-000", **used})
    (run,) = cost("run-1")["runs"]
    assert (run["usd"], run["soFar"]) == (1, False)
