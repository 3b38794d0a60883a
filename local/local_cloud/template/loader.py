"""`template.yaml` as the local cloud reads it: SAM translated, parameters filled in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

import boto3
import yaml
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import intrinsics_multi_constructor, yaml_parse

from local.local_cloud.http.services import ACCOUNT_ID, REGION
from local.local_cloud.template.conditions import Conditions, check_rules, parameter_values
from local.local_cloud.template.intrinsics import TemplateError, prune, references

LOCAL_CODE_BUCKET: Final = "local-code"
_LOCAL_CODE_KEY: Final = "dir/"
_CODE_PROPERTIES: Final = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
_SECTIONS: Final = frozenset(
    [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Transform",
        "Globals",
        "Parameters",
        "Mappings",
        "Conditions",
        "Rules",
        "Resources",
        "Outputs",
    ]
)
# The policies say what becomes of data when a stack changes or goes; here all ends with us.
_RESOURCE_KEYS: Final = frozenset(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "Metadata",
        "DeletionPolicy",
        "UpdateReplacePolicy",
    ]
)


class _QuickLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """By libyaml, where there is one: ten times as fast."""


_QuickLoader.add_multi_constructor("!", intrinsics_multi_constructor)


@dataclass(frozen=True)
class TemplateResource:
    """One resource that the template creates.

    Attributes:
        properties: with `Fn::If` decided; the other intrinsic functions are still to be resolved.
        needs: logical ids of the resources that must exist first.
    """

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    needs: frozenset[str]


@dataclass(frozen=True)
class Template:
    """A translated template whose parameters and conditions are decided.

    Attributes:
        resources: those whose condition holds, each after what it needs.
        absent: logical id of each resource left out, with the condition that does not hold.
        outputs: values of the outputs whose condition holds, not yet resolved.
        directory: what local code paths are relative to.
    """

    directory: Path
    stack_name: str
    parameters: Mapping[str, Any]
    mappings: Mapping[str, Any]
    resources: Mapping[str, TemplateResource]
    absent: Mapping[str, str]
    outputs: Mapping[str, Any]


class TemplateScope:
    """What names mean before any resource exists: parameters, pseudo parameters and mappings."""

    def __init__(
        self, stack_name: str, parameters: Mapping[str, Any], mappings: Mapping[str, Any]
    ) -> None:
        self._values = {
            **parameters,
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack_name,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{stack_name}/0",
            "AWS::NotificationARNs": [],
        }
        self._mappings = mappings

    def ref(self, name: str) -> Any:
        if name not in self._values:
            raise KeyError("no such parameter, or a resource where only parameters are allowed")
        return self._values[name]

    def attribute(self, logical_id: str, attribute: str) -> Any:
        raise KeyError(f"{logical_id}.{attribute} is not known before resources exist")

    def mapping(self, name: str, first: str, second: str) -> Any:
        try:
            return self._mappings[name][first][second]
        except KeyError as error:
            raise KeyError(f"the mapping has no {error.args[0]}") from error


def load_template(
    path: Path,
    given: Mapping[str, str],
    stack_name: str,
    fallbacks: Mapping[str, str] | None = None,
) -> Template:
    """Read a SAM or CloudFormation template.

    Args:
        path: the YAML file; local code paths in it are relative to its directory.
        given: parameter values that replace the defaults.
        stack_name: `AWS::StackName`, also the beginning of names that the template leaves open.
        fallbacks: take the place of the defaults of those parameters that the template has.

    Raises:
        TemplateError: says which file, resource or property is wrong or not emulated.
    """
    source = _read(path)
    declared = source.get("Parameters", {})
    known = {name: value for name, value in (fallbacks or {}).items() if name in declared}
    parameters = parameter_values(declared, {**known, **given})
    mappings = source.get("Mappings", {})
    scope = TemplateScope(stack_name, parameters, mappings)
    conditions = Conditions(source.get("Conditions", {}), scope)
    check_rules(source.get("Rules", {}), conditions)
    translated = _translate(path, source, parameters)
    # SAM adds generated conditions where it multiplies resources.
    conditions = Conditions(translated.get("Conditions", {}), scope)
    resources, absent = _resources(translated["Resources"], conditions)
    return Template(
        directory=path.parent.resolve(),
        stack_name=stack_name,
        parameters=parameters,
        mappings=mappings,
        resources=_in_order(resources),
        absent=absent,
        outputs=_outputs(translated.get("Outputs", {}), conditions),
    )


def local_code_directory(directory: Path, bucket: str, key: str) -> Path:
    """The directory of a translated code location.

    Args:
        directory: of the template.
        bucket, key: the location as the translator wrote it.

    Raises:
        TemplateError: the code is an object in S3, which the local cloud does not run.
    """
    if bucket != LOCAL_CODE_BUCKET or not key.startswith(_LOCAL_CODE_KEY):
        raise TemplateError(f"code in S3 (s3://{bucket}/{key}) is not emulated: name a directory")
    return (directory / key.removeprefix(_LOCAL_CODE_KEY)).resolve()


def parse_template(text: str) -> Any:
    """What the YAML of a template says, short forms of functions (`!Ref`) written out.

    Raises:
        yaml.YAMLError: it is no YAML; shows the line.
    """
    try:
        return yaml.load(text, _QuickLoader)  # noqa: S506 -- a SafeLoader
    except yaml.YAMLError:
        return yaml_parse(text)  # libyaml does not show the line


def _read(path: Path) -> dict[str, Any]:
    try:
        source = parse_template(path.read_text("utf-8"))
    except OSError as error:
        raise TemplateError(f"cannot read the template {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise TemplateError(f"{path} is not YAML: {error}") from error
    if not isinstance(source, dict) or not isinstance(source.get("Resources"), dict):
        raise TemplateError(f"{path} is not a template: it has no Resources")
    unknown = set(source) - _SECTIONS
    if unknown:
        raise TemplateError(f"{path}: sections not emulated: {', '.join(sorted(unknown))}")
    transform = source.get("Transform", [])
    for name in transform if isinstance(transform, list) else [transform]:
        if name != "AWS::Serverless-2016-10-31":
            raise TemplateError(f"{path}: transform {name} is not emulated")
    return source


def _translate(path: Path, source: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The template as translated by `AWS::Serverless-2016-10-31`, in plain JSON types."""
    if "Transform" not in source:
        return source
    _point_at_directories(source)
    session = boto3.Session(
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  (nothing is called with it)
    )
    try:
        translated = Translator({}, Parser(), boto_session=session).translate(
            source, dict(parameters)
        )
    except InvalidDocumentException as error:
        causes = "\n".join(f"  {cause.message}" for cause in error.causes)
        raise TemplateError(f"{path} is not a valid SAM template:\n{causes}") from error
    plain: dict[str, Any] = json.loads(json.dumps(translated, default=str))
    return plain


