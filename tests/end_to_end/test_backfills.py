"""Backfills on a local cloud, by the command line: paused, resumed, killed, stopped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Operator
from running_cloud import RunningCloud, wait_until

from cli.exit_codes import FAILED, REFUSED, SUCCEEDED

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]
CONTRACT = """
name: {name}
source: {{prefix: landing/{name}/, partition: dt=%Y-%m-%d/}}
columns: [{{name: id, type: string, required: true}}, {{name: count, type: integer}}]
targets: {{dynamodb: {{key: [id]}}}}
"""


@pytest.fixture
def operator(cloud: RunningCloud, signed: Any) -> Operator:
    """Somebody who has what `pipeline backfill` needs, and no more."""
    policies = [cloud.outputs[name] for name in ("OperatorPolicyArn", "BackfillPolicyArn")]
    pipeline: Operator = signed(
        cloud.cloud.permissions.credentials_for("backfiller", attached=policies)
    )
    return pipeline


def put(cloud: RunningCloud, name: str, days: dict[int, str]) -> None:
    """A contract, and an object of one row for these days of November."""
    s3 = cloud.cloud.client("s3")
    body = CONTRACT.format(name=name).encode()
    s3.put_object(Bucket=cloud.outputs["CodeBucketName"], Key=f"datasets/{name}.yaml", Body=body)
    for day, count in days.items():
        s3.put_object(
            Bucket=cloud.outputs["DataBucketName"],
            Key=f"landing/{name}/dt=2026-11-{day:02d}/a.csv",
            Body=f"id,count\n{name}-{day},{count}\n".encode(),
        )


def said(pipeline: Operator, *words: str) -> Any:
    result = pipeline("backfill", *words, "--json")
    return json.loads(result.stdout)


def awaited(pipeline: Operator, name: str, *statuses: str, done: int = 0) -> Any:
    """The backfill once it has one of these statuses, and so many windows are done."""

    def look() -> Any:
        result = pipeline("backfill", "show", name, "--json")
        if result.exit_code != SUCCEEDED:
            return None  # its first execution has not begun yet
        found = json.loads(result.stdout)
        return found if found["status"] in statuses and found["counts"]["done"] >= done else None

    return wait_until(look, f"backfill {name} to be {' or '.join(statuses)}")


def test_a_backfill_is_paused_resumed_and_survives_the_death_of_its_functions(
    cloud: RunningCloud, operator: Operator
) -> None:
    days = {day: "1" for day in range(1, 9)} | {7: "many"}
    del days[5]
    put(cloud, "e2e_backfilled", days)
    words = ("e2e_backfilled", "--from", "2026-11-01", "--to", "2026-11-09", "--name", "e2e-many")
    plan = said(operator, *words, "--dry-run")["plan"]
    assert (plan["chosen"], plan["objects"]) == (8, 7)

    assert said(operator, *words, "--at-once", "2")["outcome"] == "STARTED"
    awaited(operator, "e2e-many", "RUNNING", done=1)
    assert said(operator, "pause", "e2e-many")["outcome"] == "DONE"
    paused = awaited(operator, "e2e-many", "PAUSED")
    assert paused["counts"]["left"] > 0
    assert said(operator, *words, "--at-once", "2")["outcome"] == "EXISTS"

    assert said(operator, "resume", "e2e-many")["outcome"] == "DONE"
    awaited(operator, "e2e-many", "RUNNING", "FAILED", done=paused["counts"]["done"] + 1)
    assert cloud.kill_functions() > 0
    ended = awaited(operator, "e2e-many", "FAILED", "SUCCEEDED")

    assert ended["reason"] == "1 of 8 windows failed"
    counts = ended["counts"]
    assert (counts["done"], counts["empty"], counts["failed"]) == (7, 1, 1)
    assert ended["executions"] == 2
    (failed,) = ended["failed"]
    assert failed["startDateTime"] == "2026-11-07T00:00:00Z"
    assert "type count" in failed["reason"]
    listed = json.loads(operator("ls", "--dataset", "e2e_backfilled", "--json").stdout)["runs"]
    assert len(listed) == 8
    assert {run["runId"][:11] for run in listed} == {"bf-e2e-many"}

    put(cloud, "e2e_backfilled", {7: "9"})
    assert operator("backfill", "resume", "e2e-many").exit_code == REFUSED
    assert said(operator, "resume", "e2e-many", "--failed")["outcome"] == "DONE"
    assert awaited(operator, "e2e-many", "SUCCEEDED")["counts"]["done"] == 8
    again = said(operator, *words[:5], "--only", "failed", "--dry-run", "--name", "e2e-again")
    assert (again["plan"]["chosen"], again["plan"]["passedOver"]) == (0, 8)
    assert [d for d in cloud.cloud.permissions.denials() if "backfiller" in str(d)] == []


def test_an_execution_that_was_stopped_by_hand_ends_it_and_it_can_be_resumed(
    cloud: RunningCloud, operator: Operator
) -> None:
    put(cloud, "e2e_stopped", {day: "1" for day in range(1, 6)})
    words = ("e2e_stopped", "--from", "2026-11-01", "--to", "2026-11-06", "--newest-first")
    said(operator, *words, "--name", "e2e-hand")
    execution = awaited(operator, "e2e-hand", "RUNNING", done=1)["executionArn"]
    cloud.cloud.client("lambda").stop_durable_execution(DurableExecutionArn=execution)
    stopped = awaited(operator, "e2e-hand", "STOPPED", "SUCCEEDED")
    assert stopped["status"] == "STOPPED"
    assert "its execution was stopped" in stopped["reason"]

    assert said(operator, "resume", "e2e-hand")["outcome"] == "DONE"
    ended = awaited(operator, "e2e-hand", "SUCCEEDED")
    assert ended["counts"]["done"] + ended["counts"]["passedOver"] == 5
    runs = json.loads(operator("ls", "--dataset", "e2e_stopped", "--json").stdout)["runs"]
    assert len(runs) == 5


def test_whoever_may_not_start_backfills_may_still_look_and_pause(
    cloud: RunningCloud, signed: Any
) -> None:
    put(cloud, "e2e_refused", {1: "1"})
    attached = [cloud.outputs["OperatorPolicyArn"]]
    pipeline = signed(cloud.cloud.permissions.credentials_for("looker", attached=attached))
    refused = pipeline("backfill", "e2e_refused", "--from", "2026-11-01", "--to", "2026-11-02")
    assert refused.exit_code == FAILED
    assert "AccessDenied" in refused.stderr
    assert pipeline("backfill", "ls").exit_code == SUCCEEDED


def test_the_next_execution_is_started_by_the_step_and_takes_over(
    cloud: RunningCloud, operator: Operator
) -> None:
    """As after a thousand windows: here the first execution is ended while it is at work."""
    put(cloud, "e2e_next", {day: "1" for day in range(1, 6)})
    words = ("e2e_next", "--from", "2026-11-01", "--to", "2026-11-06", "--only", "all")
    said(operator, *words, "--name", "e2e-next")
    execution = awaited(operator, "e2e-next", "RUNNING", done=1)["executionArn"]
    client = cloud.cloud.client("lambda")
    names = [each["FunctionName"] for each in client.list_functions()["Functions"]]
    (step,) = (name for name in names if "BackfillWindows" in name)
    message = {
        "kind": "end",
        "backfillId": "e2e-next",
        "generation": 1,
        "executionArn": execution,
    }
    response = client.invoke(FunctionName=step, Payload=json.dumps(message).encode())
    following = json.loads(response["Payload"].read())["nextExecution"]
    assert following != execution

    ended = awaited(operator, "e2e-next", "SUCCEEDED")
    assert (ended["executions"], ended["executionArn"]) == (2, following)
    assert ended["counts"]["done"] == 5
    runs = json.loads(operator("ls", "--dataset", "e2e_next", "--json").stdout)["runs"]
    assert [(run["status"], run["runAttempt"]) for run in runs] == [("SUCCEEDED", 1)] * 5
