"""The part of the Lambda API that describes functions and their aliases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from aws_durable_execution_sdk_python_testing.child_dispatcher import parse_function_target

from local.local_cloud.http.rest_routes import Request
from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.functions import LATEST, FunctionSpec
from local.local_cloud.lambdas.pool import FunctionHost

ResponseBody = dict[str, Any]
PAGE = 50


def find_function(host: FunctionHost, name_or_arn: str) -> tuple[FunctionSpec, str | None]:
    """Look a function up by any form that Lambda accepts.

    Returns:
        The function, and the qualifier if the name carries one.

    Raises:
        ServiceError: InvalidParameterValueException or ResourceNotFoundException.
    """
    try:
        target = parse_function_target(name_or_arn)
    except ValueError as error:
        message = f"Invalid function name or ARN: {name_or_arn!r}"
        raise ServiceError("InvalidParameterValueException", message) from error
    spec = host.functions.get(target.name)
    elsewhere = (target.account_id or host.settings.account_id) != host.settings.account_id or (
        target.region or host.settings.region
    ) != host.settings.region
    if spec is None or elsewhere:
        raise not_found(host, name_or_arn)
    return spec, target.qualifier


def find_version(
    host: FunctionHost, name_or_arn: str, qualifier: str | None
) -> tuple[FunctionSpec, str | None, str]:
    """Look a function up with its version.

    Args:
        qualifier: given beside the name; must not contradict one in the name.

    Returns:
        The function, the qualifier (None when neither name nor parameter has one), the version.

    Raises:
        ServiceError: InvalidParameterValueException or ResourceNotFoundException.
    """
    spec, named = find_function(host, name_or_arn)
    if named is not None and qualifier is not None and named != qualifier:
        message = (
            "The derived qualifier from the function name does not match the specified qualifier."
        )
        raise ServiceError("InvalidParameterValueException", message)
    wanted = named or qualifier
    version = spec.version_of(wanted)
    if version is None:
        raise not_found(host, f"{spec.name}:{wanted}")
    return spec, wanted, version


def not_found(host: FunctionHost, name_or_arn: str) -> ServiceError:
    is_arn = name_or_arn.startswith("arn:")
    arn = name_or_arn if is_arn else host.settings.function_arn(name_or_arn)
    return ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)


class FunctionsApi:
    """Serves the operations in `operations`; they return JSON bodies."""

    def __init__(self, host: FunctionHost) -> None:
        self._host = host
        self.operations: Mapping[str, Callable[[Request], ResponseBody]] = {
            "GetFunction": self._get,
            "GetFunctionConfiguration": self._get_configuration,
            "ListFunctions": self._list,
            "ListAliases": self._list_aliases,
            "GetAlias": self._get_alias,
        }

    def describe(self, spec: FunctionSpec) -> ResponseBody:
        """What CreateFunction and its like return: the function as `$LATEST`."""
        return self._configuration(spec, None, LATEST)

    def _get(self, request: Request) -> ResponseBody:
        spec, _, version = self._find(request)
        spec = spec.at(version)
        return {
            "Configuration": self._get_configuration(request),
            "Code": {"RepositoryType": "local", "Location": spec.code_dirs[0].resolve().as_uri()},
        }

    def _get_configuration(self, request: Request) -> ResponseBody:
        spec, qualifier, version = self._find(request)
        return self._configuration(spec.at(version), qualifier, version)

    def _list(self, request: Request) -> ResponseBody:
        specs = sorted(self._host.functions.values(), key=lambda spec: spec.name)
        start = int(request.query_value("Marker") or 0)
        size = request.page_size(PAGE, 10_000)
        response: ResponseBody = {
            "Functions": [
                self._configuration(spec, None, LATEST) for spec in specs[start : start + size]
            ]
        }
        if start + size < len(specs):
            response["NextMarker"] = str(start + size)
        return response

    def _list_aliases(self, request: Request) -> ResponseBody:
        spec, _ = find_function(self._host, request.uri["FunctionName"])
        version = request.query_value("FunctionVersion")
        return {
            "Aliases": [
                self._alias(spec, name)
                for name in spec.aliases
                if version in (None, spec.aliases[name])
            ]
        }

    def _get_alias(self, request: Request) -> ResponseBody:
        spec, _ = find_function(self._host, request.uri["FunctionName"])
        if request.uri["Name"] not in spec.aliases:
            arn = f"{self._host.settings.function_arn(spec.name)}:{request.uri['Name']}"
            raise ServiceError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", 404)
        return self._alias(spec, request.uri["Name"])

    def _find(self, request: Request) -> tuple[FunctionSpec, str | None, str]:
        name = request.uri["FunctionName"]
        return find_version(self._host, name, request.query_value("Qualifier"))

    def _alias(self, spec: FunctionSpec, name: str) -> ResponseBody:
        return {
            "AliasArn": f"{self._host.settings.function_arn(spec.name)}:{name}",
            "Name": name,
            "FunctionVersion": spec.aliases[name],
            "Description": "",
        }

    def _configuration(
        self, spec: FunctionSpec, qualifier: str | None, version: str
    ) -> ResponseBody:
        arn = self._host.settings.function_arn(spec.name)
        response: ResponseBody = {
            "FunctionName": spec.name,
            "FunctionArn": f"{arn}:{qualifier}" if qualifier else arn,
            "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "Role": spec.role_arn,
            "Handler": spec.handler,
            "Timeout": int(spec.timeout_seconds),
            "MemorySize": spec.memory_mb,
            "Version": version,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Environment": {"Variables": dict(spec.environment)},
        }
        if spec.durable is not None:
            response["DurableConfig"] = {
                "ExecutionTimeout": spec.durable.execution_timeout_seconds,
                "RetentionPeriodInDays": spec.durable.retention_days,
            }
        if spec.tenant_isolated:
            response["TenancyConfig"] = {"TenantIsolationMode": "PER_TENANT"}
        return response
