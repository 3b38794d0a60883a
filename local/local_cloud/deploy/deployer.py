"""Creates what a template describes, each resource after those it needs."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError, ParamValidationError

from local.local_cloud.deploy import events, functions, identity, messaging, operations, storage
from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Stack
from local.local_cloud.template.intrinsics import TemplateError, resolve
from local.local_cloud.template.loader import Template, TemplateResource, TemplateScope

Create = Callable[[Properties, Stack], Created]
_SAM_VERSION: Final = re.compile(r"Version[0-9a-f]{10}$")

RESOURCE_TYPES: Final[Mapping[str, Create]] = {
    "AWS::CloudWatch::Alarm": operations.alarm,
    "AWS::CloudWatch::CompositeAlarm": operations.composite_alarm,
    "AWS::CloudWatch::Dashboard": operations.dashboard,
    "AWS::DynamoDB::Table": storage.table,
    "AWS::Events::Rule": events.rule,
    "AWS::Glue::Job": operations.glue_job,
    "AWS::IAM::ManagedPolicy": identity.managed_policy,
    "AWS::IAM::Policy": identity.inline_policy,
    "AWS::IAM::Role": identity.role,
    "AWS::KMS::Alias": identity.key_alias,
    "AWS::KMS::Key": identity.kms_key,
    "AWS::Lambda::Alias": functions.alias,
    "AWS::Lambda::EventInvokeConfig": functions.invoke_config,
    "AWS::Lambda::EventSourceMapping": events.event_source_mapping,
    "AWS::Lambda::Function": functions.function,
    "AWS::Lambda::LayerVersion": functions.layer,
    "AWS::Lambda::Permission": functions.permission,
    "AWS::Lambda::Version": functions.version,
    "AWS::Logs::LogGroup": operations.log_group,
    "AWS::S3::Bucket": storage.bucket,
    "AWS::S3::BucketPolicy": storage.bucket_policy,
    "AWS::SNS::Subscription": messaging.subscription,
    "AWS::SNS::Topic": messaging.topic,
    "AWS::SNS::TopicPolicy": messaging.topic_policy,
    "AWS::SQS::Queue": messaging.queue,
    "AWS::SQS::QueuePolicy": messaging.queue_policy,
    "AWS::Scheduler::Schedule": events.schedule,
    "AWS::Scheduler::ScheduleGroup": events.schedule_group,
    "AWS::SecretsManager::Secret": identity.secret,
}
# Made once: an update that changes or removes one is refused, because here nothing would happen.
FIXED: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SecretsManager::Secret",
    }
)
HOLDS_DATA: Final = FIXED | {"AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup"}


def deploy(template: Template, stack: Stack) -> dict[str, str]:
    """Create every resource of a template, or those that an earlier deployment lacks.

    Of the earlier one, buckets, tables, queues, topics, keys and log groups stay as they are, with
    what is in them. All else is what this template says.

    Args:
        template: what to create.
        stack: is filled with what the template says about functions, events and warnings.

    Returns:
        The template's outputs.

    Raises:
        TemplateError: names the resource and property that is wrong or not emulated.
    """
    unknown = [
        f"{resource.logical_id}: {resource.type} is not emulated"
        for resource in template.resources.values()
        if resource.type not in RESOURCE_TYPES
    ]
    if unknown:
        raise TemplateError("\n".join(unknown))
    _refuse_removal(template, stack)
    scope = _StackScope(template)
    for resource in template.resources.values():
        created = scope.created[resource.logical_id] = _create(resource, scope, stack)
        stack.created[resource.logical_id] = created
        _name(resource, created, stack)
    stack.grants.finish()
    return {
        name: str(resolve(value, scope, f"Outputs.{name}"))
        for name, value in template.outputs.items()
    }


def _refuse_removal(template: Template, stack: Stack) -> None:
    before = stack.earlier.values if stack.earlier else {}
    gone = [
        f"{logical_id} ({kind}): its removal by an update is not emulated"
        for logical_id, (kind, _) in before.items()
        if logical_id not in template.resources and kind in HOLDS_DATA
    ]
    if gone:
        raise TemplateError("\n".join(gone))


def _name(resource: TemplateResource, created: Created, stack: Stack) -> None:
    """Note how the template would write the resource's ARN.

    A version is `!Ref NAME.Version` in a SAM template (SAM Developer Guide, "Generated
    CloudFormation resources"); the id that SAM makes for it changes with every change of NAME.
    """
    logical_id = resource.logical_id
    if resource.type == "AWS::Lambda::Version":
        logical_id = _SAM_VERSION.sub(".Version", logical_id)
    if str(created.ref).startswith("arn:"):
        stack.grants.names[str(created.ref)] = f"!Ref {logical_id}"
    if created.attributes.get("Arn"):
        stack.grants.names[str(created.attributes["Arn"])] = f"!GetAtt {logical_id}.Arn"


def _create(resource: TemplateResource, scope: _StackScope, stack: Stack) -> Created:
    values = resolve(resource.properties, scope, resource.logical_id)
    declared = (resource.type, copy.deepcopy(values))
    before = stack.earlier.values.get(resource.logical_id) if stack.earlier else None
    if before is not None and resource.type in FIXED and before != declared:
        where = f"{resource.logical_id} ({resource.type})"
        raise TemplateError(f"{where}: a change by an update is not emulated")
    stack.values[resource.logical_id] = declared
    props = Properties(resource.logical_id, resource.type, values, stack.warnings)
    try:
        return RESOURCE_TYPES[resource.type](props, stack)
    except (ClientError, ParamValidationError) as error:
        raise TemplateError(f"{resource.logical_id} ({resource.type}): {error}") from error


class _StackScope(TemplateScope):
    """What names mean once resources exist."""

    def __init__(self, template: Template) -> None:
        super().__init__(template.stack_name, template.parameters, template.mappings)
        self._absent = template.absent
        self.created: dict[str, Created] = {}

    def ref(self, name: str) -> Any:
        if name in self.created:
            return self.created[name].ref
        self._refuse_absent(name)
        return super().ref(name)

    def attribute(self, logical_id: str, attribute: str) -> Any:
        self._refuse_absent(logical_id)
        if logical_id not in self.created:
            raise KeyError("there is no such resource")
        attributes = self.created[logical_id].attributes
        if attribute not in attributes:
            raise KeyError(f"the attribute is not emulated; there are: {', '.join(attributes)}")
        return attributes[attribute]

    def _refuse_absent(self, name: str) -> None:
        if name in self._absent:
            raise KeyError(f"not created: its condition {self._absent[name]} does not hold")
