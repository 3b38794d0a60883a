"""Jobs on a function of the user's own (engine lambda), made by the commands of docs/jobs.md.

The AWS CLI's calls go by boto3; permissions are enforced.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from running_cloud import JOB_FUNCTION_ARN, ROOT, Item, RunningCloud, wait_until

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
]
# A function that begins as the shipped one and does what the contract's arguments say.
MOODY = """
import json, time, uuid
import boto3
import enrich

def handler(event, context):
    where = enrich.place(event["OUTPUT_URL"] + "calls/" + str(uuid.uuid4()))
    boto3.client("s3").put_object(**where, Body=json.dumps(event).encode())
    mood, first = event.get("MOOD"), event["JOB_KEY"].endswith("/1")
    if mood == "fails" or (mood == "fails-first" and first):
        raise ValueError("no such luck")
    time.sleep({"too-late": 60, "slow": 2}.get(mood, 0))
    return enrich.handler(event, context)
"""
ITEMS_CONTRACT = """\
name: {name}
source: {{prefix: landing/{name}/}}
columns:
  - {{name: id, required: true}}
  - {{name: country, allowed: [DE, AT]}}
jobs:
  - {{stage: enrich, engine: lambda, function: {function}, timeoutSeconds: 60, attempts: 2,
     arguments: {{--MOOD: {mood}}}}}
targets:
  dynamodb: {{key: [id]}}
limits: {{unitSeconds: 5}}
"""


@pytest.fixture(scope="module")
def function(cloud: RunningCloud) -> str:
    """`aws iam create-role`, `aws iam put-role-policy`, `aws lambda create-function`."""
    iam, bucket = cloud.cloud.client("iam"), cloud.outputs["DataBucketName"]
    role = iam.create_role(
        RoleName="enrich-orders",
        AssumeRolePolicyDocument=(ROOT / "jobs/lambda/trust.json").read_text(),
    )["Role"]["Arn"]
    policy = (ROOT / "jobs/lambda/policy.json").read_text().replace("DATA_BUCKET", bucket)
    iam.put_role_policy(RoleName="enrich-orders", PolicyName="files", PolicyDocument=policy)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.write(ROOT / "jobs/lambda/enrich.py", "enrich.py")
        archive.writestr("moody.py", MOODY)
    created = cloud.cloud.client("lambda").create_function(
        FunctionName="enrich-orders",
        Runtime="python3.13",
        Handler="moody.handler",
        Role=role,
        Timeout=4,
        Code={"ZipFile": code.getvalue()},
    )
    arn: str = created["FunctionArn"]
    return arn


def put_contract(
    cloud: RunningCloud, name: str, mood: str = "good", function: str = "enrich-orders"
) -> None:
    text = ITEMS_CONTRACT.format(name=name, mood=mood, function=function)
    cloud.cloud.client("s3").put_object(
        Bucket=cloud.outputs["CodeBucketName"], Key=f"datasets/{name}.yaml", Body=text.encode()
    )


def put_items(cloud: RunningCloud, name: str, items: list[Any]) -> str:
    """`aws s3 cp items.json s3://…`"""
    bucket, key = cloud.outputs["DataBucketName"], f"arrays/{name}.json"
    body = json.dumps(items, indent=1).encode()
    cloud.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


def start(cloud: RunningCloud, name: str, items: list[Any], **fields: Any) -> None:
    """`aws sqs send-message`, the run named like its dataset."""
    url = put_items(cloud, name, items)
    message = {"datasetName": name, "runId": name, "inputUrl": url, "itemsPerBatch": 10}
    cloud.send({**message, **fields})


def documents(cloud: RunningCloud, run_id: str, part: str) -> list[Any]:
    """`aws s3 cp --recursive`: JSON documents of a run whose keys have this part."""
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"runs/{run_id}/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"] for key in keys if part in key]
    return [json.loads(body.read()) for body in bodies]


def item_results(cloud: RunningCloud, run_id: str) -> list[Any]:
    return documents(cloud, run_id, "/items/results/")


def calls(cloud: RunningCloud, run_id: str) -> list[str]:
    """The keys of the jobs that the function was called for, as it noted them itself."""
    return sorted(event["JOB_KEY"] for event in documents(cloud, run_id, "/calls/"))


def item_jobs(cloud: RunningCloud, run_id: str) -> list[tuple[str, str]]:
    return [
        (job["state"]["S"], job.get("error", {}).get("S", ""))
        for job in cloud.ledger(run_id, "JOB#0")
    ]


def loaded(cloud: RunningCloud, run_id: str) -> Item | None:
    """The load of the run's own rows into the warehouse, once it has succeeded."""
    loads = [job for job in cloud.ledger(run_id, "JOB#") if job["stage"]["S"] == "record-run"]
    return next((load for load in loads if load["state"]["S"] == "SUCCEEDED"), None)


