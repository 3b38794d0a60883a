"""What wakes functions: queues, schedules and event rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from local.local_cloud.deploy.functions import known_function
from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Stack, arn
from local.local_cloud.events.bus import Rule, Target
from local.local_cloud.events.patterns import PatternError, compile_pattern
from local.local_cloud.events.schedules import ScheduleError, parse_schedule
from local.local_cloud.events.sources import SqsMapping

_DURABLE_LIMIT_SECONDS: Final = 900
_TARGET_SERVICES: Final = ("lambda", "sqs", "sns")
_RETRY: Final = "a target that cannot be reached is not tried again"


def event_source_mapping(props: Properties, stack: Stack) -> Created:
    """AWS::Lambda::EventSourceMapping of a standard SQS queue."""
    function, name = known_function(props, stack)
    source = props.text("EventSourceArn")
    if not source.startswith("arn:aws:sqs:") or source.endswith(".fifo"):
        raise props.error("EventSourceArn", f"{source}: only standard SQS queues are emulated")
    types = props.items("FunctionResponseTypes")
    if set(types) - {"ReportBatchItemFailures"}:
        raise props.error("FunctionResponseTypes", f"{types} is not emulated")
    scaling = props.part("ScalingConfig")
    maximum = scaling.integer("MaximumConcurrency") if scaling else None
    if scaling:
        scaling.finish()
    queue = source.rpartition(":")[2]
    mapping = SqsMapping(
        id=props.owner,
        queue_arn=source,
        queue_url=stack.queue_base_url + queue,
        function=function,
        batch_size=props.integer("BatchSize", 10),
        window_seconds=props.integer("MaximumBatchingWindowInSeconds", 0),
        maximum_concurrency=maximum,
        report_failures=bool(types),
        enabled=props.flag("Enabled", True),
    )
    props.without_effect("tags are not stored", "Tags")
    props.finish()
    _check_mapping(props, stack, mapping, name)
    stack.mappings.append(mapping)
    return Created(props.owner, {"Id": props.owner})


def _check_mapping(props: Properties, stack: Stack, mapping: SqsMapping, name: str) -> None:
    """What the service refuses when a mapping is created."""
    if mapping.batch_size > 10 and not mapping.window_seconds:
        raise props.error("BatchSize", "above 10 needs MaximumBatchingWindowInSeconds")
    if mapping.maximum_concurrency is not None and mapping.maximum_concurrency < 2:
        raise props.error("ScalingConfig.MaximumConcurrency", "must be at least 2")
    function = stack.functions[name]
    response = stack.clients.get("sqs").get_queue_attributes(
        QueueUrl=mapping.queue_url, AttributeNames=["VisibilityTimeout"]
    )
    hidden = int(response["Attributes"]["VisibilityTimeout"])
    if hidden < function.timeout_seconds:
        raise props.error(
            "EventSourceArn",
            f"the queue's visibility timeout ({hidden} s) is less than the function's timeout"
            f" ({function.timeout_seconds:g} s)",
        )
    durable = function.durable
    if durable is None:
        return
    if durable.execution_timeout_seconds > _DURABLE_LIMIT_SECONDS:
        raise props.error(
            "FunctionName",
            f"a durable function with an ExecutionTimeout above {_DURABLE_LIMIT_SECONDS} s cannot"
            " have an event source",
        )
    if mapping.function.count(":") < 7:
        raise props.error("FunctionName", "must name a version or alias of a durable function")


def rule(props: Properties, stack: Stack) -> Created:
    """AWS::Events::Rule on the default bus."""
    name = props.text("Name", stack.name_of(props.owner))
    if props.text("EventBusName", "default") != "default":
        raise props.error("EventBusName", "only the default bus is emulated")
    pattern = props.take("EventPattern", None)
    schedule = props.take("ScheduleExpression", None)
    if pattern is None and schedule is None:
        raise props.error("EventPattern", "or ScheduleExpression is missing")
    if isinstance(pattern, str):
        pattern = _checked(props, "EventPattern", json.loads, pattern)
    if pattern is not None:
        _checked(props, "EventPattern", compile_pattern, pattern)
    if schedule is not None:
        _checked(props, "ScheduleExpression", parse_schedule, schedule)
    targets = tuple(_rule_target(part) for part in props.parts("Targets"))
    enabled = props.text("State", "ENABLED") != "DISABLED"
    props.take("Description", None)
    props.without_effect("each target has a role of its own", "RoleArn")
    props.without_effect("tags are not stored", "Tags")
    props.finish()
    rule_arn = arn("events", f"rule/{name}")
    stack.rules.append(Rule(name, rule_arn, targets, pattern, schedule, enabled))
    return Created(name, {"Arn": rule_arn})


def _rule_target(part: Properties) -> Target:
    target = Target(
        id=part.text("Id"),
        arn=_target_arn(part),
        input=part.take("Input", None),
        input_path=part.take("InputPath", None),
        role_arn=part.text("RoleArn", ""),
    )
    part.without_effect(_RETRY, "RetryPolicy", "DeadLetterConfig")
    part.finish()
    return target


def _target_arn(part: Properties) -> str:
    target = part.text("Arn")
    service = (target.split(":") + [""] * 3)[2]
    if service not in _TARGET_SERVICES:
        raise part.error("Arn", f"{target}: targets are {', '.join(_TARGET_SERVICES)} only")
    return target


def schedule(props: Properties, stack: Stack) -> Created:
    """AWS::Scheduler::Schedule."""
    name = props.text("Name", stack.name_of(props.owner))
    expression = props.text("ScheduleExpression")
    _checked(props, "ScheduleExpression", parse_schedule, expression)
    if props.text("ScheduleExpressionTimezone", "UTC") != "UTC":
        raise props.error("ScheduleExpressionTimezone", "only UTC is emulated")
    target = props.nested("Target", props.take("Target"))
    to = Target(
        id=name,
        arn=_target_arn(target),
        input=target.take("Input", None),
        role_arn=target.text("RoleArn"),
    )
    target.without_effect(_RETRY, "RetryPolicy", "DeadLetterConfig")
    target.finish()
    enabled = props.text("State", "ENABLED") != "DISABLED"
    props.take("Description", None)
    props.without_effect("schedules are on time", "FlexibleTimeWindow")
    props.without_effect("schedules belong to no group", "GroupName")
    props.finish()
    schedule_arn = arn("scheduler", f"schedule/default/{name}")
    stack.rules.append(
        Rule(name, schedule_arn, (to,), None, expression, enabled, source="aws.scheduler")
    )
    return Created(name, {"Arn": schedule_arn})


def schedule_group(props: Properties, stack: Stack) -> Created:
    """AWS::Scheduler::ScheduleGroup, for schedules that are made by API calls."""
    name = props.text("Name", stack.name_of(props.owner))
    props.without_effect("tags are not stored", "Tags")
    props.finish()
    stack.schedule_groups.append(name)
    return Created(name, {"Arn": arn("scheduler", f"schedule-group/{name}")})


def _checked(props: Properties, name: str, parse: Callable[[Any], Any], value: Any) -> Any:
    try:
        return parse(value)
    except (PatternError, ScheduleError, ValueError) as error:
        raise props.error(name, str(error)) from error
