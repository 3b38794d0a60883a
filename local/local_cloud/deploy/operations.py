"""Logs, alarms and jobs."""

from __future__ import annotations

from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Stack, arn
from local.local_cloud.http.services import ServiceError


def log_group(props: Properties, stack: Stack) -> Created:
    """AWS::Logs::LogGroup."""
    name = props.text("LogGroupName", stack.name_of(props.owner, 512))
    props.without_effect("all logs end with the process", "RetentionInDays")
    props.without_effect("nothing is encrypted locally", "KmsKeyId")
    props.without_effect("tags are not stored", "Tags")
    props.take("LogGroupClass", None)
    props.finish()
    if not stack.exists(props.owner, name):
        stack.clients.get("logs").create_log_group(logGroupName=name)
    return Created(name, {"Arn": arn("logs", f"log-group:{name}:*")})


def alarm(props: Properties, stack: Stack) -> Created:
    """AWS::CloudWatch::Alarm: evaluated when somebody asks for its state."""
    name = props.text("AlarmName", stack.name_of(props.owner, 255))
    stack.alarms[name] = props.rest()
    why = "alarms are evaluated only when described, and notify nobody"
    stack.warnings.add(props.owner, props.kind, why)
    return Created(name, {"Arn": arn("cloudwatch", f"alarm:{name}")})


def composite_alarm(props: Properties, stack: Stack) -> Created:
    """AWS::CloudWatch::CompositeAlarm: not watched."""
    name = props.text("AlarmName", stack.name_of(props.owner, 255))
    props.resource_without_effect("composite alarms are not evaluated")
    return Created(name, {"Arn": arn("cloudwatch", f"alarm:{name}")})


def dashboard(props: Properties, stack: Stack) -> Created:
    """AWS::CloudWatch::Dashboard."""
    name = props.text("DashboardName", stack.name_of(props.owner, 255))
    props.resource_without_effect("there is nothing to show it")
    return Created(name)


def glue_job(props: Properties, stack: Stack) -> Created:
    """AWS::Glue::Job, which its service knows how to read."""
    name = props.text("Name", stack.name_of(props.owner, 255))
    values = {**props.rest(), "Name": name}
    stack.job_roles[name] = str(values.get("Role", ""))
    try:
        notes = stack.define_job(name, values)
    except ServiceError as error:
        raise props.error("", error.message) from error
    for note in notes:
        stack.warnings.add(props.owner, props.kind, note)
    return Created(name)
