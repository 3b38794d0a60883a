"""`pipeline stop` on the deployed template: one run of a batch stops, its neighbours go on."""

from __future__ import annotations

import json

import pytest
from running_cloud import RunningCloud, wait_until
from test_stopping import announced, job_of
from test_whole_pipeline import run_request

from cli.client.decisions import request_stop
from cli.client.deployment import Deployment
from contracts.messages import StopOutcome, StoppedRun, StopRun

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("end-to-end"),
]


def stop(cloud: RunningCloud, run_id: str) -> StoppedRun:
    deployment = Deployment(outputs=cloud.outputs, endpoint_url=cloud.cloud.endpoint_url)
    try:
        return request_stop(deployment, StopRun(run_id=run_id, reason="wrong input"))
    finally:
        deployment.close()


@pytest.mark.parametrize("detached", [True, False])
def test_one_of_three_runs_is_stopped_and_the_others_go_on(
    cloud: RunningCloud, *, detached: bool
) -> None:
    """Not detached, all three are held by one execution, which the second keeps waiting."""
    names = [f"e2e-three-{detached}-{number}".lower() for number in range(3)]
    with cloud.job_hanging_for("dt=2026-11-02"):
        cloud.cloud.client("sqs").send_message_batch(
            QueueUrl=cloud.outputs["DataProcessingQueueUrl"],
            Entries=[
                {
                    "Id": str(number),
                    "MessageBody": json.dumps(
                        run_request(
                            name,
                            startDateTime=f"2026-11-0{2 if number == 1 else 1}",
                            endDateTime=f"2026-11-0{3 if number == 1 else 2}",
                            detached=detached,
                        )
                    ),
                }
                for number, name in enumerate(names)
            ],
        )
        job_of(cloud, names[1], "SUBMITTED", "RUNNING")
        cloud.await_run(names[1], "RUNNING")

        response = stop(cloud, names[1])

        stopped = cloud.await_run(names[1], "STOPPED")
    others = [cloud.await_run(name, "SUCCEEDED", "FAILED") for name in (names[0], *names[2:])]
    wait_until(lambda: cloud.queue_is_empty() or None, "every message to be acknowledged")

    assert response.outcome in (StopOutcome.STOPPING, StopOutcome.STOPPED)
    assert len(response.jobs_cancelled) == 1
    assert stopped["reason"]["S"] == "it was stopped on request: wrong input"
    assert job_of(cloud, names[1], "CANCELLED")
    assert announced(cloud, names[1])
    assert cloud.results(names[1])["status"] == "STOPPED"
    assert cloud.stored(names[1]) == []
    assert [run["status"]["S"] for run in others] == ["SUCCEEDED"] * 2
    assert {run["run_attempt"]["N"] for run in (stopped, *others)} == {"1"}
    execution = cloud.await_end(stopped["holder"]["S"])
    # Detached, it holds no other run: it is stopped with it, from outside.
    assert execution["Status"] == ("STOPPED" if detached else "SUCCEEDED")


def test_a_run_that_is_stopped_before_its_last_units_begins_none_of_them(
    cloud: RunningCloud,
) -> None:
    run_id = "e2e-stop-midway"
    with cloud.job_hanging_for("dt=2026-11-02"):
        cloud.send(run_request(run_id, endDateTime="2026-11-05"))
        second = "JOB#00000-001#clean"
        wait_until(lambda: cloud.ledger(run_id, second) or None, "the second unit's job")
        stop(cloud, run_id)
        run = cloud.await_run(run_id, "STOPPED")

    results = cloud.results(run_id)
    assert cloud.ledger(run_id, "JOB#00000-002") == cloud.ledger(run_id, "JOB#00000-003") == []
    assert (run["units"]["M"]["stored"]["N"], results["units"]["failed"]) == ("1", 1)
    assert results["units"]["notStarted"] == 2
    first, *others = [unit["failure"]["errorType"] for unit in results["outcomes"][1:]]
    assert first in ("JobCancelled", "RunStopped")  # the job may just not have been submitted
    assert others == ["RunStopped", "RunStopped"]
    assert stop(cloud, run_id).outcome is StopOutcome.STOPPED
    assert stop(cloud, "e2e-never-sent").outcome is StopOutcome.UNKNOWN
