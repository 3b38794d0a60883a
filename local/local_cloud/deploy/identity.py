"""Roles, policies, keys and secrets."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any, Final

from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Stack, arn
from local.local_cloud.intrinsics import TemplateError

_NOT_ENFORCED: Final = "permissions are recorded, not enforced"
_TAGS: Final = "tags are not kept"


def role(props: Properties, stack: Stack) -> Created:
    """AWS::IAM::Role: its inline policies can be read back; attached ones are only noted."""
    iam = stack.clients.get("iam")
    name = props.text("RoleName", stack.name_of(props.owner))
    path = props.text("Path", "/")
    iam.create_role(
        RoleName=name,
        Path=path,
        AssumeRolePolicyDocument=json.dumps(props.take("AssumeRolePolicyDocument")),
        Description=props.text("Description", ""),
    )
    for policy in props.parts("Policies"):
        iam.put_role_policy(
            RoleName=name,
            PolicyName=policy.text("PolicyName"),
            PolicyDocument=json.dumps(policy.take("PolicyDocument")),
        )
        policy.finish()
    props.take("MaxSessionDuration", None)
    props.without_effect(_NOT_ENFORCED, "ManagedPolicyArns", "PermissionsBoundary")
    props.without_effect(_TAGS, "Tags")
    props.finish()
    stack.warnings.add(props.owner, props.kind, _NOT_ENFORCED)
    return Created(name, {"Arn": arn("iam", f"role{path}{name}", region=""), "RoleId": name})


def managed_policy(props: Properties, stack: Stack) -> Created:
    """AWS::IAM::ManagedPolicy."""
    name = props.text("ManagedPolicyName", stack.name_of(props.owner, 128))
    path = props.text("Path", "/")
    stack.clients.get("iam").create_policy(
        PolicyName=name,
        Path=path,
        PolicyDocument=json.dumps(props.take("PolicyDocument")),
        Description=props.text("Description", ""),
    )
    props.without_effect(_NOT_ENFORCED, "Roles", "Users", "Groups")
    props.finish()
    stack.warnings.add(props.owner, props.kind, _NOT_ENFORCED)
    return Created(arn("iam", f"policy{path}{name}", region=""))


def inline_policy(props: Properties, stack: Stack) -> Created:
    """AWS::IAM::Policy."""
    name = props.text("PolicyName")
    document = json.dumps(props.take("PolicyDocument"))
    for role_name in props.items("Roles"):
        stack.clients.get("iam").put_role_policy(
            RoleName=role_name, PolicyName=name, PolicyDocument=document
        )
    props.without_effect(_NOT_ENFORCED, "Users", "Groups")
    props.finish()
    stack.warnings.add(props.owner, props.kind, _NOT_ENFORCED)
    return Created(name)


def key(props: Properties, stack: Stack) -> Created:
    """AWS::KMS::Key."""
    answer = stack.clients.get("kms").create_key(Description=props.text("Description", ""))
    props.without_effect("resource policies are not enforced", "KeyPolicy")
    props.without_effect(
        "keys are not rotated or deleted", "EnableKeyRotation", "PendingWindowInDays"
    )
    props.without_effect(_TAGS, "Tags")
    props.finish()
    key_id = answer["KeyMetadata"]["KeyId"]
    return Created(key_id, {"Arn": answer["KeyMetadata"]["Arn"], "KeyId": key_id})


def key_alias(props: Properties, stack: Stack) -> Created:
    """AWS::KMS::Alias."""
    name = props.text("AliasName")
    stack.clients.get("kms").create_alias(AliasName=name, TargetKeyId=props.text("TargetKeyId"))
    props.finish()
    return Created(name)


def secret(props: Properties, stack: Stack) -> Created:
    """AWS::SecretsManager::Secret, its value given or generated."""
    generate = props.part("GenerateSecretString")
    value = props.take("SecretString", None)
    if generate is not None:
        value = _generated(generate)
    elif value is None:
        raise props.error("SecretString", "or GenerateSecretString is missing")
    answer = stack.clients.get("secretsmanager").create_secret(
        Name=props.text("Name", stack.name_of(props.owner)),
        Description=props.text("Description", ""),
        SecretString=value if isinstance(value, str) else json.dumps(value),
    )
    props.without_effect("nothing is encrypted locally", "KmsKeyId")
    props.without_effect(_TAGS, "Tags")
    props.finish()
    return Created(answer["ARN"], {"Id": answer["ARN"]})


def _generated(props: Properties) -> str:
    length = props.integer("PasswordLength", 32)
    excluded = set(props.text("ExcludeCharacters", ""))
    letters = string.ascii_letters + string.digits
    if not props.flag("ExcludePunctuation"):
        letters += string.punctuation
    alphabet = [letter for letter in letters if letter not in excluded]
    password = "".join(secrets.choice(alphabet) for _ in range(length))
    template = props.take("SecretStringTemplate", None)
    name = props.take("GenerateStringKey", None)
    props.finish()
    if template is None:
        return password
    try:
        document: dict[str, Any] = json.loads(template)
    except ValueError as error:
        raise TemplateError(f"{props.owner}: SecretStringTemplate is not JSON: {error}") from error
    return json.dumps({**document, str(name): password})
