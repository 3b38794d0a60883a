"""What a person decides, typed as an operator: resume, retry and replay of runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from running_cloud import Item, RunningCloud, wait_until
from test_stopping import job_of
from test_whole_pipeline import run_request
from typer.testing import Result

from cli.client import decisions
from cli.client.dead_letters import DeadLetterQueue
from cli.exit_codes import INTERRUPTED, REFUSED, SUCCEEDED

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]
Typed = Callable[..., Result]
TWO_DAYS = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-03"}


@pytest.fixture
def pipeline(cloud: RunningCloud, signed: Any) -> Typed:
    """The command line of somebody who has OperatorPolicy and nothing else."""
    policy = cloud.outputs["OperatorPolicyArn"]
    typed: Typed = signed(cloud.cloud.permissions.credentials_for("decider", attached=[policy]))
    return typed


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def until_acknowledged(cloud: RunningCloud) -> None:
    wait_until(lambda: cloud.queue_is_empty() or None, "every message to be acknowledged")


def units(cloud: RunningCloud, run_id: str) -> list[tuple[str, int]]:
    """Status and attempt of each unit."""
    found = cloud.ledger(run_id, "UNIT#")
    return [(unit["status"]["S"], int(unit["run_attempt"]["N"])) for unit in found]


def stop_at_its_second_unit(cloud: RunningCloud, pipeline: Typed, run_id: str) -> Item:
    """The run's first unit is stored, its second one waits for a job; then it is stopped."""
    wait_until(lambda: cloud.ledger(run_id, "JOB#00000-001#clean") or None, "the second job")
    result = pipeline("stop", run_id, "--reason", "wrong input", "--wait")
    assert result.exit_code == SUCCEEDED, result.output
    stopped = cloud.await_run(run_id, "STOPPED")
    assert units(cloud, run_id)[0] == ("STORED", 1)
    return stopped


@pytest.mark.parametrize("detached", [True, False])
def test_a_stopped_run_goes_on_where_it_was(
    cloud: RunningCloud, pipeline: Typed, *, detached: bool
) -> None:
    run_id = f"e2e-resume-{detached}".lower()
    open_end = {"startDateTime": "2026-11-01", "detached": detached}
    request = {"datasetName": "orders", "runId": run_id, **open_end}
    with cloud.job_hanging_for("dt=2026-11-02"):
        cloud.send(request)
        stopped = stop_at_its_second_unit(cloud, pipeline, run_id)
    cloud.send(request)  # its message comes again
    until_acknowledged(cloud)
    assert cloud.run(run_id) == stopped

    result = pipeline("resume", run_id, "--wait", "--json")

    assert result.exit_code == SUCCEEDED, result.output
    document = json.loads(result.stdout)
    assert (document["outcome"], document["report"]["status"]) == ("RESUMED", "SUCCEEDED")
    run = cloud.await_run(run_id, "SUCCEEDED")
    assert (run["run_attempt"]["N"], run["end_date_time"]) == ("2", stopped["end_date_time"])
    assert run["holder"] != stopped["holder"]
    assert "stop_requested_at" not in run
    first, *others = units(cloud, run_id)
    assert first == ("STORED", 1)
    assert set(others) == {("STORED", 2)}
    assert len(cloud.stored(run_id)) == int(run["rows"]["M"]["stored"]["N"]) > 0
    assert "it has ended, SUCCEEDED" in pipeline("resume", run_id).output


def test_killed_before_it_sends_the_message_a_repeat_resumes_the_run_once(
    cloud: RunningCloud, pipeline: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = "e2e-resume-killed"
    with cloud.job_hanging_for("dt=2026-11-01"):
        cloud.send(run_request(run_id, detached=True))
        job_of(cloud, run_id, "SUBMITTED", "RUNNING")
        assert pipeline("resume", run_id).exit_code == REFUSED
        pipeline("stop", run_id)
        cloud.await_run(run_id, "STOPPED")
    with monkeypatch.context() as patch:
        patch.setattr(decisions, "send_message", interrupted)
        assert pipeline("resume", run_id).exit_code == INTERRUPTED
    waiting = cloud.run(run_id) or {}
    assert (waiting["status"]["S"], waiting["resumed_attempt"]["N"]) == ("FAILED", "1")

    assert pipeline("resume", run_id).exit_code == SUCCEEDED
    assert pipeline("resume", run_id).exit_code == SUCCEEDED  # its message may be sent twice

    run = cloud.await_run(run_id, "SUCCEEDED")
    until_acknowledged(cloud)
    assert cloud.run(run_id) == run
    assert run["run_attempt"]["N"] == "2"
    assert units(cloud, run_id) == [("STORED", 2)]


def test_a_long_run_is_stopped_with_its_execution(cloud: RunningCloud, pipeline: Typed) -> None:
    run_id = "e2e-stop-long"
    with cloud.job_hanging_for("dt=2026-11-01"):
        cloud.send(run_request(run_id, detached=True))
        job_of(cloud, run_id, "SUBMITTED", "RUNNING")
        result = pipeline("stop", run_id, "--json")
        job_of(cloud, run_id, "CANCELLED")

    assert json.loads(result.stdout)["outcome"] == "STOPPED"
    run = cloud.await_run(run_id, "STOPPED")
    assert run["reason"]["S"] == "it was stopped on request"
    execution = cloud.await_end(run["holder"]["S"])
    assert execution["Status"] == "STOPPED"
    assert "stopped on request" in execution["Error"]["ErrorMessage"]


def test_a_run_of_several_shards_is_stopped_with_the_execution_of_its_shard(
    cloud: RunningCloud, pipeline: Typed
) -> None:
    """The first object of so many that they take two shards waits for its job."""
    run_id, objects = "e2e-stop-shards", 300
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    keys = [f"landing/orders/dt=2026-10-01/part-{number:05d}.csv" for number in range(objects)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"order_id\n")
    with cloud.job_hanging_for("dt=2026-10-01"):
        day = {"startDateTime": "2026-10-01", "endDateTime": "2026-10-02"}
        cloud.send(run_request(run_id, **day))
        shard = job_of(cloud, run_id, "SUBMITTED", "RUNNING")["execution"]["S"]
        result = pipeline("stop", run_id, "--json")
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)

    assert json.loads(result.stdout)["outcome"] == "STOPPED", result.output
    run = cloud.await_run(run_id, "STOPPED")
    assert shard != run["holder"]["S"]
    for execution in (run["holder"]["S"], shard):
        assert cloud.await_end(execution)["Status"] == "STOPPED"
    assert [job["state"]["S"] for job in cloud.ledger(run_id, "JOB#")] == ["CANCELLED"]


