"""Roles, policies, keys and secrets."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any, Final

from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Stack, arn
from local.local_cloud.http.services import ACCOUNT_ID
from local.local_cloud.permissions.grants import Role
from local.local_cloud.template.intrinsics import TemplateError

_NO_USERS: Final = "there are no users or groups"
_TAGS: Final = "tags are not stored"
# KMS Developer Guide, "Default key policy": the account's own policies decide.
_DEFAULT_KEY_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}


def role(props: Properties, stack: Stack) -> Created:
    """AWS::IAM::Role, whose policies are enforced, and can be read back."""
    iam = stack.clients.get("iam")
    name = props.text("RoleName", stack.name_of(props.owner))
    path = props.text("Path", "/")
    trust = props.take("AssumeRolePolicyDocument")
    description = props.text("Description", "")
    if not stack.exists(props.owner, name):
        iam.create_role(
            RoleName=name,
            Path=path,
            AssumeRolePolicyDocument=json.dumps(trust),
            Description=description,
        )
    role_arn = arn("iam", f"role{path}{name}", region="")
    known = Role(
        role_arn,
        props.owner,
        attached=[str(policy_arn) for policy_arn in props.items("ManagedPolicyArns")],
        boundary=props.text("PermissionsBoundary", ""),
    )
    stack.grants.add_role(known, trust)
    for policy in props.parts("Policies"):
        title, document = policy.text("PolicyName"), policy.take("PolicyDocument")
        iam.put_role_policy(RoleName=name, PolicyName=title, PolicyDocument=json.dumps(document))
        stack.grants.add_inline(name, document, f"{props.owner} {title}")
        policy.finish()
    props.take("MaxSessionDuration", None)
    props.without_effect(_TAGS, "Tags")
    props.finish()
    return Created(name, {"Arn": role_arn, "RoleId": name})


def managed_policy(props: Properties, stack: Stack) -> Created:
    """AWS::IAM::ManagedPolicy."""
    name = props.text("ManagedPolicyName", stack.name_of(props.owner, 128))
    path = props.text("Path", "/")
    document = props.take("PolicyDocument")
    policy_arn = arn("iam", f"policy{path}{name}", region="")
    iam, written = stack.clients.get("iam"), json.dumps(document)
    description = props.text("Description", "")
    if stack.exists(props.owner, policy_arn):
        iam.delete_policy(PolicyArn=policy_arn)  # what it grants is enforced by us, not there
    iam.create_policy(PolicyName=name, Path=path, PolicyDocument=written, Description=description)
    stack.grants.add_managed(policy_arn, document, props.owner)
    for role_name in props.items("Roles"):
        stack.grants.attach(str(role_name), policy_arn, props.owner)
    props.without_effect(_NO_USERS, "Users", "Groups")
    props.finish()
    return Created(policy_arn)


def inline_policy(props: Properties, stack: Stack) -> Created:
    """AWS::IAM::Policy."""
    name = props.text("PolicyName")
    document = props.take("PolicyDocument")
    for role_name in props.items("Roles"):
        stack.clients.get("iam").put_role_policy(
            RoleName=role_name, PolicyName=name, PolicyDocument=json.dumps(document)
        )
        stack.grants.add_inline(str(role_name), document, props.owner)
    props.without_effect(_NO_USERS, "Users", "Groups")
    props.finish()
    return Created(name)


def kms_key(props: Properties, stack: Stack) -> Created:
    """AWS::KMS::Key."""
    description = props.text("Description", "")
    key = stack.earlier_one(props.owner)
    if key is None:
        made = stack.clients.get("kms").create_key(Description=description)["KeyMetadata"]
        key = Created(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})
    policy = props.take("KeyPolicy", _DEFAULT_KEY_POLICY)
    stack.grants.add_resource_policy(key.attributes["Arn"], policy, props.owner)
    props.without_effect(
        "keys are not rotated or deleted", "EnableKeyRotation", "PendingWindowInDays"
    )
    props.without_effect(_TAGS, "Tags")
    props.finish()
    return key


def key_alias(props: Properties, stack: Stack) -> Created:
    """AWS::KMS::Alias."""
    name = props.text("AliasName")
    target = props.text("TargetKeyId")
    if not stack.exists(props.owner, name):
        stack.clients.get("kms").create_alias(AliasName=name, TargetKeyId=target)
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
    known = stack.earlier_one(props.owner)
    if known is not None:
        props.rest()
        return known
    response = stack.clients.get("secretsmanager").create_secret(
        Name=props.text("Name", stack.name_of(props.owner)),
        Description=props.text("Description", ""),
        SecretString=value if isinstance(value, str) else json.dumps(value),
    )
    props.without_effect("nothing is encrypted locally", "KmsKeyId")
    props.without_effect(_TAGS, "Tags")
    props.finish()
    return Created(response["ARN"], {"Id": response["ARN"]})


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
