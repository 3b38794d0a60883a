"""A deployed template: its resources, functions, events and permissions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.local_cloud.alarms import Alarms, Measurements
from local.local_cloud.deploy.declared_steps import check_steps
from local.local_cloud.deploy.deployer import deploy
from local.local_cloud.deploy.stack import Stack
from local.local_cloud.events.bus import EventBus
from local.local_cloud.events.delivery import S3EventBridge, TargetDelivery
from local.local_cloud.events.scheduler import SchedulerService
from local.local_cloud.events.sources import Invoker, SqsMapping, SqsPoller
from local.local_cloud.function_logs import FunctionLogs
from local.local_cloud.http.clients import ServiceClients, polling_client
from local.local_cloud.http.front import Front
from local.local_cloud.http.services import ACCOUNT_ID, REGION
from local.local_cloud.jobs.services import Engines, engine_parameters
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.lambdas.launcher import SandboxLauncher
from local.local_cloud.lambdas.service import LambdaService
from local.local_cloud.message_moves import MessageMoves
from local.local_cloud.permissions.enforcement import Enforcement
from local.local_cloud.permissions.requests import calls_of
from local.local_cloud.permissions.roles import IamService
from local.local_cloud.permissions.sts import StsService
from local.local_cloud.state import CloudError
from local.local_cloud.substrate import Substrate
from local.local_cloud.template.conditions import as_given
from local.local_cloud.template.loader import Template, load_template

_WAREHOUSE_SECRET: Final = "local-warehouse"  # noqa: S105  (its name)


@dataclass(frozen=True)
class Machine:
    """What runs before a template is deployed, and continues across deployments.

    Attributes:
        clients: of every service, through the front.
        direct: of the emulator.
        launcher: of the sandboxes.
        running: what is to be ended with the cloud, the last first.
    """

    front: Front
    substrate: Substrate
    clients: ServiceClients
    direct: ServiceClients
    engines: Engines
    launcher: SandboxLauncher
    state_dir: Path
    running: contextlib.ExitStack


class Deployment:
    """The template that is deployed now; `deploy` again updates it.

    Attributes:
        outputs, parameters: of the template.
        warnings: what of it has no effect on this machine, one sentence each.
    """

    def __init__(
        self, machine: Machine, permissions: Enforcement, redelivery_seconds: float | None
    ) -> None:
        """Nothing is there before `deploy`; the arguments are those of `LocalCloud`."""
        self.outputs: dict[str, str] = {}
        self.parameters: dict[str, str] = {}
        self.warnings: tuple[str, ...] = ()
        self._machine = machine
        self._permissions = permissions
        self._redelivery_seconds = redelivery_seconds
        self._secret_arn = ""
        self._stack: Stack | None = None
        self._functions: LambdaService | None = None
        self._logs: FunctionLogs | None = None
        self._iam: IamService | None = None
        self._bus: EventBus | None = None
        self._scheduler: SchedulerService | None = None
        self._sqs: Any = None
        self._pollers: dict[str, tuple[SqsMapping, SqsPoller]] = {}
        self._ended_pollers: list[SqsPoller] = []

    @property
    def functions(self) -> LambdaService:
        if self._functions is None:
            raise CloudError("the local cloud has not been started")
        return self._functions

    def deploy(self, path: Path, stack_name: str, parameters: Mapping[str, str]) -> None:
        """Deploy a template, or update what is deployed.

        Raises:
            TemplateError: the template is wrong or uses what is not emulated.
        """
        machine = self._machine
        template = self._load_template(path, stack_name, parameters)
        if self._stack is None:
            machine.engines.configure(template.parameters)
        stack = Stack(
            name=stack_name,
            directory=template.directory,
            clients=machine.direct,
            queue_base_url=f"{machine.front.url}/{ACCOUNT_ID}/",
            define_job=machine.engines.glue.define_job,
            earlier=self._stack,
        )
        self.outputs = deploy(template, stack)
        check_steps(stack.functions)
        role_arn = str(template.parameters.get("EmrServerlessRoleArn") or "")
        stack.account_roles += [role_arn] if role_arn else []
        self._take_permissions(stack)
        self._take_functions(stack)
        self._take_events(stack)
        stack.earlier, self._stack = None, stack
        self.parameters = {name: as_given(value) for name, value in template.parameters.items()}
        self.warnings = stack.warnings.lines()

    def publish(self, event: Mapping[str, Any]) -> None:
        """Give an event of a service to the rules; before there are any it is dropped."""
        if self._bus is not None:
            self._bus.publish(event)

    def join(self) -> None:
        """Wait for what has ended with the emulator: the long polls of queues."""
        self._bus = None
        for poller in [*self._ended_pollers, *(poller for _, poller in self._pollers.values())]:
            poller.join()
        self._ended_pollers.clear()
        self._pollers.clear()

    def _load_template(
        self, path: Path, stack_name: str, parameters: Mapping[str, str]
    ) -> Template:
        if not self._secret_arn:
            secret = self._machine.direct.get("secretsmanager").create_secret(
                Name=_WAREHOUSE_SECRET,
                SecretString=json.dumps({"username": "local", "password": "local"}),
            )
            self._secret_arn = secret["ARN"]
        fallbacks = {**engine_parameters(parameters), "RedshiftSecretArn": self._secret_arn}
        if "RedshiftClusterIdentifier" not in parameters:
            fallbacks["RedshiftWorkgroupName"] = "local"
        return load_template(path, parameters, stack_name, fallbacks)

    def _take_permissions(self, stack: Stack) -> None:
        front, permissions = self._machine.front, self._permissions
        front.guard = permissions.deployed(stack, calls_of)
        front.add_rest("sts", StsService(permissions.principals, stack.grants.roles))
        if self._iam is None:
            port = self._machine.substrate.port
            self._iam = IamService(stack.grants, permissions.forget, port)
            front.add_rest("iam", self._iam)
        self._iam.use(stack.grants)

    def _take_functions(self, stack: Stack) -> None:
        log_dir, clients, group = self._machine.state_dir / "logs", stack.clients, stack.log_groups
        groups = {one: [name for name in group if group[name] == one] for one in group.values()}
        if self._logs is None or self._functions is None:
            self._logs = FunctionLogs(groups, log_dir, clients)
            self._functions = self._started_functions(stack, self._logs)
        else:
            self._logs.groups_are(groups)
            self._functions.update(list(stack.functions.values()))
        oldest = self._machine.substrate.oldest_message_sent
        measured = Measurements(self._functions.counts, log_dir, clients, oldest)
        self._machine.front.add_json(Alarms(stack.alarms, measured))

    def _started_functions(self, stack: Stack, logs: FunctionLogs) -> LambdaService:
        machine, permissions = self._machine, self._permissions

        def created(spec: FunctionSpec) -> None:
            logs.know(permissions.know_function(spec))

        functions = LambdaService(
            list(stack.functions.values()),
            endpoint_url=machine.front.url,
            region=REGION,
            account_id=ACCOUNT_ID,
            on_status_change=self.publish,
            log_dir=machine.state_dir / "logs",
            refuses=permissions.refuses_chained_invoke,
            on_created=created,
            clients=stack.clients,
            launcher=machine.launcher,
        )
        functions.start()
        machine.running.callback(functions.stop)
        machine.front.add_rest("lambda", functions)
        machine.front.add_json(logs)
        moves = MessageMoves(machine.clients)
        machine.front.add_json(moves)
        machine.running.callback(moves.stop)
        return functions

    def _take_events(self, stack: Stack) -> None:
        """Rules are replaced as a whole, and their schedules restart; those that were made by
        calls stay, and polling of queues continues."""
        deliver = TargetDelivery(self.functions, stack.clients, stack.queue_base_url)
        before = self._bus
        bus = EventBus(stack.rules, deliver, self._permissions.may_deliver)
        bus.start()
        self._machine.running.callback(bus.stop)
        self._machine.front.add_json(bus)
        self._bus = bus
        if self._scheduler is None:
            self._scheduler = SchedulerService(deliver, self._permissions.may_deliver)
            self._scheduler.start()
            self._machine.running.callback(self._scheduler.stop)
            self._machine.front.add_rest("scheduler", self._scheduler)
        self._scheduler.use(deliver, stack.schedule_groups)
        if before is not None:
            before.stop()
        wanted: dict[str, tuple[SqsMapping, Invoker]] = {
            mapping.id: (mapping, self.functions) for mapping in stack.mappings
        }
        if stack.bridged_buckets and bus.listens_to("aws.s3"):
            bridge = S3EventBridge(stack.clients, stack.queue_base_url, self.publish)
            mapping = bridge.mapping()
            wanted[mapping.id] = (mapping, bridge)
        self._poll(wanted)

    def _polling(self) -> Any:
        """The client that all queues are polled with."""
        if self._sqs is None:
            self._sqs = polling_client(self._machine.substrate.url)
            self._machine.running.callback(self._sqs.close)
        return self._sqs

    def _poll(self, wanted: Mapping[str, tuple[SqsMapping, Invoker]]) -> None:
        for name, (mapping, poller) in list(self._pollers.items()):
            if name not in wanted or wanted[name][0] != mapping:
                poller.stop()
                self._ended_pollers.append(poller)
                del self._pollers[name]
        for name, (mapping, invoker) in wanted.items():
            if name not in self._pollers:
                poller = SqsPoller(mapping, self._polling(), invoker, self._redelivery_seconds)
                self._pollers[name] = (mapping, poller)
                poller.start()
                self._machine.running.callback(poller.stop)