def _point_at_directories(source: dict[str, Any]) -> None:
    """Rewrite local code paths as the S3 locations that the translator insists on."""

    def rewrite(properties: dict[str, Any], name: str) -> None:
        value = properties.get(name)
        if isinstance(value, str) and not value.startswith("s3://"):
            properties[name] = f"s3://{LOCAL_CODE_BUCKET}/{_LOCAL_CODE_KEY}{value.rstrip('/')}"

    shared = source.get("Globals", {})
    for kind, name in _CODE_PROPERTIES.items():
        rewrite(shared.get(kind.removeprefix("AWS::Serverless::"), {}), name)
        for resource in source["Resources"].values():
            if resource.get("Type") == kind:
                rewrite(resource.setdefault("Properties", {}), name)


def _resources(
    declared: Mapping[str, Any], condition: Conditions
) -> tuple[dict[str, TemplateResource], dict[str, str]]:
    present: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for logical_id, resource in declared.items():
        unknown = set(resource) - _RESOURCE_KEYS
        if unknown:
            raise TemplateError(f"{logical_id}: not emulated: {', '.join(sorted(unknown))}")
        name = resource.get("Condition")
        if name is not None and not _named(logical_id, condition, name):
            absent[logical_id] = name
        else:
            present[logical_id] = resource
    resources = {}
    for logical_id, resource in present.items():
        try:
            properties = prune(resource.get("Properties", {}), condition)
            needs = set(references(properties))
        except TemplateError as error:
            raise TemplateError(f"{logical_id}: {error}") from error
        after = resource.get("DependsOn", [])
        needs |= {after} if isinstance(after, str) else set(after)
        resources[logical_id] = TemplateResource(
            logical_id, resource["Type"], properties, frozenset(needs & set(present))
        )
    return resources, absent


def _named(logical_id: str, condition: Callable[[str], bool], name: str) -> bool:
    try:
        return condition(name)
    except TemplateError as error:
        raise TemplateError(f"{logical_id}: {error}") from error


def _in_order(resources: Mapping[str, TemplateResource]) -> dict[str, TemplateResource]:
    graph = {logical_id: sorted(resource.needs) for logical_id, resource in resources.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise TemplateError(f"resources need each other: {' -> '.join(error.args[1])}") from error
    return {logical_id: resources[logical_id] for logical_id in order}


def _outputs(declared: Mapping[str, Any], condition: Conditions) -> dict[str, Any]:
    return {
        name: prune(output["Value"], condition)
        for name, output in declared.items()
        if "Condition" not in output or condition(output["Condition"])
    }
