from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from control_fakes import (
    DATASET,
    LOST_RESPONSE,
    NOW,
    arn,
    claimed,
    client_error,
    freeze_dataset,
)
from manifests import put_manifest

from contracts import layout
from contracts.base import Contract
from contracts.errors import (
    InvalidData,
    InvalidInput,
    NotFound,
    OwnershipLost,
    Throttled,
    TransientFailure,
)
from contracts.job import JobEnd, JobKey, JobState
from contracts.manifest import ManifestEntry
from contracts.messages import EndUnit, StartUnit
from contracts.run import ItemTotals, RowCounts, StageFailure, UnitStatus
from runs.unit.beginning import start_unit
from runs.unit.recording import end_unit
from steps.record_unit import handler

UNIT = "00000-001"
ROWS = RowCounts(rows_in=10, filtered=1, rejected=2, removed=3, stored=4)


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run of two objects."""
    claimed(cloud.ledger)
    entries = tuple(
        ManifestEntry(
            bucket="data-bucket", key=f"landing/{name}.csv", size=1, etag="e", last_modified=NOW
        )
        for name in ("a", "b")
    )
    put_manifest(cloud.put, "r1", entries)
    return cloud


def start(**fields: Any) -> StartUnit:
    return StartUnit(run_id="r1", unit_id=UNIT, run_attempt=fields.pop("attempt", 1), **fields)


def end(status: UnitStatus = UnitStatus.STORED, **fields: Any) -> EndUnit:
    values: dict[str, Any] = {"rows": ROWS, "job_ids": ("j1", "j2"), "run_attempt": 1, **fields}
    return EndUnit(run_id="r1", unit_id=UNIT, status=status, **values)


def send(message: Contract, context: Any) -> dict[str, Any] | None:
    response = handler(message.to_json(), context)
    assert (response is None) is isinstance(message, EndUnit)
    return response


def unit(cloud: Any) -> dict[str, Any]:
    found: dict[str, Any] = cloud.ledger.get_item("r1", f"UNIT#{UNIT}")
    return found


def test_a_unit_is_recorded_from_its_start_to_its_end(run: Any, lambda_context: Any) -> None:
    send(start(), lambda_context)

    assert unit(run)["status"] == "RUNNING"
    assert unit(run)["source_url"] == "s3://data-bucket/landing/b.csv"
    assert unit(run)["source_bytes"] == 1

    send(end(), lambda_context)

    item = unit(run)
    assert item["status"] == "STORED"
    assert item["rows"] == ROWS.model_dump()
    assert item["job_ids"] == ["j1", "j2"]
    assert item["started_at"] <= item["ended_at"]
    assert item["source_url"] == "s3://data-bucket/landing/b.csv"
    started, ended = run.published()
    assert (started["event"], started["status"]) == ("unit-started", "RUNNING")
    assert started["sourceUrl"] == "s3://data-bucket/landing/b.csv"
    assert (ended["event"], ended["status"]) == ("unit-ended", "STORED")
    assert ended["outcome"]["rows"]["stored"] == 4
    assert ended["datasetName"] == "orders"
    assert started["unitId"] == ended["unitId"] == UNIT


def test_a_failure_is_stored_with_its_stage(run: Any, lambda_context: Any) -> None:
    failure = StageFailure(stage="validate", error_type="InvalidData", message="x" * 5000)

    send(end(UnitStatus.FAILED, failure=failure, rows=RowCounts(rows_in=3)), lambda_context)

    assert unit(run)["failure"]["stage"] == "validate"
    assert len(unit(run)["failure"]["message"]) == 2001
    (ended,) = run.published()
    assert ended["outcome"]["failure"]["errorType"] == "InvalidData"


def put_findings(cloud: Any, *rules: dict[str, Any]) -> None:
    cloud.put(layout.findings_key("r1", UNIT), json.dumps({"rules": rules}))


ONE_UNSTORABLE = RowCounts(rows_in=4, rejected=1, stored=3)
TOO_MANY = StageFailure(stage="transform", error_type="InvalidData", message="too many")
FAILED_AT = {"status": UnitStatus.FAILED, "failure": TOO_MANY}
BROKEN = {"rule": "positive", "column": "amount", "severity": "quarantine", "rows": 2}
EXAMPLES = [{"line": 7, "value": -3}, {"line": 9, "value": -4}]


def test_the_rules_that_rows_broke_are_stored_with_an_example(
    run: Any, lambda_context: Any
) -> None:
    late = {"rule": "late", "column": None, "severity": "warn", "rows": 5, "examples": []}
    put_findings(run, {**BROKEN, "examples": EXAMPLES}, late)

    send(end(), lambda_context)

    assert unit(run)["findings"] == [
        {"rule": "late", "severity": "warn", "rows": 5},
        {**BROKEN, "example": "line 7: -3"},
    ]
    (ended,) = run.published()
    assert [one["rule"] for one in ended["outcome"]["findings"]] == ["late", "positive"]


def test_a_malformed_row_is_reported_by_its_line_alone(run: Any, lambda_context: Any) -> None:
    row = {"line": 39, "value": 'ORD-1,C97,"the "blue" one"'}
    put_findings(run, {**BROKEN, "rule": "malformed", "examples": [row]})

    send(end(), lambda_context)

    assert unit(run)["findings"][0]["example"] == "line 39"


def test_of_many_broken_rules_those_with_most_rows_are_stored(
    run: Any, lambda_context: Any
) -> None:
    put_findings(run, *({**BROKEN, "rule": f"rule{rows}", "rows": rows} for rows in range(1, 51)))

    send(end(), lambda_context)

    stored = [finding["rows"] for finding in unit(run)["findings"]]
    assert stored == list(range(50, 30, -1))


@pytest.mark.parametrize(
    ("stage", "stored"), [("validate", True), ("store-dynamodb", True), ("clean", False)]
)
def test_a_failed_unit_keeps_what_this_attempt_found(
    run: Any, lambda_context: Any, stage: str, stored: bool
) -> None:
    put_findings(run, BROKEN)
    failure = StageFailure(stage=stage, error_type="InvalidData", message="x")

    send(end(UnitStatus.FAILED, failure=failure, rows=RowCounts()), lambda_context)

    assert ("findings" in unit(run)) is stored


@pytest.mark.parametrize(
    ("more", "stored"),
    [
        pytest.param({"set_aside": 1}, ["positive", "key-unique"], id="both"),
        pytest.param(
            {"set_aside": 1, "rows": ONE_UNSTORABLE}, ["key-unique"], id="transform alone"
        ),
        pytest.param({}, ["positive"], id="validate alone"),
        pytest.param({**FAILED_AT, "rows": RowCounts()}, ["positive", "key-unique"], id="failed"),
    ],
)
def test_what_transform_has_found_unstorable_is_found_too(
    run: Any, lambda_context: Any, more: dict[str, Any], stored: list[str]
) -> None:
    put_findings(run, BROKEN)
    unstorable = {**BROKEN, "rule": "key-unique", "rows": 1}
    run.put(layout.transform_findings_key("r1", UNIT), json.dumps({"rules": [unstorable]}))

    send(end(**more), lambda_context)

    assert [finding["rule"] for finding in unit(run)["findings"]] == stored
    assert unit(run).get("set_aside", 0) == more.get("set_aside", 0)


def test_clean_rows_have_no_findings(run: Any, lambda_context: Any) -> None:
    put_findings(run, BROKEN)  # of an earlier attempt

    send(end(rows=RowCounts(rows_in=4, stored=4)), lambda_context)

    assert "findings" not in unit(run)


def test_a_document_that_cannot_be_read_just_now_is_asked_for_again(
    run: Any, clients: Any, lambda_context: Any
) -> None:
    put_findings(run, BROKEN)
    clients.break_once("s3", "get_object", client_error("SlowDown", 503), after=False)
    with pytest.raises(Throttled):
        send(end(), lambda_context)
    assert unit(run) is None

    send(end(), lambda_context)

    assert unit(run)["findings"] == [BROKEN]


def test_the_items_of_a_batch_are_stored(run: Any, lambda_context: Any) -> None:
    items = ItemTotals(total=10, stored=8, rejected=2)

    send(end(items=items), lambda_context)

    assert unit(run)["items"] == items.model_dump()


def test_a_failed_job_is_stored_with_what_its_log_says(run: Any, lambda_context: Any) -> None:
    failure = StageFailure(
        stage="clean",
        error_type="JobFailed",
        message="exit code 1",
        job_id="j2",
        log_url="https://logs",
        log_tail="ValueError: row 7",
    )

    send(end(UnitStatus.FAILED, failure=failure, rows=RowCounts()), lambda_context)

    assert unit(run)["failure"] == failure.model_dump(exclude_none=True)
    (ended,) = run.published()
    assert ended["outcome"]["failure"]["logTail"] == "ValueError: row 7"


@pytest.mark.parametrize("status", ["STOPPED", "FAILED"])
def test_a_shard_of_a_run_that_has_ended_begins_no_more_units(run: Any, status: str) -> None:
    run.ledger.update("r1", "RUN", {"status": status})

    with pytest.raises(OwnershipLost, match=status):
        start_unit(start(), run.ledger, "data-bucket", NOW)

    assert unit(run) is None


def test_a_stored_unit_whose_rows_do_not_add_up_is_refused(run: Any) -> None:
    with pytest.raises(InvalidData, match="do not add up"):
        end_unit(end(rows=RowCounts(rows_in=5, stored=4)), run.ledger, "data-bucket", NOW)
    assert unit(run) is None


@pytest.mark.parametrize("kind", ["start", "end"])
@pytest.mark.parametrize(
    ("service", "operation"), [("dynamodb", "update_item"), ("sns", "publish")]
)
@pytest.mark.parametrize("after", [False, True])
def test_what_broke_off_is_repeated_to_the_same_end(
    run: Any,
    clients: Any,
    lambda_context: Any,
    kind: str,
    service: str,
    operation: str,
    after: bool,
) -> None:
    message = start() if kind == "start" else end()
    clients.break_once(service, operation, LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        send(message, lambda_context)

    send(message, lambda_context)

    assert unit(run)["status"] == ("RUNNING" if kind == "start" else "STORED")
    assert {reported["eventId"] for reported in run.published()} == {f"r1/{UNIT}/unit-{kind}ed/1"}


def test_a_late_repeat_of_the_start_does_not_undo_the_end(run: Any, lambda_context: Any) -> None:
    send(start(), lambda_context)
    send(end(), lambda_context)
    run.published()

    send(start(), lambda_context)

    assert unit(run)["status"] == "STORED"
    assert run.published() == []


def test_a_later_attempt_begins_the_unit_anew(run: Any) -> None:
    failure = StageFailure(stage="validate", error_type="InvalidData", message="x")
    put_findings(run, BROKEN)
    ended = end(UnitStatus.FAILED, failure=failure, items=ItemTotals(total=1, failed=1))
    end_unit(ended, run.ledger, "data-bucket", NOW)
    assert {"findings", "items"} <= unit(run).keys()
    run.ledger.update("r1", "RUN", {"run_attempt": 2})

    start_unit(start(attempt=2), run.ledger, "data-bucket", NOW + timedelta(hours=1))

    item = unit(run)
    assert (item["status"], item["run_attempt"]) == ("RUNNING", 2)
    of_an_end = {"failure", "rows", "job_ids", "ended_at", "findings", "items"}
    assert not of_an_end & item.keys()


@pytest.mark.parametrize("message", [start(), end()])
def test_an_attempt_that_lost_the_run_writes_and_reports_nothing(
    run: Any, lambda_context: Any, message: Contract
) -> None:
    run.ledger.update("r1", "RUN", {"run_attempt": 2, "holder": arn("two")})

    with pytest.raises(OwnershipLost, match="attempt 2"):
        send(message, lambda_context)
    assert unit(run) is None
    assert run.published() == []


@pytest.mark.parametrize("kind", ["start", "end"])
def test_an_attempt_that_loses_the_run_meanwhile_leaves_the_others_unit(
    run: Any, clients: Any, lambda_context: Any, kind: str
) -> None:
    def take_over() -> None:
        run.ledger.update("r1", "RUN", {"run_attempt": 2})
        start_unit(start(attempt=2), run.ledger, "data-bucket", NOW)

    clients.meanwhile("dynamodb", "update_item", take_over)

    with pytest.raises(OwnershipLost):
        send(start() if kind == "start" else end(), lambda_context)
    assert (unit(run)["status"], unit(run)["run_attempt"]) == ("RUNNING", 2)


def test_a_unit_of_an_unknown_run_is_refused(cloud: Any) -> None:
    with pytest.raises(NotFound, match="r1"):
        end_unit(end(), cloud.ledger, "data-bucket", NOW)


def test_a_unit_past_the_end_of_the_manifest_is_refused(run: Any) -> None:
    message = StartUnit(run_id="r1", unit_id="00000-002", run_attempt=1)

    with pytest.raises(NotFound, match="00000-002"):
        start_unit(message, run.ledger, "data-bucket", NOW)


@pytest.mark.parametrize("kind", [None, "middle"])
@pytest.mark.usefixtures("cloud")
def test_a_message_of_no_known_kind_is_refused(lambda_context: Any, kind: str | None) -> None:
    with pytest.raises(InvalidInput, match="start, end or round"):
        handler({"runId": "r1", "kind": kind}, lambda_context)


@pytest.mark.usefixtures("run")
def test_a_missing_topic_is_named(clients: Any, lambda_context: Any) -> None:
    clients.break_once("sns", "publish", client_error("NotFound", 404), after=False)

    with pytest.raises(NotFound, match="unit-ended"):
        send(end(), lambda_context)


def test_a_unit_is_recorded_with_what_it_was_processed_by(run: Any, lambda_context: Any) -> None:
    """A later attempt compares them, before it leaves a unit failed."""
    run.ledger.update("r1", "RUN", {"dataset_version": "0123456789ab"})

    send(start(), lambda_context)

    assert (unit(run)["source_etag"], unit(run)["dataset_version"]) == ("e", "0123456789ab")


@pytest.mark.parametrize("examples", [True, False])
def test_what_an_invoked_job_said_is_recorded_only_where_rows_may_be_quoted(
    run: Any, lambda_context: Any, examples: bool
) -> None:
    freeze_dataset(run.data_bucket, text=f"examples: {str(examples).lower()}\n{DATASET}")
    failure = StageFailure(
        stage="enrich",
        error_type="JobFailed",
        message="job j1: ValueError: DE 4711",
        job_id="j1",
        log_tail="DE 4711",
    )
    key = JobKey(run_id="r1", unit_id=UNIT, stage="enrich", attempt=1)
    ended = JobEnd(key=key, state=JobState.FAILED, error="ValueError: DE 4711")

    send(end(UnitStatus.FAILED, failure=failure, ended_jobs=(ended,)), lambda_context)

    item = run.ledger.get_item("r1", f"UNIT#{UNIT}")
    (news,) = run.published()
    for text in (json.dumps(item), json.dumps(news)):
        assert ("DE 4711" in text) is examples
        assert ("examples: false" in text) is not examples
