"""Items as the first release wrote them, and as they are written now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.job import Engine, JobKey, JobState
from contracts.ledger_items import (
    ACTIVE_RUN,
    AdoptedItem,
    DrawnItem,
    EventItem,
    JobItem,
    LedgerItem,
    QuotaItem,
    RejectedItem,
    RunItem,
    UnitItem,
)
from contracts.run import RowCounts, RunStatus, StageFailure, UnitStatus, UnitTotals

KEY = JobKey(run_id="r1", unit_id="00000-000", stage="clean", attempt=11)
FIRST_RUN: dict[str, Any] = {
    "run_id": "r1",
    "item": "RUN",
    "status": "SUCCEEDED",
    "run_attempt": 1,
    "holder": "arn:one",
    "request": '{"datasetName":"orders","runId":"r1"}',
    "dataset_name": "orders",
    "end_date_time": "2026-11-20T08:15:00Z",
    "claimed_at": "2026-11-20T08:15:00Z",
    "updated_at": "2026-11-20T08:20:00Z",
    "ended_at": "2026-11-20T08:20:00Z",
    "units": {"total": 2, "stored": 2, "failed": 0, "not_started": 0},
    "rows": {"rows_in": 3, "filtered": 0, "rejected": 1, "removed": 0, "stored": 2},
    "results_url": "s3://data/r1/results.json",
}
FIRST_UNIT: dict[str, Any] = {
    "run_id": "r1",
    "item": "UNIT#00000-000",
    "status": "FAILED",
    "run_attempt": 1,
    "source_url": "s3://in/1.csv",
    "started_at": "2026-11-20T08:16:00Z",
    "ended_at": "2026-11-20T08:17:00Z",
    "rows": {"rows_in": 3, "filtered": 0, "rejected": 1, "removed": 0, "stored": 2},
    "job_ids": ["j1"],
    "failure": {"stage": "clean", "error_type": "JobFailed", "message": "it failed"},
}
FIRST_JOB: dict[str, Any] = {
    "run_id": "r1",
    "item": "JOB#00000-000#clean#0011",
    "unit_id": "00000-000",
    "stage": "clean",
    "attempt": 11,
    "job_id": "20261120T081500Z-3f9c2a1b",
    "engine": "glue",
    "callback_id": "c1",
    "state": "RUNNING",
    "target": "stack-clean",
    "submitted_at": "2026-11-20T08:16:00Z",
    "deadline": 1_795_162_560,
    "timeout_seconds": 900,
    "output_url": "s3://data/out/",
    "input_url": "s3://in/1.csv",
    "service_id": "jr_1",
    "active": "glue",
}


def test_a_run_of_the_first_release_is_read() -> None:
    run = RunItem.from_item(FIRST_RUN)

    assert (run.status, run.run_attempt, run.holder) == (RunStatus.SUCCEEDED, 1, "arn:one")
    assert run.units == UnitTotals(total=2, stored=2)
    assert run.rows == RowCounts(rows_in=3, rejected=1, stored=2)
    assert (run.active, run.stopping, run.findings, run.outcome) == (None, False, (), None)
    assert run.stack_named_attempt is None


def test_a_unit_of_the_first_release_is_read() -> None:
    unit = UnitItem.from_item(FIRST_UNIT)

    assert (unit.unit_id, unit.status, unit.job_ids) == ("00000-000", UnitStatus.FAILED, ("j1",))
    assert unit.failure == StageFailure(stage="clean", error_type="JobFailed", message="it failed")
    assert (unit.source_bytes, unit.items, unit.set_aside) == (None, None, None)


def test_a_job_of_the_first_release_is_read() -> None:
    job = JobItem.from_item(FIRST_JOB)

    assert (job.key, job.engine, job.state) == (KEY, Engine.GLUE, JobState.RUNNING)
    assert job.submitted_at == datetime(2026, 11, 20, 8, 16, tzinfo=UTC)
    assert (job.active, job.execution, job.log_tail) == (True, None, None)


@pytest.mark.parametrize(
    ("item_class", "item"),
    [
        (RunItem, FIRST_RUN),
        (RunItem, {**FIRST_RUN, "active": ACTIVE_RUN, "stop_requested_at": "2026-11-20T08:18:00Z"}),
        (UnitItem, {**FIRST_UNIT, "findings": [{"rule": "a", "severity": "warn", "rows": 1}]}),
        (JobItem, FIRST_JOB),
        (JobItem, {k: v for k, v in FIRST_JOB.items() if k != "active"}),
        (JobItem, {**FIRST_JOB, "ended_at": "2026-11-20T08:18:00Z", "error": "it failed"}),
        (
            RejectedItem,
            {"run_id": "rejected", "item": "REJECTED#m1", "reason": "no", "sent": False},
        ),
        (DrawnItem, {"run_id": "m1", "item": "DRAWN", "drawn_run_id": "r1", "expires_at": 1}),
        (RunItem, {**FIRST_RUN, "already_stored": 3}),
        (EventItem, {"run_id": "r1", "item": "EVENT#e1", "message_id": "m1"}),
        (
            QuotaItem,
            {
                "run_id": "#quota",
                "item": "emr",
                "tokens": 1.5,
                "at": 2.0,
                "last": {"emr": "x"},
                "turn": 3,
            },
        ),
    ],
)
def test_an_item_is_written_as_it_was_read(
    item_class: type[LedgerItem], item: dict[str, Any]
) -> None:
    written = item_class.from_item(item).to_item()

    new_counts = {"warned": 0, "superseded": 0}  # counts that the first release did not have
    rows = {"rows": item["rows"] | new_counts} if "rows" in item else {}
    assert written == {**item, **rows}


def test_attributes_of_a_later_release_are_ignored() -> None:
    assert RunItem.from_item({**FIRST_RUN, "later": 1}) == RunItem.from_item(FIRST_RUN)
    assert JobItem.from_item({**FIRST_JOB, "later": 1}) == JobItem.from_item(FIRST_JOB)


def test_keys_sort_by_attempt_and_name_what_they_are_of() -> None:
    assert RunItem.key_of("r1") == ("r1", "RUN")
    assert UnitItem.key_of("r1", "00000-000") == ("r1", "UNIT#00000-000")
    assert JobItem.key_of(KEY) == ("r1", "JOB#00000-000#clean#0011")
    assert AdoptedItem.key_of(KEY) == ("r1", "ADOPTED#00000-000#clean#0011")
    adopted = AdoptedItem(key=KEY, adopted_item="JOB#00000-000#clean#0001", job_id="j1")
    assert adopted.to_item() == {
        "run_id": "r1",
        "item": "ADOPTED#00000-000#clean#0011",
        "adopted_item": "JOB#00000-000#clean#0001",
        "job_id": "j1",
    }


def test_changes_are_encoded_like_items_and_none_removes() -> None:
    changes = RunItem.changes(status=RunStatus.RUNNING, units=UnitTotals(total=1), reason=None)

    assert changes.values == {
        "status": "RUNNING",
        "units": {"total": 1, "stored": 0, "failed": 0, "not_started": 0},
    }
    assert changes.removed == ("reason",)
    assert RunItem.changes(findings=()).values == {"findings": []}


@pytest.mark.parametrize(
    ("item_class", "name"), [(RunItem, "holdr"), (RunItem, "run_id"), (JobItem, "key")]
)
def test_a_change_of_what_is_no_attribute_is_refused(
    item_class: type[LedgerItem], name: str
) -> None:
    with pytest.raises(TypeError, match=f"{item_class.__name__} has no attribute {name}"):
        item_class.changes(**{name: "x"})


def test_a_job_never_becomes_active_again() -> None:
    assert JobItem.changes(active=False).removed == ("active",)
    with pytest.raises(TypeError, match="does not become active"):
        JobItem.changes(active=True)


def test_what_is_no_job_is_refused() -> None:
    with pytest.raises(ValueError, match="engine"):
        JobItem.from_item({**FIRST_JOB, "engine": "unheard-of"})


def test_a_job_keeps_its_class_when_a_value_is_replaced() -> None:
    job = JobItem.from_item(FIRST_JOB)
    assert replace(job, state=JobState.SUCCEEDED).to_item()["state"] == "SUCCEEDED"


def test_the_key_of_a_job_can_be_read_off_its_items_key() -> None:
    assert JobItem.job_key_of(FIRST_JOB) == KEY
    assert JobItem.job_key_of({"item": FIRST_JOB["item"]}) == KEY.model_copy(update={"run_id": ""})