def test_a_function_of_ones_own_takes_each_batch_of_items(
    cloud: RunningCloud, function: str
) -> None:
    put_contract(cloud, "items_enriched")
    items: list[Any] = [{"id": f"e-{n}", "country": " de"} for n in range(12)]
    items[3], items[11] = "no object", {"id": "e-11", "country": "fr"}

    start(cloud, "items_enriched", items)
    run = cloud.await_run("items_enriched", "FAILED", "SUCCEEDED")

    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    results = item_results(cloud, "items_enriched")
    rejected = {result["index"]: result["errors"][0] for result in results if result["errors"]}
    assert {n: error["reason"] for n, error in rejected.items()} == {
        3: "not a JSON object",
        11: rejected[11]["reason"],
    }
    assert rejected[11]["column"] == "country"
    stored = cloud.stored("items_enriched")
    assert {item["country"]["S"] for item in stored} == {"DE"}
    assert len(stored) == 10
    jobs = cloud.ledger("items_enriched", "JOB#0")
    assert {(job["state"]["S"], job["target"]["S"]) for job in jobs} == {("SUCCEEDED", function)}
    assert len(jobs) == len(calls(cloud, "items_enriched")) == 2
    assert all("active" not in job and "ended_at" in job for job in jobs)
    ids = ", ".join(f"'{job['job_id']['S']}'" for job in jobs)
    sql = f"SELECT count(*) FROM pipeline_jobs WHERE job_id IN ({ids}) AND engine = 'lambda'"
    wait_until(lambda: loaded(cloud, "items_enriched"), "the run's own load")
    assert cloud.query(sql) == [[2]]


@pytest.mark.usefixtures("function")
def test_a_functions_error_is_tried_again_and_its_time_out_is_not(cloud: RunningCloud) -> None:
    moods = {"items_failing": "fails", "items_once": "fails-first", "items_late": "too-late"}
    for name, mood in moods.items():
        put_contract(cloud, name, mood)
        start(cloud, name, [{"id": name, "country": "DE"}])
    runs = {name: cloud.await_run(name, "FAILED", "SUCCEEDED") for name in moods}

    statuses = {name: run["status"]["S"] for name, run in runs.items()}
    assert statuses == {
        "items_failing": "FAILED",
        "items_once": "SUCCEEDED",
        "items_late": "FAILED",
    }
    failed = ("FAILED", "ValueError: no such luck")
    assert item_jobs(cloud, "items_failing")[:2] == [failed, failed]
    assert item_jobs(cloud, "items_once") == [failed, ("SUCCEEDED", "")]
    ((state, error), *_) = item_jobs(cloud, "items_late")
    assert state == "TIMED_OUT"
    assert "Task timed out after 4.00 seconds" in error
    (result, *_) = item_results(cloud, "items_failing")
    assert result["status"] == "FAILED"
    assert result["errors"][0]["errorType"] == "JobFailed"
    unit = cloud.results("items_failing")["failures"][0]
    assert "ValueError: no such luck" in json.dumps(unit)


@pytest.mark.usefixtures("function")
def test_an_execution_that_is_killed_meanwhile_invokes_nothing_again(cloud: RunningCloud) -> None:
    put_contract(cloud, "items_slow", "slow")
    start(cloud, "items_slow", [{"id": "slow", "country": "DE"}])
    wait_until(lambda: {} if calls(cloud, "items_slow") else None, "the function's call")
    for name in ("PipelineFunction", "LongRunFunction"):  # they wait for it, in whichever it is
        cloud.cloud.functions.kill_sandboxes(cloud.outputs[f"{name}Arn"].split(":")[6])

    run = cloud.await_run("items_slow", "FAILED", "SUCCEEDED")

    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    assert calls(cloud, "items_slow") == ["items_slow/00000-000/enrich/1"]


@pytest.mark.usefixtures("function")
def test_a_function_takes_objects_as_well(cloud: RunningCloud) -> None:
    version = "enrich-orders:$LATEST"
    text = ITEMS_CONTRACT.format(name="objects_enriched", mood="good", function=version)
    text = text.replace("unitSeconds: 5", "unitSeconds: 5, rejectedPercentage: 50")
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    code = cloud.outputs["CodeBucketName"]
    s3.put_object(Bucket=code, Key="datasets/objects_enriched.yaml", Body=text.encode())
    body = b"id,country\no-1,at\no-2\no-3,de\n"
    s3.put_object(Bucket=bucket, Key="landing/objects_enriched/a.csv", Body=body)

    url = f"s3://{bucket}/landing/objects_enriched/a.csv"
    cloud.send({"datasetName": "objects_enriched", "runId": "objects_enriched", "inputUrl": url})
    run = cloud.await_run("objects_enriched", "FAILED", "SUCCEEDED")

    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    rows = {name: int(value["N"]) for name, value in run["rows"]["M"].items()}
    assert (rows["rows_in"], rows["rejected"], rows["stored"]) == (3, 1, 2)
    assert {item["country"]["S"] for item in cloud.stored("objects_enriched")} == {"AT", "DE"}


def test_a_function_that_is_not_allowed_is_refused_by_name(cloud: RunningCloud) -> None:
    put_contract(cloud, "items_foreign", function="delete-everything")

    start(cloud, "items_foreign", [{"id": "1", "country": "DE"}])

    reason = cloud.dead_letter("items_foreign")["MessageAttributes"]["Reason"]["StringValue"]
    assert "function delete-everything is not allowed" in reason
    assert JOB_FUNCTION_ARN in reason
