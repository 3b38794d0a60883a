"""How the template lets uploads start runs: a rule from the data bucket to the queue."""

from __future__ import annotations

from typing import Any

import pytest
from deployed_template import referred, resources, template

from contracts.layout import LANDING_PREFIX
from local.local_cloud.events.patterns import compile_pattern


@pytest.fixture
def rule() -> dict[str, Any]:
    found: dict[str, Any] = resources("AWS::Events::Rule")["UploadRule"]
    return found


def test_uploads_start_runs_only_where_that_is_asked_for(rule: dict[str, Any]) -> None:
    asked = template()["Parameters"]["StartRunsOnUpload"]

    assert (asked["Default"], asked["AllowedValues"]) == ("false", ["true", "false"])
    assert rule["State"] == {"Fn::If": ["UploadsStartRuns", "ENABLED", "DISABLED"]}
    assert template()["Conditions"]["UploadsStartRuns"] == {
        "Fn::Equals": [{"Ref": "StartRunsOnUpload"}, "true"]
    }


@pytest.mark.parametrize(
    ("key", "kind", "bucket", "fits"),
    [
        (f"{LANDING_PREFIX}orders/a.csv", "Object Created", "data", True),
        ("runs/r-1/results.json", "Object Created", "data", False),
        (f"{LANDING_PREFIX}orders/a.csv", "Object Deleted", "data", False),
        (f"{LANDING_PREFIX}orders/a.csv", "Object Created", "other", False),
    ],
)
def test_the_rule_is_for_new_objects_under_the_landing_prefix(
    rule: dict[str, Any], key: str, kind: str, bucket: str, fits: bool
) -> None:
    pattern = rule["EventPattern"]
    data_bucket = {"Fn::If": ["CreateDataBucket", {"Ref": "DataBucket"}, {"Ref": "DataBucketName"}]}
    assert pattern["detail"]["bucket"]["name"] == [data_bucket]
    resolved = {**pattern, "detail": {**pattern["detail"], "bucket": {"name": ["data"]}}}
    event = {
        "source": "aws.s3",
        "detail-type": kind,
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }

    assert compile_pattern(resolved)(event) is fits


def test_the_rule_may_send_to_the_queue_of_run_requests(rule: dict[str, Any]) -> None:
    (target,) = rule["Targets"]
    policy = resources("AWS::SQS::QueuePolicy")["ProcessingQueuePolicy"]
    (allowed,) = (
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "Uploads"
    )

    assert referred(target["Arn"]) == "ProcessingQueue"
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert referred(allowed["Condition"]["ArnEquals"]["aws:SourceArn"]) == "UploadRule"
    assert "Input" not in target
    assert "InputPath" not in target


def test_the_data_bucket_sends_its_events_to_eventbridge() -> None:
    bucket = resources("AWS::S3::Bucket")["DataBucket"]

    sent = bucket["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert sent == {"EventBridgeEnabled": True}
