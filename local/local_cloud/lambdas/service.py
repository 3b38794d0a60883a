"""The Lambda API of the local cloud: describing and invoking functions, and durable executions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from aws_durable_execution_sdk_python_testing.exceptions import AwsApiException

from local.local_cloud.durable.api import DurableApi
from local.local_cloud.durable.engine import Engine
from local.local_cloud.durable.sandbox import Refuses
from local.local_cloud.durable.store import ENDED_EXECUTIONS, StatusListener
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import served_by
from local.local_cloud.http.rest_routes import decode
from local.local_cloud.http.services import HttpRequest, Response, ServiceError
from local.local_cloud.lambdas.created_functions import CreatedFunctions, OnCreated
from local.local_cloud.lambdas.functions import FunctionSpec, HostSettings
from local.local_cloud.lambdas.invocation_counts import InvocationCounts
from local.local_cloud.lambdas.invoke import Invocation, InvokeApi, InvokeResult
from local.local_cloud.lambdas.lambda_functions import FunctionsApi, find_function
from local.local_cloud.lambdas.launcher import SandboxLauncher
from local.local_cloud.lambdas.pool import FunctionHost

__all__ = ["InvokeResult", "LambdaService", "Response"]


class LambdaService:
    """Functions in sandboxes, behind the REST API of Lambda.

    What it does not emulate it refuses by name, with HTTP status 501.
    """

    def __init__(
        self,
        functions: Sequence[FunctionSpec],
        *,
        endpoint_url: str,
        region: str,
        account_id: str,
        on_status_change: StatusListener,
        log_dir: Path,
        ended_executions: int = ENDED_EXECUTIONS,
        refuses: Refuses = lambda _caller, _target: None,
        on_created: OnCreated = lambda _function: None,
        clients: ServiceClients | None = None,
        launcher: SandboxLauncher | None = None,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            functions: all that the template has; others can be created by call.
            endpoint_url: where functions find every service, this one included.
            region: as part of ARNs.
            account_id: as part of ARNs.
            on_status_change: gets `Durable Execution Status Change` events one at a time, on
                a thread of its own.
            log_dir: for `<function>.log`, `engine.log` and `sandboxes.log`; created when missing.
            ended_executions: how many are retained; running ones always are.
            refuses: why a durable function may not invoke another one.
            on_created: called with a function that an API call is about to create or change.
            clients: of the services where such a call finds code in S3; absent: that is refused.
            launcher: of sandboxes, whose logs are in `log_dir`; absent: one of its own.
        """
        self._ended_executions = ended_executions
        self._host = FunctionHost(
            functions,
            HostSettings(endpoint_url, region, account_id, log_dir),
            launcher=launcher,
        )
        self._on_status_change = on_status_change
        self._refuses = refuses
        self._engine: Engine | None = None
        self._invoke: InvokeApi | None = None
        self._durable: DurableApi | None = None
        self._describe = FunctionsApi(self._host)
        self._created = CreatedFunctions(
            self._host,
            log_dir.parent / "functions",
            self._describe.describe,
            on_created,
            clients,
        )

    @property
    def counts(self) -> InvocationCounts:
        """How often functions ran and failed."""
        return self._host.counts

    def start(self) -> None:
        self._host.start()
        self._engine = Engine(
            self._host, self._on_status_change, self._ended_executions, self._refuses
        )
        self._engine.start()
        self._invoke = InvokeApi(self._engine, self._host)
        self._durable = DurableApi(
            self._engine, self._host, lambda name: find_function(self._host, name)[0]
        )

    def stop(self) -> None:
        """End all sandboxes and forget all executions; a service is started once."""
        if self._engine is None or self._invoke is None:
            return
        self._invoke.stop()
        self._engine.abandon()
        self._host.stop()
        self._engine.stop()
        self._engine = self._invoke = self._durable = None

    def handle(self, request: HttpRequest) -> Response:
        """Handle one HTTP request.

        Blocks as long as a function runs: the caller needs a thread per request.

        Raises:
            ServiceError: for the client.
        """
        try:
            return self._route(request)
        except AwsApiException as error:
            code = type(error).__name__
            if code == "IllegalStateException":
                code = "ServiceException"
            raise ServiceError(code, str(error), error.http_status_code) from error

    def invoke(
        self,
        name_or_arn: str,
        payload: bytes,
        qualifier: str | None = None,
        invocation_type: str = "RequestResponse",
    ) -> InvokeResult:
        """Invoke for callers in this process (event sources).

        Raises:
            ServiceError: as the API refuses an invocation; a function that fails is a result.
        """
        return self._started().run(Invocation(name_or_arn, payload, qualifier, invocation_type))

    def update(self, functions: Sequence[FunctionSpec]) -> None:
        """Take the functions of an updated template.

        What runs ends with the code that it began with. Executions stay on their version; what has
        none is new from its next invocation on. Functions that were created by call stay.
        """
        created = self._created.created()
        self._host.functions = {function.name: function for function in functions} | {
            function.name: function for function in created
        }
        self._created.template_is(function.name for function in functions)

    def kill_sandboxes(self, function_name: str, *, idle: bool = True) -> int:
        """Kill every process of a function, busy ones too; returns how many there were.

        Args:
            idle: also those that do nothing just now.
        """
        return self._host.kill_sandboxes(function_name, idle=idle)

    def _started(self) -> InvokeApi:
        if self._invoke is None:
            raise RuntimeError("the Lambda service has not been started")
        return self._invoke

    def _route(self, http_request: HttpRequest) -> Response:
        request = decode("lambda", http_request)
        if request.operation == "Invoke":
            return self._started().response(request)
        operations = {**self._created.operations, **self._describe.operations}
        if self._durable is not None:
            operations |= self._durable.operations
        document = served_by(operations, "lambda", request.operation)(request)
        body = json.dumps(document, default=_epoch).encode()
        return Response(HTTPStatus.OK, {"Content-Type": "application/json"}, body)


def _epoch(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"cannot encode {type(value).__name__}")
