"""The stage sequence, on the testing SDK's runner with stand-ins for the steps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.costs.usage import METERED
from durable_pipeline import app
from durable_pipeline.batch import STORED_BODY_BYTES, STORED_REASON_BYTES

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}


def test_a_run_takes_every_unit_through_every_stage(deployment: Deployment, world: World) -> None:
    world.targets = ["dynamodb", "redshift"]

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    stages = [
        "submit-job", "validate", "transform", "store-dynamodb", "store-redshift",
    ]  # fmt: skip
    assert {stage: world.count(stage) for stage in stages} == {
        "submit-job": 3 + 1,  # the chain's job of each unit, and the run's row
        "validate": 3,
        "transform": 3,
        "store-dynamodb": 3,
        "store-redshift": 3,
    }
    assert world.unit_status() == {"STORED": 3}
    assert world.events() == ["run-started", "run-ended"]


def test_the_counts_of_a_unit_add_up(deployment: Deployment, world: World) -> None:
    deployment.run(sqs_event(RUN))

    rows = world.units["00000-000"]["rows"]
    removed = 3 + 1  # by a job, and by the transform
    counts = {"rowsIn": 13, "filtered": 1, "rejected": 2, "removed": removed, "stored": 6}
    assert rows == {**counts, "warned": 0, "superseded": 0}


def test_rows_that_a_newer_run_has_stored_are_counted_beside_the_sum(
    deployment: Deployment, world: World
) -> None:
    world.objects = 1
    world.slices = [{"rows": 4, "superseded": 2, "nextRow": 4}, {"rows": 2, "superseded": 1}]
    deployment.run(sqs_event(RUN))

    rows = world.units["00000-000"]["rows"]
    assert (rows["stored"], rows["superseded"]) == (6, 3)


def test_a_load_is_submitted_as_it_was_prepared_for_this_attempt(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.targets = 1, ["dynamodb", "redshift"]
    world.claim = {"outcome": "TAKEN_OVER", "runAttempt": 2}
    deployment.run(sqs_event(RUN))

    stores = ("store-redshift", "store-dynamodb")
    assert [world.payloads(step)[0]["runAttempt"] for step in stores] == [2, 2]
    (load, _runs_row) = [job for job in world.submissions() if job["engine"] == "redshift"]
    assert (load["runAttempt"], load["key"]["attempt"]) == (2, 11)
    assert world.payloads("store-redshift")[0]["submit"] == load


def test_a_load_that_its_store_could_not_submit_is_submitted_by_submit_job(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.targets = 1, ["redshift"]
    world.fail("submission of load", error_named("Throttled"))
    execution = deployment.run(sqs_event(RUN))
    first, second = [job for job in world.submissions() if job["key"]["stage"] == "store-redshift"]
    assert first["key"] == second["key"]
    assert first["callbackId"] == second["callbackId"]
    assert second["inputUrl"] == "s3://data/load.json"
    assert execution.operations()["store-redshift"] == 1
    assert world.unit_status() == {"STORED": 1}


def test_rows_that_no_store_takes_count_as_rejected(deployment: Deployment, world: World) -> None:
    world.set_aside = 2
    deployment.run(sqs_event(RUN))

    sent = world.payloads("transform")[0]
    job = world.payloads("store-dynamodb")[0]["jobId"]
    assert (sent["rowsIn"], sent["rejected"], sent["jobId"]) == (13, 2, job)
    unit = world.units["00000-000"]
    assert (unit["rows"]["rejected"], unit["rows"]["stored"], unit["setAside"]) == (4, 4, 2)
    assert unit["status"] == "STORED"


def test_a_unit_costs_the_operations_that_are_planned_for_it(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["dynamodb", "redshift"]
    world.objects = 1
    one = sum(deployment.run(sqs_event(RUN)).operations().values())
    world.objects = 4
    four = sum(deployment.run(sqs_event(RUN)).operations().values())

    assert four - one == 3 * world.planned_operations


@pytest.mark.parametrize(
    "targets", [["files"], ["files", "dynamodb"], ["dynamodb", "files", "redshift"]]
)
def test_files_cost_one_operation_more_and_are_planned_for(
    deployment: Deployment, world: World, targets: list[str]
) -> None:
    world.targets, world.objects = targets, 1
    one = deployment.run(sqs_event(RUN))
    world.objects = 3
    three = deployment.run(sqs_event(RUN))
    assert sum((three.operations() - one.operations()).values()) == 2 * world.planned_operations
    assert three.operations()["store-files"] == 3


def test_files_are_written_before_anything_else_is_stored(
    deployment: Deployment, world: World
) -> None:
    world.targets, world.objects = ["dynamodb", "redshift", "files"], 1
    deployment.run(sqs_event(RUN))
    order = [name for name, _ in world.calls if name.startswith("store-")]
    assert order == ["store-files", "store-redshift", "store-dynamodb"]
    (sent,) = world.payloads("store-files")
    assert (sent["rows"], sent["files"], sent["runAttempt"]) == (6, 1, 1)
    assert sent["jobId"] == world.payloads("store-dynamodb")[0]["jobId"]


def test_nothing_else_of_a_unit_is_stored_where_its_files_cannot_be_written(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["files", "dynamodb", "redshift"]
    why = "the output bucket results cannot be written"
    world.fail("store-files", error_named("NotConfigured", why), unit="00000-001")
    deployment.run(sqs_event({**RUN, "toleratedFailurePercentage": 34}))
    assert world.unit_status() == {"STORED": 2, "FAILED": 1}
    failure = world.units["00000-001"]["failure"]
    assert failure == {"stage": "store-files", "errorType": "NotConfigured", "message": why}
    assert [sent["unitId"] for sent in world.payloads("store-dynamodb")] == [
        "00000-000",
        "00000-002",
    ]


def test_files_that_lack_rows_fail_the_unit(deployment: Deployment, world: World) -> None:
    world.targets, world.unwritten, world.objects = ["files", "dynamodb"], 1, 1
    deployment.run(sqs_event(RUN))
    failure = world.units["00000-000"]["failure"]
    assert (failure["stage"], failure["message"]) == ("store-files", "5 of 6 rows were stored")
    assert world.count("store-dynamodb") == 0


def test_a_job_reads_the_output_of_the_job_before_it(deployment: Deployment, world: World) -> None:
    world.objects = 1
    world.jobs = [
        {"stage": "clean", "engine": "glue", "timeoutSeconds": 60},
        {"stage": "enrich", "engine": "glue", "timeoutSeconds": 60},
    ]

    deployment.run(sqs_event(RUN))

    first, second = world.payloads("submit-job")
    assert "inputUrl" not in first
    assert second["inputUrl"] == "s3://data/00000-000/clean/1/"
    assert world.payloads("validate")[0]["inputUrl"] == "s3://data/00000-000/enrich/1/"


def test_what_is_stored_names_the_execution_that_holds_the_run(
    deployment: Deployment, world: World
) -> None:
    world.claim = {"outcome": "CLAIMED", "runAttempt": 1, "holder": "arn:holder"}

    deployment.run(sqs_event(RUN))

    for step in ("transform", "store-dynamodb"):
        assert {reported["executionArn"] for reported in world.payloads(step)} == {"arn:holder"}


def test_units_run_one_after_another_unless_asked_otherwise(
    deployment: Deployment, world: World
) -> None:
    deployment.run(sqs_event(RUN))
    assert world.most_running == 1

    deployment.run(sqs_event({**RUN, "runId": "r-2", "maxConcurrency": 3}))
    assert world.most_running > 1


def test_a_failed_unit_is_recorded_and_the_rest_goes_on(
    deployment: Deployment, world: World
) -> None:
    world.fail("validate", error_named("InvalidData", "too many rejects"), unit="00000-001")

    execution = deployment.run(sqs_event(RUN))

    assert world.unit_status() == {"STORED": 2, "FAILED": 1}
    assert world.units["00000-001"]["failure"] == {
        "stage": "validate",
        "errorType": "InvalidData",
        "message": "too many rejects",
    }
    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_failed_units_within_the_tolerance_do_not_fail_the_run(
    deployment: Deployment, world: World
) -> None:
    world.fail("validate", error_named("InvalidData"), unit="00000-001")

    execution = deployment.run(sqs_event({**RUN, "toleratedFailurePercentage": 34}))

    assert execution.response == {"batchItemFailures": []}


def test_slices_of_a_large_unit_follow_one_another(deployment: Deployment, world: World) -> None:
    world.objects = 1
    world.slices = [{"rows": 4, "nextRow": 4}, {"rows": 1, "nextRow": 5}, {"rows": 1}]

    deployment.run(sqs_event(RUN))

    assert [call["firstRow"] for call in world.payloads("store-dynamodb")] == [0, 4, 5]
    assert world.unit_status() == {"STORED": 1}


@pytest.mark.parametrize("slices", [[{"rows": 5}], [{"rows": 3, "nextRow": 0}]])
def test_a_unit_of_which_not_every_row_was_stored_has_failed(
    deployment: Deployment, world: World, slices: list[dict[str, Any]]
) -> None:
    world.objects = 1
    world.slices = list(slices)

    deployment.run(sqs_event(RUN))

    failure = world.units["00000-000"]["failure"]
    assert (failure["stage"], failure["errorType"]) == ("store-dynamodb", "InvalidData")
    assert f"{slices[0]['rows']} of 6 rows were stored" in failure["message"]


def test_the_warehouse_is_prepared_once_before_the_units(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["redshift"]

    deployment.run(sqs_event(RUN))

    names = [name for name, _ in world.calls]
    assert names.count("prepare-warehouse") == 1
    assert names.index("prepare-warehouse") < names.index("record-unit")
    assert world.payloads("prepare-warehouse") == [{"runId": "r-1", METERED: True}]


def test_a_warehouse_that_is_not_asked_for_is_not_prepared(
    deployment: Deployment, world: World
) -> None:
    deployment.run(sqs_event(RUN))
    world.targets, world.objects = ["redshift"], 0
    deployment.run(sqs_event({**RUN, "runId": "r-2"}))

    assert world.count("prepare-warehouse") == 0


def test_a_run_that_only_leaves_its_own_rows_there_does_not_depend_on_the_warehouse(
    deployment: Deployment, world: World
) -> None:
    world.warehouse = True
    world.fail("prepare-warehouse", error_named("NotConfigured", "run: pipeline upload"))

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.unit_status() == {"STORED": 3}
    names = [name for name, _ in world.calls]
    assert names.index("prepare-warehouse") > names.index("record-run")
    deployment.run(sqs_event({**RUN, "runId": "r-2"}))
    (row,) = [p for p in world.payloads("submit-job") if p["key"]["stage"] == "record-run"]
    assert row["key"]["runId"] == "r-2"


def test_a_table_that_does_not_fit_the_contract_ends_the_run_with_what_it_needs(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["redshift"]
    world.fail("prepare-warehouse", error_named("InvalidDataset", "run: ALTER TABLE …"))

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}  # sending it again would not help
    (recorded,) = world.payloads("record-run")
    assert (recorded["status"], recorded["reason"]) == ("FAILED", "run: ALTER TABLE …")
    assert world.payloads("reject-message")[0]["reason"] == "run: ALTER TABLE …"
    assert world.count("validate") == 0


CONFLICT = "ERROR: 1023 DETAIL: Serializable isolation violation on table"
TOO_LONG = "ERROR: Load into table 'load_files' failed"


def test_a_load_that_conflicts_is_submitted_again_as_a_new_job(
    deployment: Deployment, world: World
) -> None:
    world.targets, world.objects = ["redshift"], 1
    world.job_responses["store-redshift"] = [{"state": "FAILED", "error": CONFLICT}] * 2

    deployment.run(sqs_event(RUN))

    loads = [
        payload["key"]["attempt"]
        for payload in world.submissions()
        if payload["key"]["stage"] == "store-redshift"
    ]
    assert loads == [1, 2, 3]
    assert world.unit_status() == {"STORED": 1}
    assert world.count("explain-load") == 0


def test_a_load_that_fails_on_its_rows_is_explained_and_not_tried_again(
    deployment: Deployment, world: World
) -> None:
    world.targets, world.objects = ["redshift"], 1
    world.job_responses["store-redshift"] = [{"state": "FAILED", "error": TOO_LONG}]

    deployment.run(sqs_event(RUN))

    failure = world.units["00000-000"]["failure"]
    assert failure["errorType"] == "JobFailed"
    assert failure["jobId"] == "job-00000-000-store-redshift-1"
    assert failure["message"].endswith("part-00000.parquet, row 7, column note")
    assert world.payloads("explain-load")[0]["error"].endswith(TOO_LONG)


def test_a_failure_that_cannot_be_explained_is_reported_as_it_came(
    deployment: Deployment, world: World
) -> None:
    world.targets, world.objects = ["redshift"], 1
    world.job_responses["store-redshift"] = [{"state": "FAILED", "error": TOO_LONG}]
    world.fail("explain-load", error_named("NotFound"))

    deployment.run(sqs_event(RUN))

    failure = world.units["00000-000"]["failure"]
    assert failure["stage"] == "store-redshift"
    assert failure["message"].endswith(TOO_LONG)


def test_a_passing_failure_is_retried_and_leaves_no_trace(
    deployment: Deployment, world: World
) -> None:
    world.fail("transform", error_named("TransientFailure"), error_named("Throttled"))

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.count("transform") == 5
    assert world.unit_status() == {"STORED": 3}


def test_an_empty_listing_ends_the_run_as_skipped(deployment: Deployment, world: World) -> None:
    world.objects = 0

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    (recorded,) = world.payloads("record-run")
    assert recorded["status"] == "SKIPPED"
    assert "no objects to process: dataset orders from 2026-11-01" in recorded["reason"]
    assert world.events() == ["run-started", "run-ended"]


def test_a_run_over_hidden_objects_only_is_skipped_and_says_so(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.hidden = 0, 1

    deployment.run(sqs_event({"datasetName": "orders", "inputUrl": "s3://data/_SUCCESS"}))

    (recorded,) = world.payloads("record-run")
    assert recorded["status"] == "SKIPPED"
    assert "s3://data/_SUCCESS; 1 hidden object was left out" in recorded["reason"]


def test_an_empty_listing_names_the_bucket_and_prefix_that_were_looked_at(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.looked_at = 0, "s3://data/landing/orders/ (suffix .csv)"

    deployment.run(sqs_event(RUN))

    (recorded,) = world.payloads("record-run")
    assert recorded["reason"].endswith("; looked at s3://data/landing/orders/ (suffix .csv)")


def test_a_run_without_new_objects_is_skipped_with_the_counts(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.already_stored = 0, 1500

    deployment.run(sqs_event({**RUN, "onlyNew": True}))

    (recorded,) = world.payloads("record-run")
    assert recorded["status"] == "SKIPPED"
    assert recorded["reason"].startswith("no new objects to process: dataset orders from")
    assert "; 1,500 listed, 1,500 already stored" in recorded["reason"]


def test_a_run_beside_another_that_takes_new_objects_is_skipped_and_supersedes_nothing(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.skipped = 0, "run r0 takes the new objects of orders"

    execution = deployment.run(sqs_event({**RUN, "onlyNew": True, "retryOf": "r-failed"}))

    assert execution.response == {"batchItemFailures": []}
    (recorded,) = world.payloads("record-run")
    assert (recorded["status"], recorded["reason"]) == ("SKIPPED", world.skipped)
    assert recorded["refused"], "the retried run is to be as it was"
    assert world.payloads("reject-message") == []


def test_a_run_over_objects_that_were_left_out_says_why_each_was(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.hidden, world.excluded, world.reason = 0, 2, 1, "it is late"

    deployment.run(sqs_event({"datasetName": "orders", "inputUrl": "s3://data/a.tmp"}))

    (recorded,) = world.payloads("record-run")
    assert recorded["status"] == "SKIPPED"
    for said in ("2 hidden objects were left out", "source.exclude); it is late"):
        assert said in recorded["reason"]
    assert "1 excluded object was left out" in recorded["reason"]


def test_the_removal_of_an_object_is_acknowledged_and_starts_nothing(
    deployment: Deployment, world: World
) -> None:
    removed = {"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "landing/orders/a"}}}

    execution = deployment.run(sqs_event({"Records": [removed]}))

    assert execution.response == {"batchItemFailures": []}
    assert world.calls == []


def test_the_reason_names_the_object_that_a_key_stands_for(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.input_url = 0, "s3://data/landing/orders/_SUCCESS"

    deployment.run(sqs_event({"data_source": "_SUCCESS", "processing_type": "orders"}))

    (recorded,) = world.payloads("record-run")
    assert "no objects to process: s3://data/landing/orders/_SUCCESS" in recorded["reason"]


def test_an_invalid_message_is_rejected_and_its_neighbours_run(
    deployment: Deployment, world: World
) -> None:
    execution = deployment.run(sqs_event("{broken", RUN, {"runId": "r-9"}))

    assert execution.response == {"batchItemFailures": []}
    not_json, incomplete = world.payloads("reject-message")
    assert not_json["messageId"] == "m-1"
    assert not_json["body"] == "{broken"
    assert "not JSON" in not_json["reason"]
    assert incomplete["runId"] == "r-9"
    assert "datasetName: is required" in incomplete["reason"]
    assert "startDateTime" in incomplete["reason"]
    assert world.unit_status() == {"STORED": 3}


def test_an_unknown_dataset_is_recorded_and_rejected_not_retried(
    deployment: Deployment, world: World
) -> None:
    world.fail("load-dataset", error_named("InvalidDataset", "dataset ordrs: not known"))

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.payloads("reject-message")[0]["reason"] == "dataset ordrs: not known"
    assert world.payloads("record-run")[0]["status"] == "FAILED"
    assert world.events() == ["run-started", "run-ended"]


def test_a_run_id_with_other_content_is_rejected_without_touching_the_run(
    deployment: Deployment, world: World
) -> None:
    world.fail("claim-run", error_named("RunConflict", "query: sent a, the run has b"))

    deployment.run(sqs_event(RUN))

    assert world.payloads("reject-message")[0]["reason"] == "query: sent a, the run has b"
    assert world.count("record-run") == 0


@pytest.mark.parametrize("outcome", ["LIVE", "ENDED"])
def test_a_repeated_message_starts_nothing(
    deployment: Deployment, world: World, outcome: str
) -> None:
    world.claim = {"outcome": outcome, "runAttempt": 1, "holder": "arn:other"}

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert [name for name, _ in world.calls] == ["claim-run"]


def test_the_same_run_twice_in_a_batch_runs_once(deployment: Deployment, world: World) -> None:
    deployment.run(sqs_event(RUN, RUN))

    assert world.count("claim-run") == 1
    assert world.count("validate") == 3


def test_a_taken_over_run_skips_what_is_stored(deployment: Deployment, world: World) -> None:
    world.claim = {"outcome": "TAKEN_OVER", "runAttempt": 2}
    world.stored_before = {"00000-000", "00000-002"}

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert set(world.units) == {"00000-001"}
    assert world.payloads("submit-job")[0]["key"]["attempt"] == 11


def test_a_long_run_is_handed_over_and_its_message_acknowledged(
    deployment: Deployment, world: World
) -> None:
    world.unit_seconds = 201  # three units one after another: 603 s

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.count("start-run") == 1
    assert world.count("validate") == 0
    assert world.events() == ["run-started"]


def test_the_declared_seconds_of_a_batch_are_summed(deployment: Deployment, world: World) -> None:
    world.unit_seconds = 100
    runs = [{**RUN, "runId": f"r-{number}"} for number in range(3)]

    deployment.run(sqs_event(*runs))

    assert world.count("start-run") == 1
    assert {payload["runId"] for payload in world.payloads("validate")} == {"r-0", "r-1"}


@pytest.mark.parametrize(("detached", "handed_over"), [(True, 1), (False, 0)])
def test_the_request_decides_where_it_runs(
    deployment: Deployment, world: World, detached: bool, handed_over: int
) -> None:
    world.unit_seconds = 1 if detached else 500

    deployment.run(sqs_event({**RUN, "detached": detached}))

    assert world.count("start-run") == handed_over


def test_a_run_that_ran_out_of_time_here_is_handed_over_next_time(
    deployment: Deployment, world: World
) -> None:
    world.claim = {"outcome": "TAKEN_OVER", "runAttempt": 2, "previousTimedOut": True}

    deployment.run(sqs_event(RUN))

    assert world.count("start-run") == 1


def test_the_long_running_function_takes_a_handed_over_run_to_its_end(
    deployment: Deployment, world: World
) -> None:
    event = {"request": {**RUN}, "runAttempt": 1, "handedOverBy": "arn:pipeline"}

    execution = deployment.run(event, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert world.payloads("claim-run")[0]["handedOverBy"] == "arn:pipeline"
    assert world.events() == ["run-ended"]  # the execution that claimed it announced the start
    assert world.unit_status() == {"STORED": 3}


def test_a_failed_run_fails_its_own_execution(deployment: Deployment, world: World) -> None:
    world.fail("transform", error_named("InvalidData", "boom"), unit="00000-000")

    execution = deployment.run(RUN, app.handle_run)

    assert execution.status == "FAILED"
    assert "RunFailed" in execution.error.type
    assert "r-1 failed" in execution.error.message


def test_a_direct_start_needs_no_queue_and_is_named_by_its_execution(
    deployment: Deployment,
) -> None:
    request = {"datasetName": "orders", "startDateTime": "2026-11-01"}

    execution = deployment.run(request, execution_name="nightly-7")

    assert execution.response["runId"] == "nightly-7"
    assert execution.response["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("seconds", "detached", "handed_over"),
    [(100, None, False), (300, None, True), (100, True, True), (300, False, False)],
)
def test_a_direct_start_that_is_too_long_for_its_function_is_handed_over(
    deployment: Deployment, world: World, seconds: int, detached: bool | None, handed_over: bool
) -> None:
    world.unit_seconds = seconds  # three units one after another, and 600 are taken on
    request = {**RUN, **({} if detached is None else {"detached": detached})}

    execution = deployment.run(request)

    assert ("handedOverTo" in execution.response) == handed_over
    assert world.count("validate") == (0 if handed_over else 3)
    assert execution.response["runId"] == "r-1"


def test_an_invalid_direct_start_fails_with_all_reasons(deployment: Deployment) -> None:
    execution = deployment.run({"datasetName": 5})

    assert execution.status == "FAILED"
    assert "datasetName" in execution.error.message
    assert "startDateTime" in execution.error.message


def test_a_large_run_is_processed_by_child_executions(deployment: Deployment, world: World) -> None:
    world.objects = 5
    world.units_per_shard = 2

    execution = deployment.run(RUN, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert execution.operations()["run-shard"] == 3
    assert sorted(world.units) == [
        "00000-000", "00000-001", "00001-000", "00001-001", "00002-000",
    ]  # fmt: skip
    assert world.count("record-run") == 1


def test_a_large_run_started_directly_is_handed_over(deployment: Deployment, world: World) -> None:
    world.objects = 5
    world.units_per_shard = 2

    execution = deployment.run(RUN)

    assert execution.response == {"runId": "r-1", "handedOverTo": "arn:test-r-1-1"}
    assert world.units == {}


def test_an_execution_that_lost_its_run_does_not_decide_its_outcome(
    deployment: Deployment, world: World
) -> None:
    world.fail("submit-job", error_named("OwnershipLost"), unit="00000-000")
    world.fail("ended", error_named("OwnershipLost"), unit="00000-001")
    world.fail("record-run", error_named("OwnershipLost"))  # as the step fails then
    world.objects = 2

    execution = deployment.run(sqs_event(RUN))

    assert world.count("record-unit") == 0
    assert world.events() == ["run-started"]
    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_a_unit_whose_outcome_cannot_be_recorded_does_not_keep_the_run_from_its_end(
    deployment: Deployment, world: World
) -> None:
    world.objects = 5
    world.units_per_shard = 2
    world.fail("validate", error_named("InvalidData"), unit="00001-000")
    world.fail("record-unit", error_named("PipelineError"), unit="00001-000")

    execution = deployment.run({**RUN, "toleratedFailurePercentage": 20}, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert world.unit_status() == {"STORED": 4, "RUNNING": 1}
    assert world.count("record-run") == 1
    assert world.events() == ["run-started", "run-ended"]


def test_a_shard_that_fails_does_not_keep_the_others_from_running(
    deployment: Deployment, world: World
) -> None:
    world.objects = 6
    world.units_per_shard = 2
    world.fail("list-urls/1", error_named("PipelineError"))

    execution = deployment.run({**RUN, "toleratedFailurePercentage": 50}, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert sorted(world.units) == ["00000-000", "00000-001", "00002-000", "00002-001"]


def test_news_that_cannot_be_sent_do_not_change_the_outcome(
    deployment: Deployment, world: World
) -> None:
    world.fail("notify", *[error_named("PipelineError")] * 2)

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.unit_status() == {"STORED": 3}


@pytest.mark.parametrize(
    "bad",
    [
        json.dumps({**RUN, "startDateTime": "0001-01-01T00:00:00+05:00"}),
        json.dumps({**RUN, **{f"field{number}": 1 for number in range(300)}}),
        "€" * 300_000,
    ],
    ids=["a time out of range", "hundreds of problems", "a long text"],
)
def test_the_worst_message_does_not_take_its_neighbours_along(
    deployment: Deployment, world: World, bad: str
) -> None:
    before, after = ({**RUN, "runId": run_id} for run_id in ("r-before", "r-after"))

    execution = deployment.run(sqs_event(before, bad, after))

    assert execution.response == {"batchItemFailures": []}
    (rejected,) = world.payloads("reject-message")
    assert rejected["messageId"] == "m-2"
    assert len(json.dumps(rejected)) < 1024 * 1024
    reason, cut, _ = rejected["reason"].partition(" (only the beginning of the message is stored)")
    assert len(json.dumps(reason)) <= STORED_REASON_BYTES
    if cut:  # as late as possible: one character more, of six bytes, is too much
        assert STORED_BODY_BYTES - 6 < len(json.dumps(rejected["body"])) <= STORED_BODY_BYTES
    else:
        assert (rejected["body"], len(json.dumps(bad)) <= STORED_BODY_BYTES) == (bad, True)
    assert world.count("validate") == 6


def test_a_retry_of_a_run_that_stored_everything_says_so(
    deployment: Deployment, world: World
) -> None:
    world.objects = 0

    deployment.run(sqs_event({**RUN, "retryOf": "r-0"}))

    assert "run r-0 has stored all it had" in world.payloads("record-run")[0]["reason"]
