"""Lambda functions and what belongs to them, collected for the Lambda service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from local.local_cloud.deploy.properties import Properties
from local.local_cloud.deploy.stack import Created, Stack, arn, function_name
from local.local_cloud.lambdas.functions import DurableSpec, FunctionSpec
from local.local_cloud.template.intrinsics import TemplateError, text
from local.local_cloud.template.loader import local_code_directory

_VERSION: Final = "1"
# AWS documents disagree about the default; only the history of ended executions depends on it.
_RETENTION_DAYS: Final = 14
_HERE: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"


def function(props: Properties, stack: Stack) -> Created:
    """AWS::Lambda::Function whose code is a local directory."""
    name = props.text("FunctionName", stack.name_of(props.owner))
    if props.text("PackageType", "Zip") != "Zip":
        raise props.error("PackageType", "Image is not emulated")
    runtime = props.text("Runtime")
    if not runtime.startswith("python3."):
        raise props.error("Runtime", f"{runtime} is not emulated")
    stack.functions[name] = FunctionSpec(
        name=name,
        handler=props.text("Handler"),
        code_dirs=_code_dirs(props, stack),
        environment=_environment(props),
        timeout_seconds=props.integer("Timeout", 3),
        memory_mb=props.integer("MemorySize", 128),
        durable=_durable(props),
        role_arn=props.text("Role"),
        tenant_isolated=_tenant_isolated(props),
    )
    props.take("Description", None)
    if runtime != _HERE:
        note = f"functions run on {_HERE}, which runs the local cloud, not on {runtime}"
        stack.warnings.add(props.owner, f"{props.kind} Runtime", note)
    props.without_effect("functions run on this machine's processor", "Architectures")
    props.without_effect("the disk of this machine is the limit", "EphemeralStorage")
    stack.log_groups[name] = _log_group(props, name)
    props.without_effect("nothing is traced", "TracingConfig")
    props.without_effect("there is no network of its own", "VpcConfig")
    props.without_effect("nothing is encrypted locally", "KmsKeyArn")
    props.without_effect("concurrency is not limited", "ReservedConcurrentExecutions")
    props.without_effect("failed asynchronous events are dropped", "DeadLetterConfig")
    props.take("Tags", None)  # SAM adds one to everything it makes
    props.finish()
    return Created(name, {"Arn": arn("lambda", f"function:{name}")})


def _log_group(props: Properties, function: str) -> str:
    group = f"/aws/lambda/{function}"
    part = props.part("LoggingConfig")
    if part is None:
        return group
    group = part.text("LogGroup", group)
    for ignored in ("LogFormat", "ApplicationLogLevel", "SystemLogLevel"):
        part.without_effect("functions log as they write", ignored)
    part.finish()
    return group


def _code_dirs(props: Properties, stack: Stack) -> tuple[Path, ...]:
    code = _directory(props, "Code", stack)
    if not code.is_dir():
        raise props.error("Code", f"the directory {code} does not exist")
    layers = []
    for layer_arn in props.items("Layers"):
        if layer_arn not in stack.layers:
            raise props.error("Layers", f"{layer_arn} is not a layer of this template")
        layers.append(stack.layers[layer_arn])
    return (code, *(directory for directory in layers if directory.is_dir()))


def _directory(props: Properties, name: str, stack: Stack) -> Path:
    location = props.part(name)
    if location is None or "S3Key" not in (place := location.present("S3Bucket", "S3Key")):
        raise props.error(name, "must name a local directory (CodeUri, ContentUri)")
    location.finish()
    try:
        return local_code_directory(stack.directory, place["S3Bucket"], place["S3Key"])
    except TemplateError as error:
        raise props.error(name, str(error)) from error


def _environment(props: Properties) -> dict[str, str]:
    part = props.part("Environment")
    if part is None:
        return {}
    variables = part.take("Variables", {})
    part.finish()
    return {name: text(value) for name, value in variables.items()}


def _durable(props: Properties) -> DurableSpec | None:
    part = props.part("DurableConfig")
    if part is None:
        return None
    part.without_effect("nothing is encrypted locally", "KMSKeyArn")
    durable = DurableSpec(
        part.integer("ExecutionTimeout"), part.integer("RetentionPeriodInDays", _RETENTION_DAYS)
    )
    part.finish()
    return durable


def _tenant_isolated(props: Properties) -> bool:
    part = props.part("TenancyConfig")
    if part is None:
        return False
    mode = part.text("TenantIsolationMode")
    part.finish()
    if mode != "PER_TENANT":
        raise part.error("TenantIsolationMode", f"must be PER_TENANT, not {mode!r}")
    return True


def layer(props: Properties, stack: Stack) -> Created:
    """AWS::Lambda::LayerVersion: its directory `python` is used if it has one."""
    name = props.text("LayerName", stack.name_of(props.owner))
    layer_arn = arn("lambda", f"layer:{name}:{_VERSION}")
    stack.layers[layer_arn] = _directory(props, "Content", stack) / "python"
    for ignored in ("Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"):
        props.take(ignored, None)
    props.finish()
    stack.warnings.add(
        props.owner, props.kind, "packages of layers are those installed where the local cloud runs"
    )
    return Created(layer_arn, {"LayerVersionArn": layer_arn})


def version(props: Properties, stack: Stack) -> Created:
    """AWS::Lambda::Version: equal to $LATEST; after an update those before stay as they were."""
    name = known_function(props, stack)[1]
    props.take("Description", None)
    props.without_effect("code is not compared", "CodeSha256")
    props.finish()
    before = stack.earlier.functions.get(name) if stack.earlier else None
    if before is not None:
        stack.change_function(name, versions=stack.functions[name].published_after(before))
    number = stack.functions[name].newest_version
    version_arn = arn("lambda", f"function:{name}:{number}")
    return Created(version_arn, {"Version": number, "FunctionArn": version_arn})


def alias(props: Properties, stack: Stack) -> Created:
    """AWS::Lambda::Alias."""
    name = known_function(props, stack)[1]
    alias_name = props.text("Name")
    stands_for = props.text("FunctionVersion")
    props.take("Description", None)
    props.without_effect("no sandbox is provisioned in advance", "ProvisionedConcurrencyConfig")
    props.finish()
    stack.change_function(name, aliases={**stack.functions[name].aliases, alias_name: stands_for})
    alias_arn = arn("lambda", f"function:{name}:{alias_name}")
    return Created(alias_arn, {"AliasArn": alias_arn})


def permission(props: Properties, stack: Stack) -> Created:
    """AWS::Lambda::Permission: one statement of the policy of a function, version or alias."""
    written, name = known_function(props, stack)
    function_arn = written if written.startswith("arn:") else arn("lambda", f"function:{name}")
    principal = props.text("Principal")
    kind = "Service" if principal.endswith(".amazonaws.com") else "AWS"
    condition: dict[str, dict[str, str]] = {}
    if source := props.text("SourceArn", ""):
        condition["ArnLike"] = {"aws:SourceArn": source}
    if account := props.text("SourceAccount", ""):
        condition["StringEquals"] = {"aws:SourceAccount": account}
    statement = {
        "Effect": "Allow",
        "Principal": {kind: principal},
        "Action": props.text("Action"),
        "Resource": function_arn,
        "Condition": condition,
    }
    props.finish()
    document = {"Version": "2012-10-17", "Statement": [statement]}
    stack.grants.add_resource_policy(function_arn, document, props.owner)
    return Created(stack.name_of(props.owner))


def invoke_config(props: Properties, stack: Stack) -> Created:
    """AWS::Lambda::EventInvokeConfig."""
    known_function(props, stack)[1]
    props.take("Qualifier", None)
    props.without_effect(
        "a failed asynchronous invocation is repeated twice, after fractions of a second",
        "MaximumRetryAttempts", "MaximumEventAgeInSeconds",
    )  # fmt: skip
    if props.take("DestinationConfig", None):
        raise props.error("DestinationConfig", "is not emulated")
    props.finish()
    return Created(stack.name_of(props.owner))


def known_function(props: Properties, stack: Stack) -> tuple[str, str]:
    """`FunctionName` as it is written, and the plain name of that function of the template."""
    written = props.text("FunctionName")
    try:
        name = function_name(written)
        stack.functions[name]
    except KeyError:
        message = f"{written} is not a function of this template"
        raise props.error("FunctionName", message) from None
    return written, name
