"""Buckets and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Delivery, Stack, arn
from local.local_cloud.http.services import ACCOUNT_ID, REGION

_ENCRYPTION: Final = "nothing is encrypted locally"
_ACCESS: Final = "access is not restricted locally"
Declared = tuple[str, Mapping[str, Any]]  # type and properties of a resource
_TAGS: Final = "tags are not stored"
_DELIVERIES: Final = {"Queue": "sqs:SendMessage", "Topic": "sns:Publish"}
_TABLE_PARTS: Final = (
    "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes",
    "StreamSpecification",
)  # fmt: skip


def bucket(props: Properties, stack: Stack) -> Created:
    """AWS::S3::Bucket."""
    s3 = stack.clients.get("s3")
    default = f"{stack.name}-{props.owner}-{ACCOUNT_ID}".lower()[:63]
    name = props.text("BucketName", default)
    versioning = props.take("VersioningConfiguration", None)
    notifications = props.part("NotificationConfiguration")
    props.without_effect(_ENCRYPTION, "BucketEncryption")
    props.without_effect(_ACCESS, "PublicAccessBlockConfiguration", "OwnershipControls")
    props.without_effect("objects do not expire or move", "LifecycleConfiguration")
    props.without_effect("access is not logged or counted", "LoggingConfiguration")
    props.without_effect(_TAGS, "Tags")
    props.finish()
    if not stack.exists(props.owner, name):
        s3.create_bucket(Bucket=name)
    if versioning:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if notifications:
        _notify(name, notifications, stack)
    return Created(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com",
        },
    )


def bucket_policy(props: Properties, stack: Stack) -> Created:
    """AWS::S3::BucketPolicy."""
    bucket_arn = f"arn:aws:s3:::{props.text('Bucket')}"
    stack.grants.add_resource_policy(bucket_arn, props.take("PolicyDocument"), props.owner)
    props.finish()
    return Created(stack.name_of(props.owner))


def _notify(bucket_name: str, props: Properties, stack: Stack) -> None:
    """Notifications to queues and topics, and events for EventBridge."""
    configuration: dict[str, Any] = {}
    for source, kind in (("QueueConfigurations", "Queue"), ("TopicConfigurations", "Topic")):
        entries = [_notification(part, kind) for part in props.parts(source)]
        if entries:
            configuration[source] = entries
        for entry in entries:
            action, target = _DELIVERIES[kind], entry[f"{kind}Arn"]
            bucket_arn = f"arn:aws:s3:::{bucket_name}"
            stack.deliveries.append(
                Delivery("s3.amazonaws.com", bucket_arn, action, target, props.owner)
            )
    bridge = props.part("EventBridgeConfiguration")
    if bridge is not None and bridge.flag("EventBridgeEnabled", True):
        configuration["EventBridgeConfiguration"] = {}
        stack.bridged_buckets.append(bucket_name)
    props.finish()
    stack.clients.get("s3").put_bucket_notification_configuration(
        Bucket=bucket_name,
        NotificationConfiguration=configuration,
        SkipDestinationValidation=True,
    )


def _notification(part: Properties, kind: str) -> dict[str, Any]:
    entry: dict[str, Any] = {f"{kind}Arn": part.text(kind), "Events": [part.text("Event")]}
    chosen = part.part("Filter")
    if chosen is not None:
        rules = chosen.take("S3Key")["Rules"]
        entry["Filter"] = {"Key": {"FilterRules": rules}}
        chosen.finish()
    part.finish()
    return entry


def table(props: Properties, stack: Stack) -> Created:
    """AWS::DynamoDB::Table."""
    dynamodb = stack.clients.get("dynamodb")
    name = props.text("TableName", stack.name_of(props.owner, 255))
    request = props.present(*_TABLE_PARTS)
    if "StreamSpecification" in request:
        request["StreamSpecification"] = {
            "StreamEnabled": True,
            "StreamViewType": request["StreamSpecification"]["StreamViewType"],
        }
    for index in request.get("GlobalSecondaryIndexes", []):
        index.pop("ProvisionedThroughput", None)
    expiry = props.part("TimeToLiveSpecification")
    props.without_effect(
        "there is no limit of throughput", "ProvisionedThroughput", "OnDemandThroughput"
    )
    props.take("BillingMode", None)  # what a call costs is nothing here, whatever it says
    props.without_effect(_ENCRYPTION, "SSESpecification")
    props.without_effect("there are no backups", "PointInTimeRecoverySpecification")
    props.without_effect("all ends with the process", "DeletionProtectionEnabled")
    props.without_effect("nothing is counted", "ContributorInsightsSpecification")
    props.without_effect(_TAGS, "Tags")
    props.finish()
    known = stack.earlier_one(props.owner)
    if known is not None:
        _add_indexes(dynamodb, known.ref, request)
        return known
    response = dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **request)
    if expiry is not None:
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={
                "AttributeName": expiry.text("AttributeName"),
                "Enabled": expiry.flag("Enabled"),
            },
        )
        expiry.finish()
    attributes = {"Arn": arn("dynamodb", f"table/{name}")}
    stream = response["TableDescription"].get("LatestStreamArn")
    return Created(name, attributes | ({"StreamArn": stream} if stream else {}))


def only_adds_indexes(before: Declared, after: Declared) -> bool:
    """Whether all that an update changes of a table is that it gets further indexes."""
    (kind, old), (other_kind, new) = before, after
    if kind != other_kind or kind != "AWS::DynamoDB::Table":
        return False
    indexes, attributes = "GlobalSecondaryIndexes", "AttributeDefinitions"
    grown = {indexes, attributes}
    remain = all(each in new.get(name, []) for name in grown for each in old.get(name, []))
    return remain and {n: v for n, v in old.items() if n not in grown} == {
        n: v for n, v in new.items() if n not in grown
    }


def _add_indexes(dynamodb: Any, name: str, request: Mapping[str, Any]) -> None:
    """Make the indexes that the template has and the table has not: one at a time, as AWS does."""
    there = dynamodb.describe_table(TableName=name)["Table"].get("GlobalSecondaryIndexes", [])
    names = {index["IndexName"] for index in there}
    for index in request.get("GlobalSecondaryIndexes", []):
        if index["IndexName"] not in names:
            dynamodb.update_table(
                TableName=name,
                AttributeDefinitions=request["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
