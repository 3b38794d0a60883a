"""What an execution leaves behind when it ends badly, on the deployed template."""

from __future__ import annotations

import json

import pytest
from deployed_template import resources
from running_cloud import Item, RunningCloud, wait_until
from test_whole_pipeline import run_request

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("end-to-end"),
]


STACK = "durable-pipeline"


def job_of(cloud: RunningCloud, run_id: str, *states: str) -> Item:
    def found() -> Item | None:
        jobs = cloud.ledger(run_id, "JOB#")
        fitting = (job for job in jobs if "service_id" in job and job["state"]["S"] in states)
        return next(fitting, None)

    return wait_until(found, f"a job of {run_id} to be {' or '.join(states)}")


def announced(cloud: RunningCloud, run_id: str) -> Item:
    """The run-ended notification, as its consumer noted it."""

    def found() -> Item | None:
        events = cloud.ledger(run_id, "EVENT#")
        return next((event for event in events if "run-ended" in event["item"]["S"]), None)

    return wait_until(found, f"the end of {run_id} to be announced")


def assert_counted(cloud: RunningCloud, metric: str, execution: str) -> None:
    """The reaper's log holds the metric, under the name of the execution's function."""
    logs = cloud.cloud.client("logs")
    group = f"/aws/lambda/{STACK}/steps"
    function = execution.split(":")[6]

    def found() -> Item | None:
        events = logs.filter_log_events(logGroupName=group, filterPattern=f'"{metric}"')["events"]
        lines = (json.loads(event["message"]) for event in events)
        return next((line for line in lines if line.get("FunctionName") == function), None)

    line = wait_until(found, f"{metric} of {function} in {group}")
    (counted,) = line["_aws"]["CloudWatchMetrics"]
    assert counted["Namespace"] == "DurablePipeline"
    assert set(counted["Dimensions"][0]) == {"FunctionName", "service"}


def test_stopping_an_execution_cancels_its_job_and_marks_its_run(cloud: RunningCloud) -> None:
    with cloud.job_hanging_for("dt=2026-11-01"):
        cloud.send(run_request("e2e-stopped", detached=True))
        job = job_of(cloud, "e2e-stopped", "SUBMITTED", "RUNNING")
        run = cloud.await_run("e2e-stopped", "RUNNING")

        cloud.cloud.client("lambda").stop_durable_execution(
            DurableExecutionArn=run["holder"]["S"], Error={"ErrorMessage": "wrong input"}
        )

        run = cloud.await_run("e2e-stopped", "STOPPED")
        job = job_of(cloud, "e2e-stopped", "CANCELLED")

    assert "its execution was stopped" in run["reason"]["S"]
    assert "its execution was stopped" in job["error"]["S"]
    assert cloud.glue_state(job) == "STOPPED"
    assert announced(cloud, "e2e-stopped")
    assert cloud.results("e2e-stopped")["status"] == "STOPPED"
    assert cloud.stored("e2e-stopped") == []
    assert_counted(cloud, "ExecutionsStopped", run["holder"]["S"])


def test_every_alarm_is_evaluated_or_says_what_is_not_measured(cloud: RunningCloud) -> None:
    described = cloud.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]

    unknown = {alarm["MetricName"] for alarm in described if "not measure" in alarm["StateReason"]}
    assert len(described) == len(resources("AWS::CloudWatch::Alarm"))
    assert unknown == set()
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in described}
    assert next(state for name, state in states.items() if "LongRunTimedOut" in name) == "OK"


@pytest.mark.parametrize("detached", [True, False])
def test_a_stopped_run_stays_stopped_when_its_message_comes_again(
    cloud: RunningCloud, *, detached: bool
) -> None:
    """Not detached, the queue delivers it again by itself; in any case it is sent once more."""
    run_id = f"e2e-stopped-again-{detached}".lower()
    request = run_request(run_id, detached=detached)
    with cloud.job_hanging_for("dt=2026-11-01"):
        cloud.send(request)
        job_of(cloud, run_id, "SUBMITTED", "RUNNING")
        run = cloud.await_run(run_id, "RUNNING")
        cloud.cloud.client("lambda").stop_durable_execution(DurableExecutionArn=run["holder"]["S"])
        job_of(cloud, run_id, "CANCELLED")
    stopped = cloud.await_run(run_id, "STOPPED")

    cloud.send(request)
    after = f"{run_id}-after"
    cloud.send(run_request(after))
    cloud.await_run(after, "SUCCEEDED")
    wait_until(lambda: cloud.queue_is_empty() or None, "every message to be acknowledged")

    run = cloud.run(run_id)
    assert (run["status"]["S"], run["run_attempt"]["N"]) == ("STOPPED", "1")
    assert run["holder"] == stopped["holder"]
    assert cloud.stored(run_id) == []


def test_a_stopped_run_is_processed_by_a_new_request(cloud: RunningCloud) -> None:
    with cloud.job_hanging_for("dt=2026-11-01"):
        cloud.send(run_request("e2e-stopped-old", detached=True))
        job_of(cloud, "e2e-stopped-old", "SUBMITTED", "RUNNING")
        run = cloud.await_run("e2e-stopped-old", "RUNNING")
        cloud.cloud.client("lambda").stop_durable_execution(DurableExecutionArn=run["holder"]["S"])
        cloud.await_run("e2e-stopped-old", "STOPPED")

    cloud.send(run_request("e2e-stopped-new", retryOf="e2e-stopped-old"))

    assert cloud.await_run("e2e-stopped-new", "SUCCEEDED", "FAILED")["status"]["S"] == "SUCCEEDED"


def test_what_went_wrong_is_in_every_record_of_a_failed_job(cloud: RunningCloud) -> None:
    with cloud.job_failing_for("dt=2026-11-01"):
        cloud.send(run_request("e2e-evidence", detached=True))
        cloud.await_run("e2e-evidence", "FAILED")

    job = cloud.ledger("e2e-evidence", "JOB#00000-000#clean#")[-1]  # the last try
    (unit,) = cloud.ledger("e2e-evidence", "UNIT#")
    (failed,) = cloud.results("e2e-evidence")["failures"]

    assert "no such luck" in job["log_tail"]["S"]
    failure = unit["failure"]["M"]
    assert failure["job_id"]["S"] == job["job_id"]["S"]
    assert failure["log_url"]["S"] == job["log_url"]["S"]
    assert "no such luck" in failure["log_tail"]["S"]
    assert "no such luck" in failed["failure"]["logTail"]
    assert announced(cloud, "e2e-evidence")
