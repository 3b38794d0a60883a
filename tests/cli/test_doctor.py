"""`pipeline doctor`: what it finds, and that what it cannot see does not stop it."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import make_table
from botocore.exceptions import ClientError
from cli_world import EXECUTION_ARN, History, World, pipeline
from json_documents import document

from cli.client.deployment import Deployment
from cli.commands import doctor as doctor_command
from cli.exit_codes import FAILED, SUCCEEDED
from cli.health import contract_checks, expectation_checks, run_checks, service_checks
from cli.health.alarm_advice import ALARM_ADVICE
from cli.health.checks import CHECKS, diagnose
from cli.health.diagnosis import Health
from cli.verify.account_checks import alarms_of_template
from contracts.ledger_items import PoolsFileItem, place_in_list
from contracts.run_request import format_timestamp

ROOT = Path(__file__).resolve().parents[2]
WATCHER = "arn:aws:lambda:us-east-1:000000000000:function:s-JobWatcherFunction"
CONTRACT = (ROOT / "datasets" / "standard.yaml").read_bytes()
INDEXES = {
    "active-jobs": ("active", "submitted_at"),
    "by-claim-day": ("claim_day", "claimed"),
}
EXPECTING = """\
name: visits
source: {prefix: landing/visits/, partition: dt=%Y-%m-%d/}
columns: [{name: id}]
targets: {dynamodb: {key: [id]}}
expect: {by: "00:00"}
"""


@dataclass
class FakeCloudWatch:
    """Alarms with their states, and how old the latest datapoint of each metric is, in seconds."""

    states: dict[str, str] = field(default_factory=dict)
    ages: dict[str, float] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    refuses: bool = False
    on_for: timedelta = timedelta(minutes=12, seconds=5)

    def get_paginator(self, _operation: str) -> FakeCloudWatch:
        return self

    def paginate(self, AlarmNamePrefix: str) -> list[dict[str, Any]]:  # noqa: N803
        alarms = [
            {
                "AlarmName": f"s-{name}-1A2B3C",
                "StateValue": state,
                "AlarmDescription": f"{name} is on.",
                "StateReason": "",
                "StateUpdatedTimestamp": datetime.now(UTC) - self.on_for,
            }
            for name, state in self.states.items()
        ]
        return [{"MetricAlarms": [a for a in alarms if a["AlarmName"].startswith(AlarmNamePrefix)]}]

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        name, (statistic,) = asked["MetricName"], asked["Statistics"]
        if self.refuses:
            error = {"Error": {"Code": "InvalidParameterValue", "Message": "not measured"}}
            raise ClientError(error, "GetMetricStatistics")
        if name not in self.ages:
            return {"Datapoints": []}
        at = datetime.now(UTC) - timedelta(seconds=self.ages[name])
        return {"Datapoints": [{"Timestamp": at, statistic: self.values.get(name, 1.0)}]}


@pytest.fixture
def watch() -> FakeCloudWatch:
    return FakeCloudWatch({"DeadLettersAlarm": "OK"}, {"Invocations": 60})


@pytest.fixture
def healthy(local: World, watch: FakeCloudWatch) -> Deployment:
    """A deployment without problems."""
    deployment = local.deployment
    deployment._clients["cloudwatch"] = watch  # noqa: SLF001 - as `client` would make it
    s3 = deployment.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="datasets/standard.yaml", Body=CONTRACT)
    outputs = {
        **deployment.outputs,
        "JobWatcherFunctionArn": WATCHER,
        "ReaperFunctionArn": WATCHER.replace("JobWatcher", "Reaper"),
    }
    deployment.client("dynamodb").delete_table(TableName="ledger")
    make_table("ledger", ("run_id", "item"), INDEXES)
    return replace(deployment, outputs=outputs, stack="s", stack_name="s")


def ended_history(event_type: str, seconds_ago: float) -> History:
    history = History()
    history.add("ExecutionStarted")
    history.add(event_type)
    for event in history.events:
        event["EventTimestamp"] = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return history


def put_active_run(local: World, run_id: str = "run-1", **more: Any) -> None:
    local.put_run(run_id, active="run", submitted_at="2026-11-30T00:00:00Z", **more)


def test_a_healthy_deployment(healthy: Deployment) -> None:
    found = diagnose(healthy)
    assert {one.health for one in found} == {Health.OK}
    assert len(found) == len(CHECKS)


def test_the_command_prints_findings_with_advice_and_fails_by_problems(
    healthy: Deployment, monkeypatch: pytest.MonkeyPatch, watch: FakeCloudWatch
) -> None:
    monkeypatch.setattr(doctor_command, "find_deployment", lambda *_: healthy)
    result = pipeline("doctor")
    assert result.exit_code == SUCCEEDED
    assert "PROBLEM" not in result.stdout

    watch.states["PoolsFileBrokenAlarm"] = "ALARM"
    result = pipeline("doctor")
    assert result.exit_code == FAILED
    assert "on for 12 min: PoolsFileBrokenAlarm is on." in result.stdout
    assert "→ pipeline pools says what is wrong" in result.stdout

    found = document("doctor", pipeline("doctor", "--json").stdout)
    assert not found["healthy"]
    assert [one["about"] for one in found["findings"] if one["health"] == "PROBLEM"] == [
        "alarm PoolsFileBrokenAlarm"
    ]


def test_what_cannot_be_seen_does_not_stop_the_others(healthy: Deployment) -> None:
    healthy.client("sqs").delete_queue(QueueUrl=healthy.output("DeadLetterQueueUrl"))
    found = {one.about: one for one in diagnose(healthy)}
    assert found["dead letters"].health is Health.UNKNOWN
    assert found["jobs"].health is Health.OK


@pytest.mark.parametrize(
    ("age", "health"), [(60, Health.OK), (900, Health.PROBLEM), (None, Health.PROBLEM)]
)
def test_the_watchers_last_wake(
    healthy: Deployment, watch: FakeCloudWatch, age: float | None, health: Health
) -> None:
    watch.ages = {} if age is None else {"Invocations": age}
    (found,) = service_checks.watcher(healthy)
    assert found.health is health


def test_a_watcher_of_a_new_deployment_is_not_silent_yet(
    healthy: Deployment, watch: FakeCloudWatch
) -> None:
    watch.ages, watch.states = {}, {"SilentWatcherAlarm": "ALARM", "DeadLettersAlarm": "OK"}
    new = replace(healthy, deployed_at=datetime.now(UTC) - timedelta(seconds=30))
    assert service_checks.watcher(new)[0].health is Health.UNKNOWN
    assert service_checks.alarms(new)[0].health is Health.OK
    assert service_checks.alarms(healthy)[0].about == "alarm SilentWatcherAlarm"


def test_metrics_that_the_local_cloud_lacks(healthy: Deployment, watch: FakeCloudWatch) -> None:
    watch.refuses = True
    here = replace(healthy, endpoint_url="http://127.0.0.1:1")
    assert service_checks.watcher(here)[0].health is Health.UNKNOWN
    with pytest.raises(ClientError):
        service_checks.watcher(healthy)


def test_requests_that_wait(healthy: Deployment, watch: FakeCloudWatch) -> None:
    queue = healthy.output("DataProcessingQueueUrl")
    healthy.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    assert service_checks.queue(healthy)[0].found == "1 waiting, 0 being processed"
    watch.ages["ApproximateAgeOfOldestMessage"] = 30
    watch.values["ApproximateAgeOfOldestMessage"] = 7200.0
    (found,) = service_checks.queue(healthy)
    assert found.health is Health.ATTENTION
    assert "the oldest has waited 2 h" in found.found


def test_every_alarm_has_its_advice_and_its_row_in_the_manual() -> None:
    assert ALARM_ADVICE.keys() == set(alarms_of_template())
    manual = (ROOT / "docs" / "operations.md").read_text("utf-8")
    rows = re.findall(r"^\| ([A-Z][A-Za-z, ]+) \| .+ \| .+ \|$", manual, re.MULTILINE)
    named = {f"{name}Alarm" for row in rows for name in row.split(", ")}
    assert ALARM_ADVICE.keys() <= named


def test_contracts_that_are_broken_or_not_there(healthy: Deployment) -> None:
    s3 = healthy.client("s3")
    s3.put_object(Bucket="code", Key="datasets/bad.yaml", Body=b"name: bad\nformat: {}\n")
    (found,) = contract_checks.contracts(healthy)
    assert (found.about, found.health) == ("dataset bad", Health.PROBLEM)
    assert "source" in found.found
    assert found.advice == "correct datasets/bad.yaml, then: pipeline upload --stack s"
    for key in ("bad", "standard"):
        s3.delete_object(Bucket="code", Key=f"datasets/{key}.yaml")
    assert contract_checks.contracts(healthy)[0].found == "there are none"


@pytest.mark.parametrize("seconds", [0, -30])
def test_an_alarm_that_has_just_come_on(
    healthy: Deployment, watch: FakeCloudWatch, seconds: int
) -> None:
    watch.states["PoolsFileBrokenAlarm"] = "ALARM"
    watch.on_for = timedelta(seconds=seconds)  # by another clock it is still to come
    (found,) = service_checks.alarms(healthy)
    assert found.found == "came on just now: PoolsFileBrokenAlarm is on."


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"# caf\xe9\n", "is not UTF-8"),
        (b'description: "\\U00110000"\n', "is no character; the last one is"),
    ],
)
def test_a_contract_that_no_run_can_read(healthy: Deployment, line: bytes, why: str) -> None:
    body = CONTRACT + b'expect: {by: "00:00"}\n' + line
    healthy.client("s3").put_object(Bucket="code", Key="datasets/standard.yaml", Body=body)
    (found,) = contract_checks.contracts(healthy)
    assert (found.about, found.health) == ("dataset standard", Health.PROBLEM)
    assert why in found.found
    (days,) = expectation_checks.expectations(healthy)
    assert days.found == "no contract expects any"


def test_a_day_that_is_expected_and_not_stored(healthy: Deployment, local: World) -> None:
    (found,) = expectation_checks.expectations(healthy)
    assert (found.health, found.found) == (Health.OK, "no contract expects any")
    s3 = healthy.client("s3")
    s3.put_object(Bucket="code", Key="datasets/bad.yaml", Body=b"expect: {by: 7}\n")
    text = EXPECTING.encode()
    s3.put_object(Bucket="code", Key="datasets/visits.yaml", Body=text)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()

    (found,) = expectation_checks.expectations(healthy)

    assert (found.about, found.health) == ("dataset visits", Health.PROBLEM)
    assert found.found.startswith(
        f"The data of {yesterday} of visits is not stored by 00:00 UTC: no run of it was claimed"
    )
    assert found.advice is not None
    assert found.advice.startswith(f"pipeline run --dataset visits --start {yesterday} --end ")
    assert found.advice.endswith(" --wait --stack s")

    claimed_at = format_timestamp(datetime.now(UTC))
    asked = {"datasetName": "visits", "runId": "r1", "startDateTime": yesterday.isoformat()}
    local.put_run(
        "r1",
        dataset_name="visits",
        status="SUCCEEDED",
        request=json.dumps(asked),
        end_date_time=claimed_at,
        claimed_at=claimed_at,
        units={"total": 1, "stored": 1},
        **place_in_list(claimed_at, "r1"),
    )
    stored = f"s3://data/landing/visits/dt={yesterday}/a.csv"
    local.put({"run_id": "r1", "item": "UNIT#00000-000", "status": "STORED", "source_url": stored})
    (found,) = expectation_checks.expectations(healthy)
    assert (found.health, found.found) == (Health.OK, "1 dataset, all stored")


def test_a_ledger_of_an_earlier_release_has_no_list_of_runs(healthy: Deployment) -> None:
    healthy.client("s3").put_object(
        Bucket="code", Key="datasets/visits.yaml", Body=EXPECTING.encode()
    )
    healthy.client("dynamodb").delete_table(TableName="ledger")
    make_table("ledger", ("run_id", "item"), {"active-jobs": ("active", "submitted_at")})

    (found,) = expectation_checks.expectations(healthy)
    assert found.health is Health.UNKNOWN


def test_a_broken_pools_file(healthy: Deployment, local: World) -> None:
    assert contract_checks.pools(healthy)[0].health is Health.OK
    key = PoolsFileItem.key_of()
    local.put(
        {**key._asdict(), "problem": "glue: must be a number", "problem_at": "2026-11-30T00:00:00Z"}
    )
    (found,) = contract_checks.pools(healthy)
    assert (found.health, found.found) == (Health.PROBLEM, "glue: must be a number")


@pytest.mark.parametrize(
    ("last", "seconds", "health"),
    [
        ("ChainedInvokeStarted", 60, Health.OK),
        ("ChainedInvokeStarted", 2 * 3600, Health.ATTENTION),
        ("ExecutionFailed", 60, Health.OK),  # the reaper's turn
        ("ExecutionFailed", 3600, Health.PROBLEM),
    ],
)
def test_active_runs_by_their_executions_last_event(
    healthy: Deployment, local: World, last: str, seconds: float, health: Health
) -> None:
    local.functions.histories[EXECUTION_ARN] = ended_history(last, seconds)
    put_active_run(local)
    (found,) = run_checks.runs(healthy)
    assert found.health is health
    assert (found.about == "run run-1") == (health is not Health.OK)


def test_a_run_whose_execution_is_gone(healthy: Deployment, local: World) -> None:
    put_active_run(local, updated_at="2026-11-20T00:00:00Z")
    (found,) = run_checks.runs(healthy)
    assert found.health is Health.PROBLEM
    assert "not there any more" in found.found


def test_runs_that_wait_are_not_stuck(healthy: Deployment, local: World) -> None:
    put_active_run(local, waits_until="2026-11-30T12:00:00Z", updated_at="2026-11-20T00:00:00Z")
    assert run_checks.runs(healthy)[0].health is Health.OK


@pytest.mark.parametrize(("late", "health"), [(60, Health.OK), (7200, Health.PROBLEM)])
def test_overdue_jobs(healthy: Deployment, local: World, late: int, health: Health) -> None:
    job = {
        "run_id": "run-1",
        "item": "JOB#00000-000#clean#0001",
        "job_id": "run-1-0-clean-1",
        "engine": "glue",
        "active": "glue",
        "submitted_at": "2026-11-30T00:00:00Z",
        "state": "RUNNING",
        "deadline": int(time.time()) - late,
    }
    local.put(job)
    (found,) = run_checks.jobs(healthy)
    assert found.health is health
    if health is Health.PROBLEM:
        assert found.found == "glue job of unit 00000-000 is 2 h 0 min past its deadline"
        assert found.advice == "pipeline jobs run-1 --stack s"
