"""`pipeline show`: one run on one screen; `pipeline watch` follows it."""

from __future__ import annotations

from typing import Any

import pytest
from cli_world import EXECUTION_ARN, History, World, pipeline
from json_documents import document

from cli.client.follow import Follower
from cli.exit_codes import REFUSED
from cli.views.printing import make_console
from cli.views.report import print_outcome

ROWS = {"rows_in": 1_509, "filtered": 1, "rejected": 2, "removed": 1, "stored": 1_505}
BEGAN = {"claimed_at": "2026-11-20T08:00:00Z"}


def put_unit(world: World, position: int, status: str, **more: Any) -> None:
    item = {
        "run_id": "run-1",
        "item": f"UNIT#00000-{position:03d}",
        "status": status,
        "source_url": f"s3://data/orders/part-{position}.csv",
        "started_at": "2026-11-20T08:00:10Z",
        **more,
    }
    world.put(item)


@pytest.fixture
def running(local: World) -> World:
    """A run with a unit of each kind."""
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    listed = '{"manifestUrl": "s3://b/k", "objects": 4, "totalBytes": 1, "shardSizes": [4]}'
    history.invoke("list", "list-urls", listed)
    history.add("ContextStarted", "u1", Name="unit-00000-001", details={})
    history.add("ChainedInvokeStarted", "v", Name="validate", ParentId="u1", details={})
    local.functions.histories[EXECUTION_ARN] = history
    local.put_run(**BEGAN)
    put_unit(local, 0, "STORED", rows=ROWS)
    put_unit(local, 1, "RUNNING")
    failure = {"stage": "validate", "error_type": "InvalidData", "message": "40% \x1b[31mrejected"}
    put_unit(local, 2, "FAILED", failure=failure)
    return local


@pytest.mark.usefixtures("running")
def test_a_run_that_goes_on_is_one_screen() -> None:
    result = pipeline("show", "run-1")

    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "Run run-1 of orders is RUNNING" in text
    assert "] 2 of 4, 50%, about" in text
    assert "Units: 4 = 1 to begin + 1 running + 1 failed + 1 stored" in text
    assert "1,509 in = 1 filtered + 2 rejected + 1 removed + 1,505 stored: they add up" in text
    assert "00000-001 │ orders/part-1.csv │ validate" in text
    assert r"00000-002 at validate: InvalidData: 40% \x1b[31mrejected" in text
    assert "pipeline watch run-1" in text
    assert len(result.output.splitlines()) <= 24


def test_objects_that_are_stored_already_are_counted(local: World) -> None:
    local.put_run(**BEGAN, units={"total": 1}, already_stored=1_200)

    text = " ".join(pipeline("show", "run-1").output.split())
    assert "Objects: 1,200 objects were left out as already stored (onlyNew)" in text
    assert document("show", pipeline("show", "run-1", "--json").stdout)["alreadyStored"] == 1200

    local.put_run(
        **BEGAN, status="SUCCEEDED", units={"total": 1, "stored": 1}, rows=ROWS, already_stored=1
    )
    text = " ".join(pipeline("show", "run-1").output.split())
    assert "Objects: 1 object was left out as already stored (onlyNew)" in text


@pytest.mark.usefixtures("running")
def test_what_runs_now_is_a_document() -> None:
    found = document("show", pipeline("show", "run-1", "--json").stdout)

    assert found["done"] == {"stored": 1, "failed": 1, "running": 1, "total": 4}
    (now,) = found["now"]
    assert (now["unitId"], now["stage"]) == ("00000-001", "validate")
    assert now["seconds"] > 0
    assert found["secondsLeft"] > 0
    assert found["addsUp"] is True


