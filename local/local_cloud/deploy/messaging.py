"""Queues and topics."""

from __future__ import annotations

import json
from typing import Any, Final

from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Delivery, Stack, arn
from local.local_cloud.template.intrinsics import text

_ENCRYPTION: Final = "nothing is encrypted locally"
_TAGS: Final = "tags are not stored"
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
    url = stack.queue_base_url + name
    if stack.exists(props.owner, url):
        stack.clients.get("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)
    else:
        stack.clients.get("sqs").create_queue(QueueName=name, Attributes=attributes)
    return Created(url, {"Arn": arn("sqs", name), "QueueName": name, "QueueUrl": url})


def queue_policy(props: Properties, stack: Stack) -> Created:
    """AWS::SQS::QueuePolicy."""
    document = props.take("PolicyDocument")
    for url in props.items("Queues"):
        queue_arn = arn("sqs", str(url).rpartition("/")[2])
        stack.grants.add_resource_policy(queue_arn, document, props.owner)
    props.finish()
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
    key = props.text("KmsMasterKeyId", "")
    props.without_effect(_TAGS, "Tags")
    props.without_effect("nothing is traced", "TracingConfig")
    props.finish()
    stack.clients.get("sns").create_topic(Name=name, Attributes=attributes)
    topic_arn = arn("sns", name)
    if key:
        stack.grants.encrypt_topic(topic_arn, key)
        why = "only publishing needs the key"
        stack.warnings.add(props.owner, f"{props.kind} KmsMasterKeyId", why)
    for part in subscriptions:
        _subscribe(part, stack, topic_arn)
    return Created(topic_arn, {"TopicName": name, "TopicArn": topic_arn})


def topic_policy(props: Properties, stack: Stack) -> Created:
    """AWS::SNS::TopicPolicy."""
    document = props.take("PolicyDocument")
    for topic_arn in props.items("Topics"):
        stack.grants.add_resource_policy(str(topic_arn), document, props.owner)
    props.finish()
    return Created(stack.name_of(props.owner))


def subscription(props: Properties, stack: Stack) -> Created:
    """AWS::SNS::Subscription; subscribing again returns the one that there is."""
    subscription_arn = _subscribe(props, stack, props.text("TopicArn"))
    return Created(subscription_arn, {"Arn": subscription_arn})


def _subscribe(props: Properties, stack: Stack, topic_arn: str) -> str:
    protocol = props.text("Protocol")
    endpoint = props.text("Endpoint")
    attributes = {}
    given = props.present(
        "RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"
    )
    for key, value in given.items():
        attributes[key] = json.dumps(value) if isinstance(value, dict) else text(value)
    props.without_effect("there is one region", "Region")
    if protocol in ("email", "email-json", "sms"):
        props.resource_without_effect(f"no {protocol} is sent")
        return f"{topic_arn}:{props.owner}"
    if protocol != "sqs":
        raise props.error("Protocol", f"{protocol} is not emulated")
    props.finish()
    response = stack.clients.get("sns").subscribe(
        TopicArn=topic_arn,
        Protocol=protocol,
        Endpoint=endpoint,
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    subscription_arn = str(response["SubscriptionArn"])
    for queue_arn in (endpoint, _dead_letters(given.get("RedrivePolicy"))):
        if queue_arn:
            stack.deliveries.append(
                Delivery(
                    "sns.amazonaws.com",
                    topic_arn,
                    "sqs:SendMessage",
                    queue_arn,
                    props.owner,
                    subscription_arn if queue_arn == endpoint else "",
                )
            )
    return subscription_arn


def _dead_letters(redrive: Any) -> str:
    policy = json.loads(redrive) if isinstance(redrive, str) else (redrive or {})
    return str(policy.get("deadLetterTargetArn", ""))
