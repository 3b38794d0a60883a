"""A value of a row, followed through everything that a run leaves behind.

Each dataset marks its cells with a word of its own, so that every line of a log says whose it is.
Of the contract that allows examples the word is looked for where docs/data-protection.md says that
it may be; of the one that does not, everywhere: it may be in files of the data only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from running_cloud import ROOT, RunningCloud, wait_until

from contracts.ledger_items import EventItem

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(300)]

OPEN, SHUT = "OpenCanary", "ShutCanary"
ALL = {OPEN: "canary_open", SHUT: "canary_shut"}
CONTRACT = """\
name: {name}
examples: {examples}
source: {{prefix: landing/{name}/}}
format: {format}
columns:
  - {{name: id, required: true, unique: true}}
  - {{name: amount, type: integer, minimum: 0}}
  - {{name: word, pattern: "[A-Za-z0-9]*", severity: warn}}
rules: [{{name: not-many, check: amount < 1000}}]
{more}
limits: {{rejectedPercentage: {rejected}}}
"""
TO_DYNAMODB = "targets: {dynamodb: {key: [id]}}"
HARD = "transform: SELECT id, amount, CAST(substr(word, 11) AS INTEGER) AS word FROM valid\n"
# id, amount, word; every cell of text has the mark.
ROWS = """\
id,amount,word
{mark}valid,1,{mark}1
{mark}negative,-1,{mark}1
{mark}badnum,{mark},{mark}1
{mark}warned,1,{mark}1-{mark}
{mark}uncomputable,1,{mark}x
{mark}twice,1,{mark}1
{mark}twice,2,{mark}2
,3,{mark}missing
{mark}short
{mark}long,1,{mark}1,{mark}
{mark}"quotes"",1,{mark}1
{mark}many,5000,{mark}5
"""
JSON_ROWS = """\
{{"id": "{mark}valid", "amount": 1, "word": "{mark}1"}}
{{"id": "{mark}cut, "amount": 1
["{mark}"]
{{"id": "{mark}badnum", "amount": "{mark}", "word": {{"{mark}": 1}}}}
"""


@dataclass(frozen=True)
class Case:
    """One way in which a run may come to speak of its rows."""

    name: str
    body: str = ROWS
    format: str = "{type: csv}"
    more: str = HARD + TO_DYNAMODB
    rejected: int = 100
    status: str = "SUCCEEDED"
    job: str | None = None  # what the job does


CASES = (
    Case("rows"),
    Case("json", JSON_ROWS, "{type: jsonl}"),
    Case("array", '[{{"id": "{mark}"}}, "{mark}" {{"id": 1}}]', "{type: json}", status="FAILED"),
    Case(
        "items",
        '[{{"id": "{mark}v", "amount": 1}}, {{"id": "{mark}", "amount": "{mark}"}}]',
        "{type: json}",
        more=TO_DYNAMODB,
    ),
    Case("too-many", rejected=1, status="FAILED"),
    Case("no-header", "{mark},{mark}2\n{mark},1\n", status="FAILED"),
    Case("transform-fails", more=f"{HARD}onTransformError: fail\n{TO_DYNAMODB}", status="FAILED"),
    Case(
        "rule-fails",
        more="freshness: {column: seen, maximumAgeHours: 1, severity: fail}\n" + TO_DYNAMODB,
        status="FAILED",
    ),
    Case(
        "job-fails",
        more="jobs: [{stage: clean, engine: glue, glueJob: clean-csv, timeoutSeconds: 60}]\n"
        + TO_DYNAMODB,
        status="FAILED",
        job="print('{mark}', file=sys.stderr); sys.exit('InvalidData: {mark}')",
    ),
    Case(
        "job",
        more="jobs: [{stage: clean, engine: glue, glueJob: clean-csv, timeoutSeconds: 60}]\n"
        + HARD
        + TO_DYNAMODB,
    ),
    Case(
        "load-fails",
        "id,amount,word\n{mark},1,{mark}" + "x" * 99 + "\n",
        more="targets: {redshift: {table: mart.TABLE, key: [id]}}",
        status="FAILED",
    ),
)


@dataclass
class Left:
    """What all runs have left behind, as text, by the place where it was found."""

    texts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, place: str, *what: Any) -> None:
        self.texts.setdefault(place, []).extend(
            one if isinstance(one, str) else json.dumps(one, default=str) for one in what
        )

    def places(self, mark: str) -> set[str]:
        return {place for place, texts in self.texts.items() if any(mark in one for one in texts)}

    def where(self, mark: str) -> list[str]:
        """For the message of an assertion."""
        return [
            f"{place}: …{one[max(0, one.find(mark) - 200) : one.find(mark) + 80]}…"
            for place, texts in self.texts.items()
            for one in texts
            if mark in one
        ]


def run_id_of(mark: str, case: Case) -> str:
    return f"{ALL[mark].replace('_', '-')}-{case.name}"


@pytest.fixture(scope="module")
def left(cloud: RunningCloud) -> Left:
    found = Left()
    sqs, sns = cloud.cloud.client("sqs"), cloud.cloud.client("sns")
    url = sqs.create_queue(QueueName="e2e-canary")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    subscription = sns.subscribe(
        TopicArn=cloud.outputs["NotificationTopicArn"],
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    for mark in ALL:
        for case in CASES:
            run(cloud, mark, case)
    for mark in ALL:
        for case in CASES:
            collect_run(cloud, mark, run_id_of(mark, case), case, found)
    found.add("notifications", *received(cloud, url))
    found.add("dead letters", *received(cloud, cloud.outputs["DeadLetterQueueUrl"]))
    logs = cloud.cloud.client("logs")
    for group in ("orchestrator", "steps"):
        name = f"/aws/lambda/durable-pipeline/{group}"
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name)
        lines = [event["message"] for page in pages for event in page["events"]]
        assert lines or group == "orchestrator", name
        found.add("logs and metrics", *lines)
    sns.unsubscribe(SubscriptionArn=subscription)
    return found


def run(cloud: RunningCloud, mark: str, case: Case) -> None:
    name = ALL[mark]
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    table = f"{name}_narrow"
    if "redshift" in case.more:
        cloud.execute("CREATE SCHEMA IF NOT EXISTS mart")
        cloud.execute(f"CREATE TABLE mart.{table} (id VARCHAR(99), amount BIGINT, word VARCHAR(9))")
    contract = CONTRACT.format(
        name=name,
        examples=str(mark == OPEN).lower(),
        format=case.format,
        more=case.more.replace("TABLE", table),
        rejected=case.rejected,
    )
    body = case.body.format(mark=mark)
    if "seen" in case.more:
        contract = contract.replace("rules:", "  - {name: seen, type: timestamp}\nrules:")
        body = "id,amount,word,seen\na,1,b,2011-11-11T11:11:11Z\n"
    s3.put_object(
        Bucket=cloud.outputs["CodeBucketName"], Key=f"datasets/{name}.yaml", Body=contract
    )
    run_id = run_id_of(mark, case)
    key = f"landing/{name}/{case.name}.txt"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    message = {"datasetName": name, "runId": run_id, "inputUrl": f"s3://{bucket}/{key}"}
    if case.job is None:
        cloud.send(message)
        end = cloud.await_run(run_id, "SUCCEEDED", "FAILED")
    else:
        with cloud.job_doing(case.job.format(mark=mark), key):
            cloud.send(message)
            end = cloud.await_run(run_id, "SUCCEEDED", "FAILED")
    assert end["status"]["S"] == case.status, (case.name, end.get("reason"))
    assert "results_url" in end or case.name == "array", (case.name, end.get("reason"))


def collect_run(cloud: RunningCloud, mark: str, run_id: str, case: Case, found: Left) -> None:
    wait_until(
        lambda: (
            next(iter(cloud.ledger(run_id, f"{EventItem.PREFIX}run-ended")), None)
            or next(iter(cloud.ledger(run_id, EventItem.PREFIX)), None)
        ),
        f"the notification of {run_id}",
    )
    found.add("ledger", *cloud.ledger(run_id, "U"), *cloud.ledger(run_id, "J"))
    found.add("ledger", *cloud.ledger(run_id, "R"), *cloud.ledger(run_id, "E"))
    if case.name != "array":  # it failed before its units
        found.add("results documents", cloud.results(run_id))
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    for key in keys_of(s3, bucket, f"runs/{run_id}/"):
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("latin-1")
        kind = next((kind for part, kind in FILES.items() if part in key), "other files of runs")
        found.add(kind, text)
    for key in keys_of(s3, bucket, f"quarantine/{ALL[mark]}/{run_id}/"):
        found.add("quarantine", s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    found.add("durable histories", *history(cloud, cloud.run(run_id)))
    for table in ("pipeline_runs", "pipeline_units", "pipeline_jobs"):
        rows = cloud.query(f"SELECT * FROM public.{table} WHERE run_id = '{run_id}'")
        found.add("warehouse's tables about runs", *rows)


# Files of a run that hold its rows, by a part of their keys.
FILES = {
    **{part: part for part in ("/valid/", "/output/", "/jobs/", "/error-", "/items/")},
    "/findings": "findings of units",
    "/results.json": "results documents",
    "/units/RUN/": "warehouse's tables about runs",  # the statements that write them
    "/warehouse/": "warehouse's tables about runs",
}
HOLD_ROWS = {"/valid/", "/output/", "/jobs/", "/items/", "quarantine"}


def keys_of(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def history(cloud: RunningCloud, item: Any) -> list[Any]:
    client, arn = cloud.cloud.client("lambda"), item["holder"]["S"]
    page = client.get_durable_execution_history(DurableExecutionArn=arn, IncludeExecutionData=True)
    events = list(page["Events"])
    while page.get("NextMarker"):
        page = client.get_durable_execution_history(
            DurableExecutionArn=arn, IncludeExecutionData=True, Marker=page["NextMarker"]
        )
        events += page["Events"]
    assert events
    return events


def received(cloud: RunningCloud, url: str) -> list[Any]:
    sqs, messages = cloud.cloud.client("sqs"), []
    while batch := sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=30,
        WaitTimeSeconds=1,
    ).get("Messages"):
        messages += batch
    return messages


def documented() -> dict[str, str]:
    """The places of the page's table, and whether they may quote rows by default."""
    page = (ROOT / "docs" / "data-protection.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.count("|") == 4]
    return {cells[0].strip(): cells[1].strip() for cells in rows}


def test_with_examples_false_a_value_is_only_in_the_files_of_the_data(left: Left) -> None:
    found = left.places(SHUT)
    assert found <= {*HOLD_ROWS, "/error-"}, "\n".join(left.where(SHUT)[:40])
    assert found == {*HOLD_ROWS, "/error-"}, "the marks are there to be found"


def test_the_newest_time_of_a_stale_object_is_a_value_too(left: Left) -> None:
    of_shut = [one for texts in left.texts.values() for one in texts if "canary-shut-rule-" in one]
    assert of_shut
    assert not [one for one in of_shut if "2011-11-11T11" in one and "/landing/" not in one]


def test_where_examples_are_allowed_values_are_where_the_page_says(left: Left) -> None:
    may = {place for place, examples in documented().items() if examples == "yes"}
    found = left.places(OPEN) - HOLD_ROWS
    assert sorted(found) == sorted(may)


def test_a_run_that_says_less_still_says_what_went_wrong(cloud: RunningCloud) -> None:
    case = {case.name: run_id_of(SHUT, case) for case in CASES}
    many = cloud.results(case["too-many"])["reason"]
    assert "rows are rejected" in many, "counts and rules are no values"
    failed = cloud.results(case["transform-fails"])
    assert failed["permanent"] is True
    place = failed["reason"].split("is in s3://", 1)[1].split(" ")[0].rstrip(";.,")
    bucket, _, key = place.partition("/")
    text = cloud.cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert SHUT in text
    job = cloud.results(case["job-fails"])
    assert "only in its own log" in job["reason"]
    assert job["permanent"] is True, "what it said is not shown, but was read"
