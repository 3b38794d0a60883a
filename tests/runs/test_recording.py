from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW, arn, claimed, freeze_dataset, request

from contracts import layout
from contracts.errors import NotFound, OwnershipLost, TransientFailure
from contracts.job import Engine, JobKey, JobState
from contracts.ledger_items import JobItem, UnitItem
from contracts.manifest import ManifestSummary
from contracts.messages import RecordedRun, RecordRun
from contracts.output.files import FilesTotals
from contracts.run import ItemTotals, RowCounts, RunOutcome, RunStatus, UnitTotals
from contracts.source.ready import NotReady
from ledger.conditions import RUN
from ledger.runs import change_run, find_run
from runs.outcome_text import end_text
from runs.recording import Recording, record_run
from runtime import s3
from steps.record_run import handler

SETTINGS = Recording(data_bucket="data-bucket", warehouse="true")
FAILURE = {"stage": "validate", "error_type": "InvalidData", "message": "too many rejected rows"}


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run whose manifest has three units over two shards."""
    claimed(cloud.ledger)
    freeze_manifest()
    return cloud


def freeze_manifest(**more: Any) -> None:
    summary = ManifestSummary(
        manifest_url="s3://data-bucket/runs/r1/manifest/summary.json",
        objects=3,
        total_bytes=3,
        shard_sizes=(2, 1),
        pending=(),
        **more,
    )
    s3.write_json("data-bucket", layout.manifest_summary_key("r1"), summary.to_json())


def unit(cloud: Any, unit_id: str, status: str = "STORED", **attributes: Any) -> None:
    stored = {"rows_in": 10, "rejected": 1, "removed": 2, "stored": 7} if status == "STORED" else {}
    values = {
        "status": status,
        "run_attempt": 1,
        "rows": stored,
        "job_ids": [f"job-{unit_id}"],
        **attributes,
    }
    cloud.ledger.update(
        *UnitItem.key_of("r1", unit_id), {"source_url": f"s3://b/{unit_id}", **values}
    )


def record(
    cloud: Any, later: int = 0, settings: Recording = SETTINGS, **fields: Any
) -> RecordedRun:
    percentage = fields.pop("tolerated", 0)
    sent = request(toleratedFailurePercentage=percentage)
    values = {"execution_arn": arn("one"), "run_attempt": 1, **fields}
    message = RecordRun(request=sent, **values)
    return record_run(message, settings, cloud.ledger, NOW + timedelta(seconds=later))


def run_item(cloud: Any) -> dict[str, Any]:
    found: dict[str, Any] = cloud.ledger.get_item("r1", "RUN")
    return found


def test_a_run_whose_units_are_stored_has_succeeded(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)

    result = record(run).result

    assert result.status is RunStatus.SUCCEEDED
    assert result.units == UnitTotals(total=3, stored=3)
    assert result.rows == RowCounts(rows_in=30, rejected=3, removed=6, stored=21)
    assert result.rows.balanced
    item = run_item(run)
    assert (item["status"], item["units"]["stored"], item["rows"]["stored"]) == ("SUCCEEDED", 3, 21)
    assert item["results_url"] == result.results_url == "s3://data-bucket/runs/r1/results.json"


def test_the_results_document_holds_every_unit(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=FAILURE)

    record(run)

    document = run.read_json("runs/r1/results.json")
    assert document["status"] == "FAILED"
    assert document["request"]["datasetName"] == "orders"
    first, second, third = document["outcomes"]
    assert (first["jobIds"], first["sourceUrl"]) == (["job-00000-000"], "s3://b/00000-000")
    assert second["failure"]["errorType"] == "InvalidData"
    assert third["status"] == "FAILED"
    assert "never begun" in third["failure"]["message"]


def test_the_first_failures_are_reported_with_what_is_known_of_them(run: Any) -> None:
    of_a_job = {**FAILURE, "job_id": "j1", "log_url": "https://logs", "log_tail": "row 7"}
    unit(run, "00000-001", "FAILED", failure=of_a_job)
    unit(run, "00001-000", "FAILED", failure={**FAILURE, "message": "x" * 2000})

    result = record(run).result

    first, second, never_begun = result.failures
    assert (first.unit_id, first.failure.job_id, first.failure.log_tail) == (
        "00000-001",
        "j1",
        "row 7",
    )
    assert len(second.failure.message) == 500
    assert never_begun.failure.error_type == "OutcomeMissing"
    document = s3.read_json("data-bucket", layout.results_key("r1"))
    assert document["failures"][0]["failure"]["logTail"] == "row 7"
    assert document["outcomes"][1]["failure"]["logUrl"] == "https://logs"


def test_the_reason_names_the_first_failed_unit_its_stage_and_error(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=FAILURE)
    unit(run, "00001-000", "RUNNING")

    result = record(run).result

    assert result.units == UnitTotals(total=3, stored=1, failed=2)
    assert result.reason == (
        "2 of 3 units failed (66.67%, tolerated 0%); the first is 00000-001 at validate:"
        " InvalidData: too many rejected rows"
    )
    assert run_item(run)["reason"] == result.reason


@pytest.mark.parametrize(
    ("tolerated", "status"), [(33, RunStatus.FAILED), (33.34, RunStatus.SUCCEEDED)]
)
def test_the_request_says_how_many_failed_units_are_tolerated(
    run: Any, tolerated: float, status: RunStatus
) -> None:
    for unit_id in ("00000-000", "00000-001"):
        unit(run, unit_id)
    unit(run, "00001-000", "FAILED", failure=FAILURE)

    result = record(run, tolerated=tolerated).result

    assert (result.status, result.units.failed) == (status, 1)
    assert (result.reason is None) == (status is RunStatus.SUCCEEDED)


def test_the_results_document_reports_where_each_units_results_lie(run: Any) -> None:
    freeze_dataset("data-bucket")
    times = {"started_at": "2026-11-20T08:15:00Z", "ended_at": "2026-11-20T08:16:30.5Z"}
    unit(run, "00000-000", findings=[finding("positive", 1)], **times)
    unit(run, "00000-001", "FAILED", failure=FAILURE, findings=[finding("type", 90, "quarantine")])
    broken_store = {**FAILURE, "stage": "store-dynamodb", "error_type": "Throttled"}
    unit(run, "00001-000", "FAILED", failure=broken_store)

    record(run)

    units = "s3://data-bucket/runs/r1/units"
    stored, rejected, unstored = run.read_json("runs/r1/results.json")["outcomes"]
    assert stored["seconds"] == 90.5
    assert stored["outputs"] == {
        "validUrl": f"{units}/00000-000/valid/",
        "outputUrl": f"{units}/00000-000/output/",
        "quarantineUrl": "s3://data-bucket/quarantine/orders/r1/00000-000.jsonl",
        "findingsUrl": f"{units}/00000-000/findings.json",
        "tables": ["dynamodb"],
    }
    assert rejected["outputs"] == {
        "quarantineUrl": "s3://data-bucket/quarantine/orders/r1/00000-001.jsonl",
        "findingsUrl": f"{units}/00000-001/findings.json",
        "tables": [],
    }
    assert unstored["outputs"] == {
        "validUrl": f"{units}/00001-000/valid/",
        "outputUrl": f"{units}/00001-000/output/",
        "tables": [],
    }


def finding(rule: str, rows: int, severity: str = "quarantine", **more: Any) -> dict[str, Any]:
    return {"rule": rule, "severity": severity, "rows": rows, **more}


def test_the_rules_that_most_rows_broke_are_reported_with_an_example(run: Any) -> None:
    unit(run, "00000-000", findings=[finding("positive", 2, column="amount", example="line 7: -3")])
    unit(
        run,
        "00000-001",
        findings=[finding("late", 9, "warn"), finding("positive", 5, column="amount")],
    )
    unit(run, "00001-000", findings=[finding("positive", 1, column="tax")])

    result = record(run).result

    assert [(one.rule, one.column, one.rows) for one in result.findings] == [
        ("late", None, 9),
        ("positive", "amount", 7),
        ("positive", "tax", 1),
    ]
    assert result.findings[1].example == "unit 00000-000, line 7: -3"
    assert run_item(run)["findings"][0] == finding("late", 9, "warn")


def test_rows_that_only_warn_are_counted_beside_the_sum(run: Any) -> None:
    counts = {"rows_in": 10, "stored": 10, "warned": 4}
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id, rows=counts)

    result = record(run).result

    assert result.rows == RowCounts(rows_in=30, stored=30, warned=12)
    assert result.rows.balanced
    assert result.outcome is RunOutcome.SUCCEEDED_WITH_LOSSES
    assert run_item(run)["outcome"] == "SUCCEEDED_WITH_LOSSES"


def test_a_stored_unit_whose_rows_do_not_add_up_counts_as_failed(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001"):
        unit(run, unit_id)
    unit(run, "00001-000", rows={"rows_in": 10, "stored": 9})

    result = record(run).result

    assert (result.status, result.units.failed) == (RunStatus.FAILED, 1)
    assert "00001-000" in str(result.reason)
    assert "do not add up" in str(result.reason)
    assert result.rows.balanced


@pytest.mark.parametrize(
    ("rejected", "status"), [(20, RunStatus.SUCCEEDED), (21, RunStatus.FAILED)]
)
def test_of_an_array_the_share_of_items_is_tolerated(
    run: Any, rejected: int, status: RunStatus
) -> None:
    freeze_manifest(items=60)
    counts = {"total": 30, "stored": 30 - rejected, "rejected": rejected, "failed": 0}
    unit(run, "00000-000", items=counts)
    unit(run, "00000-001", items={"total": 20, "stored": 20, "rejected": 0, "failed": 0})
    # the third batch, of ten items, was never begun

    result = record(run, tolerated=50).result

    assert result.items == ItemTotals(total=60, stored=50 - rejected, rejected=rejected, failed=10)
    assert result.status is status
    assert result.item_results_url == "s3://data-bucket/runs/r1/items/results/"
    assert run_item(run)["items"]["failed"] == 10
    if status is RunStatus.FAILED:
        assert "31 of 60 items were not stored (51.67%, tolerated 50%)" in str(result.reason)
    else:
        assert result.outcome is RunOutcome.SUCCEEDED_WITH_LOSSES


def test_the_result_says_what_to_do_next(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=FAILURE)

    result = record(run).result

    commands = [step.command for step in result.next_steps]
    assert commands[-1] == (
        "pipeline run --dataset orders --start 2026-11-01T00:00:00Z"
        " --tolerated-failure-percentage 0 --retry-of r1"
    )
    assert run_item(run)["next_steps"][-1]["command"] == commands[-1]
    assert run.read_json("runs/r1/results.json")["nextSteps"][-1]["command"] == commands[-1]


def test_rows_of_failed_units_do_not_count(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", rows={"rows_in": 100, "rejected": 90}, failure=FAILURE)

    assert record(run).result.rows.rows_in == 10


@pytest.mark.parametrize("status", [RunStatus.SKIPPED, RunStatus.FAILED])
def test_a_run_that_ended_before_its_units_keeps_its_given_status(
    cloud: Any, status: RunStatus
) -> None:
    claimed(cloud.ledger)

    recorded = record(cloud, status=status, reason="no objects")

    assert recorded.result.status is status
    assert recorded.result.results_url is None
    assert run_item(cloud)["reason"] == "no objects"
    assert not cloud.keys("runs/r1/results.json")


def test_a_run_without_a_manifest_cannot_have_succeeded(cloud: Any) -> None:
    claimed(cloud.ledger)

    result = record(cloud).result

    assert result.status is RunStatus.FAILED
    assert "never listed" in str(result.reason)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "operation"),
    [("s3", "put_object"), ("s3", "upload_fileobj"), ("dynamodb", "update_item")],
)
def test_what_broke_off_is_repeated_to_the_same_end(
    run: Any, clients: Any, service: str, operation: str, after: bool
) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)
    clients.break_once(service, operation, LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        record(run)

    recorded = record(run)

    assert recorded.result.status is RunStatus.SUCCEEDED
    assert run_item(run)["status"] == "SUCCEEDED"
    assert run.read_json("runs/r1/results.json")["status"] == "SUCCEEDED"
    assert run.keys("runs/r1/units/RUN/load.json")


def test_a_repeat_keeps_the_end_and_counts_the_run_once(
    run: Any, lambda_context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    unit(run, "00000-000")
    message = RecordRun(request=request(), run_attempt=1, execution_arn=arn("one")).to_json()

    first = handler(message, lambda_context)
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    load = run.read_json("runs/r1/units/RUN/load.json")
    again = handler(message, lambda_context)

    assert again == first
    assert (metric["RunsFailed"], metric["RowsStored"]) == ([1.0], [7.0])
    assert capsys.readouterr().out == ""
    assert run.read_json("runs/r1/units/RUN/load.json") == load


def test_a_success_takes_away_the_reason_of_an_earlier_attempt(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)
    run.ledger.update("r1", "RUN", {"reason": "old"})

    record(run)

    assert "reason" not in run_item(run)


@pytest.mark.parametrize("changed", [{"run_attempt": 2}, {"holder": arn("two")}])
def test_who_does_not_hold_the_run_records_nothing(run: Any, changed: dict[str, Any]) -> None:
    run.ledger.update("r1", "RUN", changed)

    with pytest.raises(OwnershipLost):
        record(run)
    assert run_item(run)["status"] == "CLAIMED"
    assert not run.keys("runs/r1/results.json")


def test_who_loses_the_run_meanwhile_does_not_end_it(run: Any, clients: Any) -> None:
    taken = {"run_attempt": 2, "holder": arn("two")}
    clients.meanwhile("dynamodb", "update_item", lambda: run.ledger.update("r1", "RUN", taken))

    with pytest.raises(OwnershipLost):
        record(run)
    assert run_item(run)["status"] == "CLAIMED"


def test_an_unknown_run_is_reported_of(cloud: Any) -> None:
    with pytest.raises(NotFound, match="r1"):
        record(cloud)


def test_the_warehouse_gets_rows_of_the_run_its_units_and_jobs(run: Any) -> None:
    unit(run, "00000-000")
    job = JobItem(
        key=JobKey(run_id="r1", unit_id="00000-000", stage="clean", attempt=1),
        job_id="j1",
        engine=Engine.GLUE,
        callback_id="c1",
        state=JobState.SUCCEEDED,
        target="clean",
        submitted_at=NOW,
        deadline=0,
        timeout_seconds=900,
        output_url="s3://b/out/",
        input_url="s3://b/in",
    )
    run.ledger.put_if_absent(job.to_item())

    recorded = record(run)

    assert recorded.statements_url == "s3://data-bucket/runs/r1/units/RUN/load.json"
    load = run.read_json("runs/r1/units/RUN/load.json")
    assert load["load_id"] == "r1/RUN"
    assert "2026-11-20 08:15:00" in load["statements"][-1]
    units, jobs = (rows_of(run, name) for name in ("units", "jobs"))
    assert [(row["unit_id"], row["rows_stored"]) for row in units] == [("00000-000", 7)]
    assert [row["job_id"] for row in jobs] == ["j1"]


def rows_of(cloud: Any, name: str) -> list[dict[str, Any]]:
    """The rows that COPY reads."""
    body = s3.read_bytes(cloud.data_bucket, f"runs/r1/warehouse/1/{name}.jsonl.gz")
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


def test_a_run_recorded_once_more_says_what_the_warehouse_lacks(run: Any) -> None:
    unit(run, "00000-000")
    first = record(run).result
    again = record(run, later=60, warehouse_error="relation does not exist").result

    lacking = {"warehouse_error": "relation does not exist"}
    assert again.model_dump(exclude={"next_steps"}) == {
        **first.model_dump(exclude={"next_steps"}),
        **lacking,
    }
    assert again.next_steps[0].command == f"pipeline jobs {again.run_id}"
    assert run_item(run)["warehouse_error"] == "relation does not exist"
    assert run.read_json("runs/r1/results.json")["warehouseError"] == "relation does not exist"


def test_a_run_says_where_its_files_are_named(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)
    files = FilesTotals(manifest_url="s3://output/p/_runs/r1.json", files=3, rows=21)
    result = record(run, files=files).result
    assert (result.status, result.files) == (RunStatus.SUCCEEDED, files)
    document = run.read_json("runs/r1/results.json")
    assert document["files"]["manifestUrl"] == files.manifest_url


def test_a_run_whose_files_were_not_published_has_failed_and_says_what_to_do(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)
    why = "its files were not published: AccessDenied"
    result = record(run, status=RunStatus.FAILED, reason=why, files_error=why).result
    assert (result.status, result.reason, result.files_error) == (RunStatus.FAILED, why, why)
    assert run_item(run)["status"] == "FAILED"
    assert result.next_steps[-1].command.endswith("--retry-of r1")


def test_objects_that_were_left_out_as_hidden_are_in_the_result(run: Any) -> None:
    freeze_manifest(hidden=2)
    unit(run, "00000-000")

    assert record(run).result.hidden_objects == 2
    assert run.read_json("runs/r1/results.json")["hiddenObjects"] == 2


def test_objects_that_the_contract_excludes_are_in_the_result(run: Any) -> None:
    freeze_manifest(excluded=2)
    unit(run, "00000-000")

    assert record(run).result.excluded_objects == 2
    assert run.read_json("runs/r1/results.json")["excludedObjects"] == 2


def test_partitions_that_were_not_ready_are_in_the_result(run: Any) -> None:
    left = NotReady(count=1, marker="_SUCCESS", partitions=("dt=2026-11-02/",))
    freeze_manifest(not_ready=left)
    unit(run, "00000-000")

    assert record(run).result.not_ready == left
    assert run.read_json("runs/r1/results.json")["notReady"] == left.to_json()


def test_a_run_that_ended_waits_for_nothing(run: Any) -> None:
    waiting = dict(waiting_for="a marker", waiting_since=NOW, waiting_until=NOW)
    change_run(run.ledger, "r1", RUN.run_attempt.eq(1), **waiting)

    record(run, status=RunStatus.FAILED, reason="not ready within 60 s")

    item = find_run(run.ledger, "r1")
    assert item is not None
    assert (item.waiting_for, item.waiting_since, item.waiting_until) == (None, None, None)


def test_without_a_warehouse_there_is_no_row(run: Any) -> None:
    recorded = record(run, settings=Recording(data_bucket="data-bucket"))

    assert recorded.statements_url is None
    assert not run.keys("runs/r1/units/RUN/")


BY_ITS_JOB = {"stage": "clean", "error_type": "JobFailed", "message": "no luck"}
PERMANENT = [
    FAILURE,
    {**FAILURE, "error_type": "NotFound"},
    {**FAILURE, "error_type": "InvalidRequest"},
    {**BY_ITS_JOB, "error_code": "INVALID_DATA"},
    {**BY_ITS_JOB, "stage": "store-redshift", "error_code": "PERMANENT"},
]
MAY_PASS = [
    BY_ITS_JOB,
    {**BY_ITS_JOB, "error_code": "UNKNOWN"},
    {**BY_ITS_JOB, "error_code": "NOT_INVOKED"},
    {**BY_ITS_JOB, "error_type": "JobTimedOut"},
    {**FAILURE, "error_type": "TransientFailure"},
    {**FAILURE, "error_type": "PipelineError"},
    {**FAILURE, "error_type": "Runtime.OutOfMemory"},
]


@pytest.mark.parametrize("failure", PERMANENT)
def test_a_run_all_of_whose_failures_are_permanent_is_so_itself(
    run: Any, failure: dict[str, Any]
) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=failure)
    unit(run, "00001-000", "FAILED", failure=FAILURE)

    result = record(run).result

    assert (result.status, result.permanent) == (RunStatus.FAILED, True)
    assert run.read_json("runs/r1/results.json")["permanent"] is True
    (retry,) = [step for step in result.next_steps if step.command and "retry-of" in step.command]
    assert "the queue still holds" not in retry.why


@pytest.mark.parametrize("failure", MAY_PASS)
def test_one_failure_that_may_pass_is_worth_another_delivery(
    run: Any, failure: dict[str, Any]
) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=failure)
    unit(run, "00001-000", "FAILED", failure=FAILURE)

    result = record(run).result

    assert (result.status, result.permanent) == (RunStatus.FAILED, False)


@pytest.mark.parametrize("status", [None, "RUNNING"])
def test_a_unit_without_an_end_is_worth_another_delivery(run: Any, status: str | None) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=FAILURE)
    if status:
        unit(run, "00001-000", status)

    assert record(run).result.permanent is False


def test_files_that_were_not_published_are_worth_another_delivery(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)

    result = record(run, status=RunStatus.FAILED, reason="no", files_error="no").result

    assert (result.status, result.permanent) == (RunStatus.FAILED, False)


def test_a_run_that_has_not_failed_is_not_said_to_be_permanent(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001"):
        unit(run, unit_id)
    unit(run, "00001-000", "FAILED", failure=FAILURE)

    assert record(run, tolerated=50).result.permanent is None
    run.ledger.update("r1", "RUN", {"stop_requested_at": "2026-11-20T08:15:00Z"})
    stopped = record(run, later=1).result
    assert (stopped.status, stopped.permanent) == (RunStatus.STOPPED, None)


@pytest.mark.parametrize("failure", [None, FAILURE, BY_ITS_JOB])
def test_too_many_rejected_items_would_be_so_again(
    cloud: Any, failure: dict[str, Any] | None
) -> None:
    claimed(cloud.ledger, inputUrl="s3://data-bucket/items.json", toleratedFailurePercentage=0)
    freeze_manifest(items=30)
    items = {"total": 10, "stored": 8, "rejected": 2}
    for unit_id in ("00000-000", "00000-001"):
        unit(cloud, unit_id, items=items)
    if failure:
        unit(cloud, "00001-000", "FAILED", failure=failure, items={"total": 10, "failed": 10})
    else:
        unit(cloud, "00001-000", items=items)

    result = record(cloud).result

    assert (result.status, result.permanent) == (RunStatus.FAILED, failure is not BY_ITS_JOB)


def test_a_run_that_failed_before_its_units_is_as_permanent_as_its_failure(cloud: Any) -> None:
    claimed(cloud.ledger)
    early = dict(status=RunStatus.FAILED, reason="no such dataset")

    assert record(cloud, refused=True, **early).result.permanent is True
    assert record(cloud, **early).result.permanent is False


NOT_STARTED = {
    "status": "FAILED",
    "not_started": True,
    "rows": None,
    "failure": {
        "stage": "start-unit",
        "error_type": "ToleranceExceeded",
        "message": "not started: 1 have failed by now, 0 are tolerated (failFast)",
    },
}


def test_units_that_were_not_to_begin_are_counted_apart(run: Any) -> None:
    unit(run, "00000-000", "FAILED", failure=FAILURE)
    unit(run, "00000-001", **NOT_STARTED)  # the next shard was not reached

    result = record(run).result

    assert result.units == UnitTotals(total=3, stored=0, failed=1, not_started=2)
    assert result.status is RunStatus.FAILED
    assert "1 of 3 units failed" in str(result.reason)
    assert "; 2 units were not started" in str(result.reason)
    assert [each.unit_id for each in result.failures] == ["00000-000"]
    document = s3.read_json("data-bucket", layout.results_key("r1"))
    assert [each["status"] for each in document["outcomes"]] == [
        "FAILED",
        "NOT_STARTED",
        "NOT_STARTED",
    ]
    assert run_item(run)["units"] == {"total": 3, "stored": 0, "failed": 1, "not_started": 2}
    assert any("--retry-of r1" in str(step.command) for step in result.next_steps)
    assert "Units: 3 = 2 not started + 1 failed + 0 stored" in end_text(result)


def test_no_tolerance_makes_a_success_of_units_that_were_not_to_begin(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", **NOT_STARTED)
    assert record(run, tolerated=100).result.status is RunStatus.FAILED


def test_of_an_array_the_items_add_up_too(run: Any) -> None:
    freeze_manifest(items=30)
    lost = {"total": 10, "stored": 4, "rejected": 6, "failed": 0}
    unit(run, "00000-000", items=lost)
    unit(run, "00000-001", **NOT_STARTED, items={"total": 10, "not_started": 10})

    items = record(run).result.items

    assert items == ItemTotals(total=30, stored=4, rejected=6, failed=0, not_started=20)


def test_units_of_a_stopped_run_that_were_not_reached_were_not_started(run: Any) -> None:
    decision = {"stop_requested_at": "2026-11-20T08:00:00Z", "stop_reason": "wrong input"}
    run.ledger.update("r1", "RUN", decision)
    unit(run, "00000-000")

    result = record(run).result

    assert result.status is RunStatus.STOPPED
    assert result.units == UnitTotals(total=3, stored=1, failed=0, not_started=2)
