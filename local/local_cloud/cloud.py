"""The local cloud: an AWS of one machine, wired by the template that is deployed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from local.local_cloud.deployment import Deployment, Machine
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.front import Front
from local.local_cloud.http.services import ACCESS_KEY, REGION, SECRET_KEY
from local.local_cloud.jobs.services import Engines
from local.local_cloud.lambdas.service import LambdaService
from local.local_cloud.permissions.denial import Denial
from local.local_cloud.permissions.enforcement import Enforcement
from local.local_cloud.permissions.guard import Mode
from local.local_cloud.processes import allow_open_files
from local.local_cloud.state import CloudError, claimed, described_by
from local.local_cloud.substrate import Substrate

__all__ = ["DEFAULT_PORT", "CloudError", "LocalCloud"]

DEFAULT_PORT: Final = 4566
DEFAULT_STACK_NAME: Final = "durable-pipeline"
Part = TypeVar("Part")


class LocalCloud:
    """An emulated AWS account with one deployed template.

    Use it as a context manager, or `start` and `stop` it. Everything is in memory or below the
    state directory, and a start begins with nothing. While it runs, `<state_dir>/cloud.json`
    says where it is.

    Attributes:
        outputs: of the template; filled by `start`.
        parameters: of the template, defaults included; filled by `start`.
        warnings: what of the template has no effect on this machine, one sentence each.
        functions: the Lambda service, whose sandboxes tests may kill.
        permissions: what was denied, what was called, and credentials of roles.
    """

    def __init__(
        self,
        template: Path,
        state_dir: Path,
        *,
        port: int = DEFAULT_PORT,
        parameters: Mapping[str, str] | None = None,
        stack_name: str = DEFAULT_STACK_NAME,
        redelivery_seconds: float | None = None,
        permissions: str = Mode.ENFORCE.value,
        on_denial: Callable[[Denial], None] = lambda _: None,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            template: SAM or CloudFormation, YAML.
            state_dir: for logs, temporary files and `cloud.json`; made if missing.
            port: of the endpoint; 0 takes a free one.
            parameters: of the template. A warehouse named `local`, an EMR cluster, an instance
                and an EMR Serverless application are there unless they say otherwise.
            stack_name: what resources are named after.
            redelivery_seconds: when a message whose function failed comes again. None: when its
                visibility timeout has passed, as on AWS.
            permissions: `enforce`: calls that the template does not grant are denied; `warn`: they
                are listed only; `off`: nothing is checked.
            on_denial: called with each different denial when it happens, on the caller's thread.
        """
        self.outputs: dict[str, str] = {}
        self.parameters: dict[str, str] = {}
        self.warnings: tuple[str, ...] = ()
        self._template_path = template
        self._state_dir = state_dir.resolve()
        self._port = port
        self._parameters = dict(parameters or {})
        self._stack_name = stack_name
        self._redelivery_seconds = redelivery_seconds
        self.permissions = Enforcement(Mode(permissions), on_denial)
        self._running = contextlib.ExitStack()
        self._front: Front | None = None
        self._clients: ServiceClients | None = None
        self._deployment: Deployment | None = None

    @property
    def endpoint_url(self) -> str:
        """The endpoint of every service."""
        return _known(self._front).url

    @property
    def functions(self) -> LambdaService:
        return _known(self._deployment).functions

    def client(self, service: str) -> Any:
        """A boto3 client of a service of this cloud."""
        return _known(self._clients).get(service)

    def client_signing_as(self, credentials: Mapping[str, str], service: str) -> Any:
        """A client that signs with the variables of `permissions.credentials` and its like."""
        return _known(self._clients).signing_as(credentials).get(service)

    def environment(self) -> dict[str, str]:
        """The variables by which the AWS CLI and SDKs find this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and deploy the template; if that fails, nothing is left running.

        Raises:
            TemplateError: the template is wrong or uses what is not emulated.
            FrontError: the port is taken.
            SubstrateError: the emulator does not run.
            CloudError: the state directory is in use, or holds something else.
        """
        allow_open_files()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; again is harmless."""
        self._running.close()
        if self._deployment is not None:
            self._deployment.join()

    def update(self, template: Path) -> None:
        """Deploy another template over the one that runs, as `sam deploy` over a stack.

        Data stays. Functions have the new code at their next invocation; durable executions go on
        with the version that they began with, and new ones begin with the one that was published
        just now. Parameters stay as they were.

        Args:
            template: with its code beside it; may be in another folder than the previous one.

        Raises:
            TemplateError: it is wrong, or changes what an update cannot change here. Parts of it
                may be deployed then: nothing is rolled back.
        """
        deployment = _known(self._deployment)
        deployment.deploy(template, self._stack_name, self._parameters)
        self._describe(deployment)

    def _start(self) -> None:
        self._running.enter_context(claimed(self._state_dir))
        substrate = Substrate(self._state_dir)
        self._running.callback(substrate.stop)
        front = self._front = Front(self._port, substrate.port)
        self._running.callback(front.stop)
        substrate.start()
        front.start()
        clients = self._clients = ServiceClients(front.url)
        self._running.callback(clients.close)
        engines = self._start_engines(front)
        substrate.wait_until_ready()
        front.substrate_port = substrate.port
        direct = ServiceClients(substrate.url)
        self._running.callback(direct.close)
        deployment = Deployment(
            Machine(front, substrate, clients, direct, engines, self._state_dir, self._running),
            self.permissions,
            self._redelivery_seconds,
        )
        self._deployment = deployment
        self._running.callback(self.permissions.write_calls, self._state_dir, self._template_path)
        deployment.deploy(self._template_path, self._stack_name, self._parameters)
        self._describe(deployment)

    def _describe(self, deployment: Deployment) -> None:
        self.outputs = deployment.outputs
        self.parameters = deployment.parameters
        self.warnings = deployment.warnings + self._own_warnings()
        self._write_cloud_file()

    def _start_engines(self, front: Front) -> Engines:
        engines = Engines(
            front,
            self._state_dir,
            self._publish,
            {**self.environment(), "AWS_REGION": REGION},
            self.permissions.credentials,
        )
        self._running.callback(engines.stop)
        engines.start()
        return engines

    def _publish(self, event: Mapping[str, Any]) -> None:
        if self._deployment is not None:
            self._deployment.publish(event)

    def _own_warnings(self) -> tuple[str, ...]:
        if self._redelivery_seconds is None:
            return ()
        return (
            f"redelivery_seconds: a message whose function failed comes again after"
            f" {self._redelivery_seconds:g} s instead of its visibility timeout",
        )

    def _write_cloud_file(self) -> None:
        content = {
            "endpointUrl": self.endpoint_url,
            "region": REGION,
            "pid": os.getpid(),
            "stackName": self._stack_name,
            "startedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "outputs": self.outputs,
            "parameters": self.parameters,
            "warnings": self.warnings,
        }
        self._running.enter_context(described_by(self._state_dir, content))
        _known(self._front).description = json.dumps(content).encode()


def _known(part: Part | None) -> Part:
    if part is None:
        raise CloudError("the local cloud has not been started")
    return part
