"""`onlyNew` on the deployed template: what is taken, and one run at a time."""

from __future__ import annotations

import json

import pytest
from running_cloud import RunningCloud, wait_until
from test_stopping import job_of
from test_stopping_one_run import stop
from test_waiting_for_data import ids, put
from test_whole_pipeline import run_request

from contracts.messages import StopOutcome

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
]
NAME = "only_new"
CONTRACT = f"""\
name: {NAME}
source: {{prefix: landing/{NAME}/, partition: dt=%Y-%m-%d/}}
columns:
  - {{name: id, required: true}}
targets:
  dynamodb: {{key: [id]}}
limits: {{unitSeconds: 5}}
"""


def upload(cloud: RunningCloud, contract: str = CONTRACT) -> None:
    cloud.cloud.client("s3").put_object(
        Bucket=cloud.outputs["CodeBucketName"], Key=f"datasets/{NAME}.yaml", Body=contract.encode()
    )


def run_new(cloud: RunningCloud, run_id: str, status: str, only_new: object = True) -> str:
    """The run's reason, once it has ended so."""
    times = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-03"}
    cloud.send({"datasetName": NAME, "runId": run_id, "onlyNew": only_new, **times})
    ended = cloud.await_run(run_id, status)
    return ended.get("reason", {"S": ""})["S"]


def test_each_object_is_stored_once_until_it_changes(cloud: RunningCloud) -> None:
    upload(cloud)
    for day in (1, 2):
        put(cloud, f"{NAME}/dt=2026-11-0{day}/a.csv", f"id\n{day}\n")
    run_new(cloud, "new-first", "SUCCEEDED")
    assert ids(cloud, "new-first") == ["1", "2"]

    reason = run_new(cloud, "new-nothing", "SKIPPED")
    assert reason.startswith(f"no new objects to process: dataset {NAME} from 2026-11-01")
    assert "; 2 listed, 2 already stored; looked at s3://" in reason

    put(cloud, f"{NAME}/dt=2026-11-02/late.csv", "id\n3\n")
    put(cloud, f"{NAME}/dt=2026-11-01/a.csv", "id\n4\n")
    run_new(cloud, "new-two", "SUCCEEDED")
    assert ids(cloud, "new-two") == ["3", "4"]
    results = cloud.results("new-two")
    assert (results["alreadyStored"], results["units"]["total"]) == (1, 2)

    upload(cloud, f"description: changed\n{CONTRACT}")
    run_new(cloud, "new-contract", "SKIPPED")
    run_new(cloud, "new-version", "SUCCEEDED", {"perVersion": True})
    assert ids(cloud, "new-version") == ["2", "3", "4"]
    bucket = cloud.outputs["DataBucketName"]
    stored = cloud.cloud.client("s3").list_objects_v2(
        Bucket=bucket, Prefix=f"stored-objects/{NAME}/"
    )
    assert len(stored["Contents"]) == 3, "one for each run that has stored something"


def test_a_second_run_is_skipped_and_a_stopped_one_is_in_nobodys_way(cloud: RunningCloud) -> None:
    asked = {
        "index": "only-new",
        "onlyNew": True,
        "startDateTime": "2026-11-01",
        "endDateTime": "2026-11-02",
    }
    with cloud.job_hanging_for("dt=2026-11-01"):
        cloud.send(run_request("new-holder", **asked))
        cloud.await_run("new-holder", "RUNNING")
        job_of(cloud, "new-holder", "SUBMITTED", "RUNNING")

        cloud.send(run_request("new-beside", **asked))
        skipped = cloud.await_run("new-beside", "SKIPPED")
        assert skipped["reason"]["S"].startswith(
            "run new-holder takes the new objects of orders, index only-new, since "
        )
        letter = json.dumps(skipped["next_steps"])
        assert "Once that run has ended, ask again" in letter
        assert stop(cloud, "new-holder").outcome is not StopOutcome.ENDED
        cloud.await_run("new-holder", "STOPPED")
    wait_until(lambda: cloud.queue_is_empty() or None, "every message to be acknowledged")

    cloud.send(run_request("new-after", **asked))
    after = cloud.await_run("new-after", "SUCCEEDED")
    assert after["already_stored"]["N"] == "0"
    assert int(after["units"]["M"]["stored"]["N"]) > 0