def test_a_retry_supersedes_its_run_whose_message_starts_nothing_more(
    cloud: RunningCloud, pipeline: Typed
) -> None:
    old, new = "e2e-superseded", "e2e-superseding"
    request = run_request(old, detached=True, maxConcurrency=2, **TWO_DAYS)
    with cloud.job_failing_for("dt=2026-11-02"):
        cloud.send(request)
        failed = cloud.await_run(old, "FAILED")
    refused = {**request, "runId": "e2e-refused-retry", "retryOf": old, "query": "no_column > 1"}
    cloud.send(refused)
    assert (
        "no_column"
        in cloud.dead_letter("e2e-refused-retry")["MessageAttributes"]["Reason"]["StringValue"]
    )
    until_acknowledged(cloud)
    assert cloud.run(old) == failed

    result = pipeline("run", "--retry-of", old, "--run-id", new, "--wait")

    assert result.exit_code == SUCCEEDED, result.output
    run = cloud.await_run(new, "SUCCEEDED")
    asked = json.loads(run["request"]["S"])
    assert asked["maxConcurrency"] == 2
    assert asked["endDateTime"] == "2026-11-03T00:00:00Z"
    assert units(cloud, new) == [("STORED", 1)] * 2  # that of the first day was stored before
    cloud.send(request)
    until_acknowledged(cloud)
    left = cloud.run(old) or {}
    assert (left["status"]["S"], left["superseded_by"]["S"]) == ("FAILED", new)
    assert left["run_attempt"] == failed["run_attempt"]
    status = json.loads(pipeline("status", old, "--json").stdout)
    assert (status["outcome"], status["supersededBy"]) == ("SUPERSEDED", new)
    again = pipeline("run", "--retry-of", old)
    assert (again.exit_code, f"--retry-of {new}" in again.output) == (REFUSED, True)


def test_a_replay_that_is_killed_before_it_deletes_the_letter_starts_one_run(
    cloud: RunningCloud, pipeline: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message without run id, in an envelope of SNS, whose second day failed too often."""
    request = run_request("", detached=False, maxConcurrency=1, **TWO_DAYS)
    request = {name: value for name, value in request.items() if name != "runId"}
    with cloud.job_failing_for("dt=2026-11-02"):
        run_id = cloud.send({"Type": "Notification", "Message": json.dumps(request)})
        wait_until(lambda: letter_of(pipeline, run_id), "the dead letter")
        failed = cloud.await_run(run_id, "FAILED")
        until_acknowledged(cloud)
    with monkeypatch.context() as patch:
        patch.setattr(DeadLetterQueue, "_delete", interrupted)
        assert pipeline("dead-letters", "replay", run_id).exit_code == INTERRUPTED
    assert letter_of(pipeline, run_id)

    result = pipeline("dead-letters", "replay", run_id, "--json")

    assert result.exit_code == SUCCEEDED, result.output
    (letter,) = json.loads(result.stdout)["letters"]
    assert letter["runId"] == run_id
    assert letter_of(pipeline, run_id) is None
    run = cloud.await_run(run_id, "SUCCEEDED")
    until_acknowledged(cloud)
    assert cloud.run(run_id) == run
    assert int(run["run_attempt"]["N"]) == int(failed["run_attempt"]["N"]) + 1
    assert run["end_date_time"] == failed["end_date_time"]
    first, *others = units(cloud, run_id)
    assert first == ("STORED", 1)
    assert others == [("STORED", int(run["run_attempt"]["N"]))] * 2


def letter_of(pipeline: Typed, run_id: str) -> Item | None:
    letters = json.loads(pipeline("dead-letters", "--json").stdout)["messages"]
    return next((letter for letter in letters if run_id in letter["messageId"]), None)


def test_nothing_of_it_was_denied(cloud: RunningCloud) -> None:
    assert [one for one in cloud.cloud.permissions.denials() if "decider" in str(one)] == []
