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

from local.local_cloud.alarms import Alarms, Measurements
from local.local_cloud.deploy.declared_steps import check_steps
from local.local_cloud.deploy.deployer import deploy
from local.local_cloud.deploy.stack import Stack
from local.local_cloud.events.bus import EventBus
from local.local_cloud.events.delivery import S3EventBridge, TargetDelivery
from local.local_cloud.events.sources import Invoker, SqsMapping, SqsPoller
from local.local_cloud.function_logs import FunctionLogs
from local.local_cloud.http.clients import ServiceClients, polling_client
from local.local_cloud.http.front import Front
from local.local_cloud.http.services import ACCESS_KEY, ACCOUNT_ID, REGION, SECRET_KEY
from local.local_cloud.jobs.services import Engines, engine_parameters
from local.local_cloud.lambdas.service import LambdaService
from local.local_cloud.message_moves import MessageMoves
from local.local_cloud.permissions.denial import Denial
from local.local_cloud.permissions.enforcement import Enforcement
from local.local_cloud.permissions.guard import Mode
from local.local_cloud.permissions.requests import calls_of
from local.local_cloud.permissions.roles import IamService
from local.local_cloud.permissions.sts import StsService
from local.local_cloud.state import CloudError, claimed, described_by
from local.local_cloud.substrate import Substrate
from local.local_cloud.template.conditions import as_given
from local.local_cloud.template.loader import Template, load_template

__all__ = ["DEFAULT_PORT", "CloudError", "LocalCloud"]

DEFAULT_PORT: Final = 4566
DEFAULT_STACK_NAME: Final = "durable-pipeline"
Part = TypeVar("Part")
_WAREHOUSE_SECRET: Final = "local-warehouse"  # noqa: S105  (its name)


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
            on_denial: is given each different denial when it happens, on the caller's thread.
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
        self._bus: EventBus | None = None
        self._functions: LambdaService | None = None
        self._pollers: list[SqsPoller] = []

    @property
    def endpoint_url(self) -> str:
        """Where every service answers."""
        return _known(self._front).url

    @property
    def functions(self) -> LambdaService:
        return _known(self._functions)

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
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; again is harmless."""
        self._running.close()
        # Their long polls have ended with the substrate.
        for poller in self._pollers:
            poller.join()
        self._pollers.clear()
        self._bus = None

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
        template = self._load_template(direct)
        engines.configure(template.parameters)
        stack = Stack(
            name=self._stack_name,
            directory=template.directory,
            clients=direct,
            queue_base_url=f"{front.url}/{ACCOUNT_ID}/",
            define_job=engines.glue.define_job,
        )
        self.outputs = deploy(template, stack)
        check_steps(stack.functions)
        role_arn = str(template.parameters.get("EmrServerlessRoleArn") or "")
        stack.account_roles += [role_arn] if role_arn else []
        self._running.callback(self.permissions.write_calls, self._state_dir, self._template_path)
        front.guard = self.permissions.deployed(stack, calls_of)
        front.add_rest("sts", StsService(self.permissions.principals, stack.grants.roles))
        front.add_rest("iam", IamService(stack.grants, self.permissions.forget, substrate.port))
        self._start_functions(front, stack)
        self._start_events(front, substrate, stack)
        self.parameters = {name: as_given(value) for name, value in template.parameters.items()}
        self.warnings = stack.warnings.lines() + self._own_warnings()
        self._write_cloud_file()

    def _load_template(self, clients: ServiceClients) -> Template:
        secret = clients.get("secretsmanager").create_secret(
            Name=_WAREHOUSE_SECRET,
            SecretString=json.dumps({"username": "local", "password": "local"}),
        )
        fallbacks = {**engine_parameters(self._parameters), "RedshiftSecretArn": secret["ARN"]}
        if "RedshiftClusterIdentifier" not in self._parameters:
            fallbacks["RedshiftWorkgroupName"] = "local"
        return load_template(self._template_path, self._parameters, self._stack_name, fallbacks)

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

    def _start_functions(self, front: Front, stack: Stack) -> None:
        log_dir, clients, group = self._state_dir / "logs", stack.clients, stack.log_groups
        groups = {one: [name for name in group if group[name] == one] for one in group.values()}
        logs = FunctionLogs(groups, log_dir, clients)
        functions = LambdaService(
            list(stack.functions.values()),
            endpoint_url=front.url,
            region=REGION,
            account_id=ACCOUNT_ID,
            on_status_change=self._publish,
            log_dir=log_dir,
            refuses=self.permissions.refuses_chained_invoke,
            on_created=lambda spec: logs.know(self.permissions.know_function(spec)),
            clients=clients,
        )
        functions.start()
        self._running.callback(functions.stop)
        front.add_rest("lambda", functions)
        self._functions = functions
        front.add_json(logs)
        front.add_json(Alarms(stack.alarms, Measurements(functions.counts, log_dir, clients)))
        moves = MessageMoves(_known(self._clients))
        front.add_json(moves)
        self._running.callback(moves.stop)

    def _start_events(self, front: Front, substrate: Substrate, stack: Stack) -> None:
        deliver = TargetDelivery(self.functions, stack.clients, stack.queue_base_url)
        bus = self._bus = EventBus(stack.rules, deliver, self.permissions.may_deliver)
        bus.start()
        self._running.callback(bus.stop)
        front.add_json(bus)
        sqs = polling_client(substrate.url)
        self._running.callback(sqs.close)
        for mapping in stack.mappings:
            self._poll(sqs, mapping, self.functions)
        if stack.bridged_buckets and bus.listens_to("aws.s3"):
            bridge = S3EventBridge(stack.clients, stack.queue_base_url, bus.publish)
            self._poll(sqs, bridge.mapping(), bridge)

    def _poll(self, sqs: Any, mapping: SqsMapping, invoker: Invoker) -> None:
        poller = SqsPoller(mapping, sqs, invoker, self._redelivery_seconds)
        poller.start()
        self._pollers.append(poller)
        self._running.callback(poller.stop)

    def _publish(self, event: Mapping[str, Any]) -> None:
        if self._bus is not None:
            self._bus.publish(event)

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


def _known(part: Part | None) -> Part:
    if part is None:
        raise CloudError("the local cloud has not been started")
    return part
