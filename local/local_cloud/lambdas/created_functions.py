"""Functions that are created while the cloud runs: CreateFunction and what changes its result.

For functions of one's own, as the jobs of the engine `lambda`: the AWS CLI's `create-function`,
`update-function-code`, `update-function-configuration` and `delete-function`, plain Python from a
zip file. Whatever else a request asks for is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.rest_routes import Request
from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.lambdas.lambda_functions import find_function
from local.local_cloud.lambdas.pool import FunctionHost

ResponseBody = dict[str, Any]
# Called with a function before it exists: refuses it, or registers its role and log group.
OnCreated = Callable[[FunctionSpec], None]
SECONDS_AT_MOST: Final = 900
# Fields of both requests; those of _NO_EFFECT have no effect here, as in the template.
_CONFIGURATION: Final = frozenset({"Handler", "Role", "Timeout", "MemorySize", "Environment"})
_NO_EFFECT: Final = frozenset(
    {"FunctionName", "Runtime", "Description", "Architectures", "PackageType", "Tags"}
)
_CODE: Final = frozenset({"ZipFile", "S3Bucket", "S3Key"})


class CreatedFunctions:
    """Handles the operations in `operations`; their responses are JSON bodies."""

    def __init__(
        self,
        host: FunctionHost,
        directory: Path,
        describe: Callable[[FunctionSpec], ResponseBody],
        on_created: OnCreated,
        clients: ServiceClients | None,
    ) -> None:
        """Set up.

        Args:
            host: runs the functions.
            directory: where their code is unpacked; made when it is needed.
            describe: the response that describes a function.
            on_created: see there.
            clients: to read code from S3; None: code in S3 is refused.
        """
        self._host, self._directory = host, directory
        self._describe, self._on_created, self._clients = describe, on_created, clients
        self._template = frozenset(host.functions)
        self.operations: Mapping[str, Callable[[Request], ResponseBody]] = {
            "CreateFunction": self._create,
            "UpdateFunctionCode": self._update_code,
            "UpdateFunctionConfiguration": self._update_configuration,
            "DeleteFunction": self._delete,
        }

    def created(self) -> list[FunctionSpec]:
        """The functions that calls have made."""
        return [spec for name, spec in self._host.functions.items() if name not in self._template]

    def template_is(self, names: Iterable[str]) -> None:
        """Know which functions are the template's, which no call may change."""
        self._template = frozenset(names)

    def _create(self, request: Request) -> ResponseBody:
        body = _body(request)
        name = str(body.get("FunctionName", ""))
        if name in self._host.functions:
            message = f"Function already exist: {name}"
            raise ServiceError("ResourceConflictException", message, 409)
        _refuse_unknown(body, _CONFIGURATION | _NO_EFFECT | {"Code"})
        missing = [key for key in ("FunctionName", "Role", "Handler", "Code") if not body.get(key)]
        if missing:
            raise _invalid(f"missing: {', '.join(missing)}")
        if not str(body.get("Runtime", "python3")).startswith("python3"):
            raise not_emulated(f"the runtime {body['Runtime']}")
        code = self._unpacked(name, body["Code"])
        spec = _configured(FunctionSpec(name, "", (code,)), body)
        self._on_created(spec)
        self._host.functions[spec.name] = spec
        return self._describe(spec)

    def _update_code(self, request: Request) -> ResponseBody:
        spec, body = self._known(request), _body(request)
        _refuse_unknown(body, _CODE | _NO_EFFECT)
        code = {key: value for key, value in body.items() if key in _CODE}
        return self._changed(replace(spec, code_dirs=(self._unpacked(spec.name, code),)))

    def _update_configuration(self, request: Request) -> ResponseBody:
        spec, body = self._known(request), _body(request)
        _refuse_unknown(body, _CONFIGURATION | _NO_EFFECT)
        return self._changed(_configured(spec, body))

    def _delete(self, request: Request) -> ResponseBody:
        del self._host.functions[self._known(request).name]
        return {}

    def _changed(self, spec: FunctionSpec) -> ResponseBody:
        self._on_created(spec)
        self._host.functions[spec.name] = spec
        return self._describe(spec)

    def _known(self, request: Request) -> FunctionSpec:
        spec, _ = find_function(self._host, request.uri["FunctionName"])
        if spec.name in self._template:
            raise not_emulated(f"a change of {spec.name}, a function of the template")
        return spec

    def _unpacked(self, name: str, code: Mapping[str, Any]) -> Path:
        """A new directory with the code; what runs keeps the old one."""
        _refuse_unknown(code, _CODE)
        if "ZipFile" in code:
            try:
                data = base64.b64decode(code["ZipFile"], validate=True)
            except (binascii.Error, TypeError) as error:
                raise _invalid("Code.ZipFile is not base64") from error
        elif {"S3Bucket", "S3Key"} <= set(code) and self._clients is not None:
            s3 = self._clients.get("s3")
            try:
                found = s3.get_object(Bucket=str(code["S3Bucket"]), Key=str(code["S3Key"]))
            except ClientError as error:
                raise _invalid(f"Error occurred while GetObject: {error}") from error
            data = found["Body"].read()
        else:
            raise _invalid("Code needs ZipFile, or S3Bucket and S3Key")
        target = self._directory / name / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                archive.extractall(target)  # members with .. or a root lose them
        except zipfile.BadZipFile as error:
            raise _invalid("Could not unzip uploaded file.") from error
        return target


def _configured(spec: FunctionSpec, body: Mapping[str, Any]) -> FunctionSpec:
    seconds = body.get("Timeout", spec.timeout_seconds)
    if not isinstance(seconds, int | float) or not 1 <= seconds <= SECONDS_AT_MOST:
        raise _invalid(f"Timeout must be 1 to {SECONDS_AT_MOST}, not {seconds!r}")
    environment = body.get("Environment")
    variables = spec.environment if environment is None else environment.get("Variables", {})
    return replace(
        spec,
        handler=str(body.get("Handler", spec.handler)),
        role_arn=str(body.get("Role", spec.role_arn)),
        timeout_seconds=seconds,
        memory_mb=int(body.get("MemorySize", spec.memory_mb)),
        environment=variables,
    )


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError as error:
        raise _invalid(f"the request is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise _invalid("the request is no JSON object")
    return body


def _refuse_unknown(given: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise not_emulated(f"{', '.join(sorted(unknown))} of a function that is created by call")


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