def test_a_run_that_ended_shows_its_outcome_and_what_to_do(local: World) -> None:
    steps = [{"why": "Look:", "command": "pipeline units run-1", "of_stack": True}]
    local.put_run(
        **BEGAN,
        status="FAILED",
        outcome="FAILED",
        reason="too many units failed",
        units={"total": 2, "stored": 1, "failed": 1},
        rows={**ROWS, "stored": 1_504},
        ended_at="2026-11-20T08:01:00Z",
        next_steps=steps,
    )
    put_unit(local, 0, "STORED", rows=ROWS)

    text = pipeline("show", "run-1").output
    assert text.startswith("Run run-1 of orders FAILED: 1 of 2 units")
    assert "Reason: too many units failed" in text
    assert "they do NOT add up" in text
    assert "pipeline units run-1" in text
    assert document("show", pipeline("show", "run-1", "--json").stdout)["now"] == []


@pytest.mark.parametrize(
    ("waits", "said"),
    [
        (
            dict(waiting_for="s3://b/_OK", waiting_since="a", waiting_until="b"),
            "Waits since a for s3://b/_OK",
        ),
        (dict(waits_until="2999-01-01T00:00:00Z", waiting_units=3), "then 3 units run again"),
        (dict(stop_requested_at="c", stop_reason="wrong"), "Being stopped since c: wrong"),
    ],
)
def test_a_run_that_waits_says_for_what(local: World, waits: dict[str, Any], said: str) -> None:
    local.put_run(**BEGAN, **waits)
    assert said in pipeline("show", "run-1").output


def test_watch_ends_with_the_outcome_and_exit_status_of_the_run(local: World) -> None:
    local.put_run(**BEGAN, status="FAILED", reason="no units", holder="")
    result = pipeline("watch", "run-1")
    assert result.exit_code == 1
    assert "Run run-1 of orders FAILED: no units" in result.output
    found = document("watch", pipeline("watch", "run-1", "--json").stdout)
    assert found["report"]["runId"] == "run-1"


@pytest.mark.parametrize("command", ["show", "watch", "status", "units", "results"])
@pytest.mark.parametrize("partition", ["run-9", "rejected"])
def test_a_refused_message_is_no_missing_run(local: World, command: str, partition: str) -> None:
    name = "run-9" if partition == "run-9" else "message-2"
    reason = "run request: startDateTime: must be a date"
    for number, said in enumerate(("an earlier one", reason), start=1):
        at = f"2026-11-20T08:0{number}:00Z"
        item = {"item": f"REJECTED#message-{number}", "reason": said, "rejected_at": at}
        local.put({"run_id": partition, **item})

    result = pipeline(command, name)

    assert result.exit_code == REFUSED
    text = " ".join(result.output.split())
    at = "its message was refused at 2026-11-20T08:02:00Z"
    assert f"run {name} never began: {at}: {reason}" in text
    assert "pipeline dead-letters show message-2" in text


def test_units_that_never_began_are_not_among_those_that_failed(local: World) -> None:
    units = {"total": 3, "stored": 1, "failed": 1, "not_started": 1}
    local.put_run(status="FAILED", units=units, reason="it failed", **BEGAN)
    failure = {"stage": "start-unit", "error_type": "CostExceeded", "message": "not started: dear"}
    put_unit(local, 0, "STORED", rows=ROWS)
    put_unit(local, 1, "FAILED", failure={**failure, "error_type": "Throttled", "message": "m"})
    put_unit(local, 2, "FAILED", not_started=True, failure=failure)

    shown = pipeline("show", "run-1").output

    assert "- 00000-001 at start-unit: Throttled: m" in shown
    assert "- 00000-002" not in shown


def test_a_message_that_is_refused_while_it_is_followed_names_its_letter(local: World) -> None:
    reason = "run request: startDateTime: must be a date"
    local.put({"run_id": "rejected", "item": "REJECTED#message-1", "reason": reason})
    (snapshot,) = Follower(local.deployment, "message-1", "message-1").watch(timeout=0)
    console = make_console()

    with console.capture() as said:
        print_outcome(console, snapshot, "prod")

    assert reason in said.get()
    assert "pipeline dead-letters show message-1 --stack prod" in said.get()
