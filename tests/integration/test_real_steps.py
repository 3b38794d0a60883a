"""Whole runs over the real step functions: what is stored, recorded, sent, and done only once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from typing import Any, Literal

import pytest
from deployed_steps import DeployedSteps
from world import LONG_RUN, error_named, execution_arn, sqs_event

from durable_pipeline import app
from runs.long.execution_name import execution_name

RUN: dict[str, Any] = {
    "datasetName": "orders",
    "startDateTime": "2026-11-01",
    "endDateTime": "2026-11-04",
    "runId": "r-1",
}
DONE = {"batchItemFailures": []}
BACK_TO_THE_QUEUE = {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


@pytest.mark.slow
def test_a_message_becomes_stored_rows_that_add_up(deployed: DeployedSteps) -> None:
    execution = deployed.run(sqs_event(RUN))

    assert execution.response == DONE
    run, sample = deployed.run_item("r-1"), deployed.sample
    assert run["status"] == "SUCCEEDED"
    assert run["units"]["stored"] == len(sample.files)
    assert run["rows"]["rows_in"] == sample.rows
    assert run["rows"]["rejected"] == sample.rejected
    assert run["rows"]["stored"] == sample.valid == len(deployed.stored_rows())
    events = Counter(event["event"] for event in deployed.cloud.published())
    assert events == {"run-started": 1, "unit-started": 4, "unit-ended": 4, "run-ended": 1}


@pytest.mark.slow
def test_the_warehouse_holds_the_rows_the_units_and_the_jobs_of_the_run(
    deployed: DeployedSteps,
) -> None:
    deployed.run(sqs_event(RUN))

    warehouse = deployed.redshift
    assert warehouse.rows("SELECT COUNT(*), COUNT(DISTINCT unit_id) FROM orders") == [
        [deployed.sample.valid, 4]
    ]
    assert warehouse.rows("SELECT SUM(rows_merged), SUM(rows_older) FROM pipeline_loads") == [
        [str(deployed.sample.valid), "0"]
    ]
    (run,) = warehouse.rows("SELECT status, units_stored, rows_stored FROM pipeline_runs")
    assert run == ["SUCCEEDED", 4, deployed.sample.valid]
    units = "SELECT status, COUNT(*), SUM(rows_stored) FROM pipeline_units GROUP BY status"
    assert warehouse.rows(units) == [["STORED", 4, str(deployed.sample.valid)]]
    jobs = "SELECT engine, state, COUNT(*) FROM pipeline_jobs GROUP BY 1, 2 ORDER BY 1"
    assert warehouse.rows(jobs) == [["glue", "SUCCEEDED", 4], ["redshift", "SUCCEEDED", 4]]


@pytest.mark.slow
def test_hours_of_jobs_pass_in_seconds_and_cost_two_operations_each(
    deployed: DeployedSteps,
) -> None:
    deployed.glue.duration = timedelta(minutes=9)  # of the watcher's clock; the deadline is 10

    execution = deployed.run(sqs_event({**RUN, "maxConcurrency": 4}))

    assert execution.response == DONE
    jobs = len(deployed.items("r-1", "JOB#"))
    operations = execution.operations()
    assert jobs == 4 * 2 + 1  # a Glue job and a load for each unit, and the run's own row
    submitted = operations["submit-job"] + operations["store-redshift"]
    assert (operations["await-job"], submitted) == (jobs, jobs)
    assert operations["check-job"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("woken_by", ["schedule", "events", "nothing"])
def test_schedule_events_and_the_orchestrators_own_look_each_finish_a_run_alone(
    deployed: DeployedSteps, woken_by: Literal["schedule", "events", "nothing"]
) -> None:
    deployed.woken_by = woken_by
    deployed.heartbeat_seconds = 1 if woken_by == "nothing" else 180

    execution = deployed.run(sqs_event({**RUN, "endDateTime": "2026-11-02"}))

    assert execution.response == DONE
    looks = execution.operations()["check-job"]
    assert looks > 0 if woken_by == "nothing" else looks == 0
    assert len(deployed.stored_rows()) == deployed.run_item("r-1")["rows"]["stored"] > 0


@pytest.mark.slow
def test_one_job_id_leads_through_the_whole_trace(deployed: DeployedSteps) -> None:
    execution = deployed.run(sqs_event({**RUN, "endDateTime": "2026-11-02"}))

    (unit,) = deployed.items("r-1", "UNIT#")
    (job,) = deployed.items("r-1", "JOB#00000-000#clean#")
    job_id = job["job_id"]
    (glue_run,) = deployed.glue.runs
    assert glue_run["Arguments"]["--JOB_ID"] == job_id
    assert job_id in unit["job_ids"]
    assert {row["job_id"]["S"] for row in deployed.stored_rows()} == {job_id}
    report_key = f"{job['output_url'].partition('/runs/')[2]}report.json"
    assert deployed.cloud.read_json(f"runs/{report_key}")["jobId"] == job_id
    assert job_id in json.dumps(execution.recording())
    (load_key,) = deployed.cloud.keys("runs/r-1/units/00000-000/load-")
    load = deployed.cloud.read_json(load_key)
    assert job_id in json.dumps(load)


@pytest.mark.slow
def test_a_query_leaves_rows_out_and_they_are_counted(deployed: DeployedSteps) -> None:
    deployed.run(sqs_event({**RUN, "query": "country = 'DE'", "index": "germany"}))

    rows = deployed.run_item("r-1")["rows"]
    stored = deployed.stored_rows()
    assert rows["filtered"] > 0
    assert rows["rows_in"] == rows["filtered"] + rows["rejected"] + rows["stored"]
    assert {row["country"]["S"] for row in stored} == {"DE"}
    assert {row["index"]["S"] for row in stored} == {"germany"}


@pytest.mark.slow
def test_a_failed_run_is_taken_over_and_only_the_missing_unit_is_done_again(
    deployed: DeployedSteps,
) -> None:
    deployed.glue.fail_inputs = ("dt=2026-11-02/orders-2",)
    first = deployed.run(sqs_event(RUN), name="first")
    rows_before = len(deployed.stored_rows())
    deployed.glue.fail_inputs = ()

    second = deployed.run(sqs_event(RUN), name="second")

    assert first.response == BACK_TO_THE_QUEUE
    assert second.response == DONE
    assert sorted(deployed.glue_inputs().values()) == [1, 1, 1, 3]  # two attempts failed before
    run = deployed.run_item("r-1")
    assert (run["status"], run["run_attempt"]) == ("SUCCEEDED", 2)
    assert run["rows"]["stored"] == deployed.sample.valid == len(deployed.stored_rows())
    assert rows_before < deployed.sample.valid


@pytest.mark.slow
def test_a_repeated_message_of_a_finished_run_starts_nothing(deployed: DeployedSteps) -> None:
    message = {**RUN, "endDateTime": "2026-11-02"}
    deployed.run(sqs_event(message), name="first")
    jobs, events = len(deployed.glue.runs), len(deployed.cloud.published())

    execution = deployed.run(sqs_event(message), name="second")

    assert execution.response == DONE
    assert len(deployed.glue.runs) == jobs == 1
    assert events == 4
    assert deployed.cloud.published() == []
    assert execution.operations()["units"] == 0


def same_at_a_repeat(message: Any) -> Any:
    """The message without what may differ when it is sent again, at whichever level."""
    if not isinstance(message, dict):
        return message
    differing = ("callbackId", "operations", "repeats", "usage", "adopted")
    return {
        name: same_at_a_repeat(value) for name, value in message.items() if name not in differing
    }


@pytest.mark.slow
def test_every_step_may_die_after_its_work_and_be_called_again(deployed: DeployedSteps) -> None:
    """Each function does its work, then fails once, for every message it gets.

    A repeat of a unit's end is the same message, though it has used more operations.
    """
    seen: set[str] = set()
    lock = threading.Lock()

    def die_once(operation: str, payload: dict[str, Any]) -> None:
        message = operation + json.dumps(same_at_a_repeat(payload))
        with lock:
            if message in seen:
                return
            seen.add(message)
        raise error_named("TransientFailure", "the response was lost")

    deployed.after_step = die_once

    execution = deployed.run(sqs_event("{broken", RUN))

    assert execution.response == DONE
    run = deployed.run_item("r-1")
    assert (run["status"], run["run_attempt"]) == ("SUCCEEDED", 1)
    assert run["rows"]["stored"] == deployed.sample.valid == len(deployed.stored_rows())
    assert set(deployed.glue_inputs().values()) == {1}
    assert len(deployed.redshift.loads) == 4 + 1
    assert deployed.redshift.rows("SELECT COUNT(*) FROM orders") == [[deployed.sample.valid]]
    assert deployed.redshift.rows("SELECT COUNT(*) FROM pipeline_loads") == [[4]]
    assert len(deployed.cloud.dead_letters()) == 1
    reported = deployed.cloud.published()
    assert len({event["eventId"] for event in reported}) == 10
    assert len(reported) == 20  # each sent twice under one id, never lost


@pytest.mark.slow
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({**RUN, "datasetName": "ordres"}, "did you mean orders?"),
        ({**RUN, "query": "contry = 'DE'"}, "country"),
        ({**RUN, "query": "amount >"}, "query"),
    ],
    ids=["unknown-dataset", "unknown-column", "broken-query"],
)
def test_what_can_never_run_is_stored_with_its_reason(
    deployed: DeployedSteps, message: dict[str, Any], reason: str
) -> None:
    execution = deployed.run(sqs_event(message))

    assert execution.response == DONE
    (letter,) = deployed.cloud.dead_letters()
    assert json.loads(letter["Body"]) == message
    assert reason in letter["MessageAttributes"]["Reason"]["StringValue"]
    run = deployed.run_item("r-1")
    assert run["status"] == "FAILED"
    assert reason in run["reason"]


@pytest.mark.slow
def test_an_empty_range_is_skipped_with_its_reason(deployed: DeployedSteps) -> None:
    message = {**RUN, "startDateTime": "2025-01-01", "endDateTime": "2025-01-02"}

    assert deployed.run(sqs_event(message)).response == DONE

    run = deployed.run_item("r-1")
    assert run["status"] == "SKIPPED"
    assert "no objects" in run["reason"]


@pytest.mark.slow
def test_a_detached_run_is_handed_over_by_name_and_the_twin_claims_it(
    deployed: DeployedSteps,
) -> None:
    message = {**RUN, "endDateTime": "2026-11-02", "detached": True}

    assert deployed.run(sqs_event(message)).response == DONE
    (start,) = deployed.lambda_api.started
    name = execution_name("test", "pipeline", "r-1", 1)
    assert start["DurableExecutionName"] == name
    assert deployed.run_item("r-1")["holder"] == execution_arn(LONG_RUN, name)

    execution = deployed.run(json.loads(start["Payload"]), app.handle_run, name=name)

    assert execution.response["status"] == "SUCCEEDED"
    assert deployed.run_item("r-1")["run_attempt"] == 1


@pytest.mark.slow
def test_after_a_taking_over_both_stores_hold_what_the_job_completed_last(
    deployed: DeployedSteps,
) -> None:
    """The unit was stored, its end was not recorded, and the job's output is another one by now."""

    def forget(name: str, payload: dict[str, Any]) -> None:
        if name == "store-redshift":
            loads.append(payload["runAttempt"])
        if name == "store-dynamodb" and loads == [1]:  # it has recorded the unit's end
            deployed.cloud.ledger.update("r-1", "UNIT#00000-000", {"status": "FAILED"})

    loads: list[int] = []
    deployed.after_step = forget
    event = sqs_event({**RUN, "endDateTime": "2026-11-02"})
    deployed.run(event, name="first")
    before = deployed.redshift.rows("SELECT order_id, note FROM orders ORDER BY 1")
    (data,) = deployed.cloud.keys("runs/r-1/units/00000-000/jobs/clean/1/data/")
    s3 = deployed.cloud.client("s3")
    body = s3.get_object(Bucket="data-bucket", Key=data)["Body"].read()
    deployed.cloud.put(data, body.replace(b"DE", b"AT"))

    second = deployed.run(event, name="second")

    assert second.response == DONE
    assert loads == [1, 2]
    assert len(deployed.redshift.rows("SELECT load_id FROM pipeline_loads")) == 1
    rows = deployed.redshift.rows("SELECT order_id, country FROM orders ORDER BY 1")
    items = {item["order_id"]["S"]: item["country"]["S"] for item in deployed.stored_rows()}
    assert dict(rows) == items
    assert len(rows) == len(before)
    assert "DE" not in items.values()
    assert "AT" in items.values()
