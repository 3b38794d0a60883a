"""Progress of a run: what is new, one line each; on a terminal a table of the units."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cli_world import EXECUTION_ARN, History
from rich.console import Console

from cli.client.follow import Snapshot
from cli.client.history import read_history
from cli.client.ledger import JobRow, Run, UnitRow
from cli.client.run_now import QueuePlace, units_done, units_now
from cli.views.now import bar
from cli.views.progress import UNITS_SHOWN, Lines, live_view, show_progress, unit_lines
from contracts.ledger_items import PoolItem, Ticket

KEY = "r/00000-001/clean/1"
RUN = Run.from_item(
    {"run_id": "r", "item": "RUN", "status": "RUNNING", "holder": EXECUTION_ARN, "run_attempt": 1}
)
ROWS = {"rows_in": 9, "filtered": 1, "rejected": 2, "removed": 1, "stored": 5}


def unit(position: int, status: str = "STORED", **more: object) -> UnitRow:
    return UnitRow.from_item(
        {
            "run_id": "r",
            "item": f"UNIT#00000-{position:03d}",
            "status": status,
            "source_url": f"s3://data/orders/part-{position}.csv",
            "rows": ROWS if status == "STORED" else {},
            **more,
        }
    )


def a_history() -> History:
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    counts = {"objects": 2, "totalBytes": 10, "shardSizes": [2], "pending": [[0, 2]]}
    manifest = {"manifestUrl": "s3://b/k", **counts}
    history.invoke("list", "list-urls", json.dumps(manifest))
    history.add("ContextStarted", "u0", Name="unit-00000-000", details={})
    history.add("ChainedInvokeStarted", "v", Name="validate", ParentId="u0", details={})
    return history


def snapshot(*units: UnitRow, history: History | None = None) -> Snapshot:
    execution = read_history((history or a_history()).events)
    return Snapshot("r", 1.5, RUN, units, execution)


def news(lines: Lines, of: Snapshot) -> list[str]:
    return [" ".join(line.split()) for line in lines.news(of)]


def test_each_news_is_reported_once() -> None:
    lines, history = Lines(), a_history()

    assert news(lines, Snapshot("r")) == ["0.0 s waiting for the queue to deliver the message"]
    assert news(lines, Snapshot("r", 1.0)) == []
    assert news(lines, snapshot(history=history)) == [
        f"1.5 s held by {EXECUTION_ARN}",
        "1.5 s list-urls 1.0 s 2 objects, 10 bytes",
    ]
    assert news(lines, snapshot(history=history)) == []


def test_a_unit_that_ended_reports_its_rows() -> None:
    (line,) = [line for line in news(Lines(), snapshot(unit(0))) if "unit STORED" in line]

    assert line == (
        "1.5 s 00000-000 unit STORED 9 in = 1 filtered + 2 rejected + 1 removed + 5 stored"
    )


def test_a_unit_that_failed_reports_where_and_why() -> None:
    failure = {"stage": "validate", "error_type": "InvalidData", "message": "40% rejected"}
    (line,) = [
        line
        for line in news(Lines(), snapshot(unit(0, "FAILED", failure=failure)))
        if "unit FAILED" in line
    ]

    assert line.endswith("at validate: InvalidData: 40% rejected")


def test_a_run_that_goes_on_elsewhere_is_reported() -> None:
    lines = Lines()
    list(lines.news(snapshot()))
    moved = Run.from_item({**_plain(RUN), "holder": "arn:twin"})

    assert (
        "the run continues in another execution"
        in news(lines, Snapshot("r", 2.0, moved, (), None))[0]
    )


def _plain(run: Run) -> dict[str, object]:
    return run.item.to_item()


def test_the_units_table_names_the_stage_a_unit_is_in() -> None:
    (line,) = unit_lines(snapshot(unit(0, "RUNNING")))

    assert (line.stage, line.status, line.source, line.trail) == (
        "validate",
        "RUNNING",
        "orders/part-0.csv",
        "…",
    )
    assert set(line.rows) == {""}


def test_of_many_units_those_that_need_attention_are_shown_first() -> None:
    units = [unit(i) for i in range(100)]
    units[3], units[50] = unit(3, "FAILED"), unit(50, "RUNNING")

    lines = unit_lines(snapshot(*units))

    assert len(lines) == UNITS_SHOWN
    assert [line.unit_id for line in lines[:3]] == ["00000-003", "00000-050", "00000-082"]
    assert lines[-1].unit_id == "00000-099"


def test_the_terminal_shows_stages_and_units() -> None:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(live_view(snapshot(unit(0), unit(1, "RUNNING"))))
    text = console.export_text()

    assert "list-urls ✓" in text
    assert "1 of 2" in text
    assert "part-0.csv" in text


def test_a_terminal_before_the_claim_says_what_is_awaited() -> None:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(live_view(Snapshot("r")))

    assert "waiting for the queue" in console.export_text()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_ends_with_the_last_snapshot(terminal: bool) -> None:
    console = Console(width=140, file=io.StringIO(), force_terminal=terminal)
    last = snapshot(unit(0))

    assert show_progress(console, [Snapshot("r"), last]) is last


def test_a_unit_that_was_not_to_begin_is_shown_as_such() -> None:
    failure = {"stage": "start-unit", "error_type": "ToleranceExceeded", "message": "not started"}
    not_started = unit(1, "FAILED", not_started=True, failure=failure)
    (line,) = [line for line in news(Lines(), snapshot(not_started)) if "00000-001" in line]
    assert "unit NOT_STARTED" in line


def test_a_run_whose_units_wait_says_until_when() -> None:
    waits = {"waits_until": "2026-11-20T08:16:00Z", "waiting_units": 3, "run_attempt": 2}
    run = Run.from_item({**RUN.item.to_item(), **waits})
    lines = Lines()
    said = [line for line in news(lines, Snapshot("r", 1.0, run)) if "waits" in line]
    assert said == ["1.0 s waits until 2026-11-20T08:16:00Z, then 3 units run again"]
    assert news(lines, Snapshot("r", 2.0, run)) == []


def test_a_run_whose_execution_died_says_when_its_next_attempt_begins() -> None:
    waits = {"waits_until": "2026-11-20T08:16:00Z", "run_attempt": 2}
    run = Run.from_item({**RUN.item.to_item(), **waits})
    said = [line for line in news(Lines(), Snapshot("r", 1.0, run)) if "waits" in line]
    assert said == ["1.0 s waits until 2026-11-20T08:16:00Z, then attempt 2 begins"]


def job(**more: object) -> JobRow:
    item = {"run_id": "r", "item": "JOB#00000-001#clean#0001", "job_id": "j-1", "engine": "glue"}
    return JobRow.from_item({**item, "state": "RUNNING", "submitted_at": BEGAN, **more})


BEGAN = "2026-11-20T08:00:00Z"
NOW = datetime(2026, 11, 20, 8, 3, tzinfo=UTC)


def test_a_bar_says_how_much_is_done_and_how_long_the_rest_takes() -> None:
    units = [unit(0, started_at=BEGAN), unit(1, "RUNNING", started_at=BEGAN)]
    assert bar(snapshot(*units), NOW) == "[##########----------] 1 of 2, 50%, about 3 min left"
    assert bar(snapshot(units[1]), NOW) == "[--------------------] 0 of 2, 0%"
    assert bar(Snapshot("r", run=RUN, units=tuple(units)), NOW) == "1 of ?"


def test_the_terminal_shows_what_a_unit_waits_for_and_for_how_long() -> None:
    waiting = {"j-0": Ticket(number=1, key="q/00000-000/clean/1"), "j-1": Ticket(number=2, key=KEY)}
    pool = PoolItem(name="glue/clean", waiting=waiting, limit=1)
    queued = job(state="SUBMITTED", pool="glue/clean", queue_until=1_795_162_560)
    seen = replace(snapshot(unit(1, "RUNNING")), jobs=(queued,), pools=(pool,))

    (now,) = units_now(seen)
    assert now.queue == QueuePlace("glue/clean", 2, 2, 0, 1)
    assert now.deadline == datetime(2026, 11, 20, 8, 16, tzinfo=UTC)
    console = Console(width=220, file=io.StringIO(), record=True)
    console.print(live_view(seen, NOW, passed=7.5))
    text = " ".join(console.export_text().split())
    assert "9 s run r RUNNING" in text  # the view goes on between two looks
    assert "clean │ 3 min" in text
    assert "glue j-1 SUBMITTED, place 2 of 2" in text


def test_a_job_that_runs_has_no_place_in_a_queue() -> None:
    running = job(pool="glue/clean", service_id="jr_1", deadline=1_795_162_560)
    (now,) = units_now(replace(snapshot(unit(1, "RUNNING")), jobs=(running,)))
    assert (now.queue, now.stage) == (None, "clean")
    assert now.deadline == datetime(2026, 11, 20, 8, 16, tzinfo=UTC)
    ended = job(ended_at=BEGAN)
    (now,) = units_now(replace(snapshot(unit(1, "RUNNING")), jobs=(ended,)))
    assert (now.job, now.stage) == (None, None)


def test_a_minute_without_news_says_what_is_under_way() -> None:
    lines = Lines()
    seen = snapshot(unit(0), unit(1, "RUNNING"))
    news(lines, seen)
    assert news(lines, replace(seen, seconds=61.0)) == []
    (line,) = news(lines, replace(seen, seconds=62.0, jobs=(job(),)))
    assert line.startswith("62.0 s under way units [##########----------] 1 of 2, 50%")
    assert "00000-001 clean (glue j-1 RUNNING) for" in line
    assert news(lines, replace(seen, seconds=63.0)) == []
    assert news(lines, replace(seen, seconds=200.0, over=True)) == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_units_and_their_stage_are_never_cut(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), record=True)
    units = [unit(0, "RUNNING"), unit(1, rows={"rows_in": 1_234_567, "stored": 1_234_567})]
    console.print(live_view(snapshot(*units), NOW))
    text = console.export_text()
    for exact in ("00000-000", "00000-001", "validate", "RUNNING", "STORED"):
        assert exact in text
    assert "…" not in text.replace("validate …", "").replace("│ …", "").replace("list-urls", "")


def test_units_that_failed_before_a_resume_are_to_begin_again() -> None:
    before = unit(0, "FAILED", run_attempt=1)
    now = unit(1, "RUNNING", run_attempt=2, started_at="2026-11-20T08:00:00Z")
    stored = unit(2, "STORED", run_attempt=1)
    resumed = replace(RUN, item=replace(RUN.item, run_attempt=2))
    done = units_done(replace(snapshot(before, now, stored), run=resumed))
    assert (done.stored, done.failed, done.running) == (1, 0, 1)
    again = unit(0, "FAILED", run_attempt=2)
    assert units_done(replace(snapshot(again, now, stored), run=resumed)).failed == 1
