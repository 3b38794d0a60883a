"""Queues and topics."""

from __future__ import annotations

import json
from typing import Final

from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Stack, arn
from local.local_cloud.intrinsics import text

_ENCRYPTION: Final = "nothing is encrypted locally"
_POLICY: Final = "resource policies are not enforced"
_TAGS: Final = "tags are not kept"
_QUEUE_ATTRIBUTES: Final = (
    "VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "MaximumMessageSize",
    "ReceiveMessageWaitTimeSeconds", "FifoQueue", "ContentBasedDeduplication",
    "DeduplicationScope", "FifoThroughputLimit",
)  # fmt: skip


def queue(props: Properties, stack: Stack) -> Created:
    """AWS::SQS::Queue."""
    name = props.text("QueueName", stack.name_of(props.owner, 80))
    attributes = {key: text(value) for key, value in props.present(*_QUEUE_ATTRIBUTES).items()}
    for key in ("RedrivePolicy", "RedriveAllowPolicy"):
        policy = props.take(key, None)
        if policy is not None:
            attributes[key] = policy if isinstance(policy, str) else json.dumps(policy)
    props.without_effect(
        _ENCRYPTION, "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"
    )
    props.without_effect(_TAGS, "Tags")
    props.finish()
    stack.clients.get("sqs").create_queue(QueueName=name, Attributes=attributes)
    url = stack.queue_base_url + name
    return Created(url, {"Arn": arn("sqs", name), "QueueName": name, "QueueUrl": url})


def queue_policy(props: Properties, stack: Stack) -> Created:
    """AWS::SQS::QueuePolicy."""
    props.resource_without_effect(_POLICY)
    return Created(stack.name_of(props.owner))


def topic(props: Properties, stack: Stack) -> Created:
    """AWS::SNS::Topic."""
    name = props.text("TopicName", stack.name_of(props.owner, 256))
    attributes = {
        key: text(value)
        for key, value in props.present(
            "DisplayName", "FifoTopic", "ContentBasedDeduplication"
        ).items()
    }
    subscriptions = props.parts("Subscription")
    props.without_effect(_ENCRYPTION, "KmsMasterKeyId")
    props.without_effect(_TAGS, "Tags")
    props.without_effect("nothing is traced", "TracingConfig")
    props.finish()
    stack.clients.get("sns").create_topic(Name=name, Attributes=attributes)
    topic_arn = arn("sns", name)
    for part in subscriptions:
        _subscribe(part, stack, topic_arn)
    return Created(topic_arn, {"TopicName": name, "TopicArn": topic_arn})


def topic_policy(props: Properties, stack: Stack) -> Created:
    """AWS::SNS::TopicPolicy."""
    props.resource_without_effect(_POLICY)
    return Created(stack.name_of(props.owner))


def subscription(props: Properties, stack: Stack) -> Created:
    """AWS::SNS::Subscription."""
    subscription_arn = _subscribe(props, stack, props.text("TopicArn"))
    return Created(subscription_arn, {"Arn": subscription_arn})


def _subscribe(props: Properties, stack: Stack, topic_arn: str) -> str:
    protocol = props.text("Protocol")
    endpoint = props.text("Endpoint")
    attributes = {}
    for key, value in props.present(
        "RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"
    ).items():
        attributes[key] = json.dumps(value) if isinstance(value, dict) else text(value)
    props.without_effect("there is one region", "Region")
    if protocol in ("email", "email-json", "sms"):
        props.resource_without_effect(f"no {protocol} is sent")
        return f"{topic_arn}:{props.owner}"
    if protocol != "sqs":
        raise props.error("Protocol", f"{protocol} is not emulated")
    props.finish()
    answer = stack.clients.get("sns").subscribe(
        TopicArn=topic_arn,
        Protocol=protocol,
        Endpoint=endpoint,
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return str(answer["SubscriptionArn"])
