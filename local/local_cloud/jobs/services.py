"""The services that run jobs, started together; and what of them the template's parameters name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from local.local_cloud.events.service_events import OnEvent
from local.local_cloud.http.front import Front
from local.local_cloud.jobs.emr import EmrService
from local.local_cloud.jobs.emr_serverless import EmrServerlessService
from local.local_cloud.jobs.glue import GlueService
from local.local_cloud.jobs.ssm import SsmService
from local.local_cloud.permissions.enforcement import INSTANCE_ROLE, SERVERLESS_ROLE
from local.local_cloud.redshift.data import RedshiftDataService

Credentials = Callable[[str, str], Mapping[str, str]]
# Names of sessions, which error messages show; AWS's own are not documented for all services.
_JOB_SESSION: Final = "GlueJobRunnerSession"
_INSTANCE_SESSION: Final = "i-00000000000000001"
# The engines that are there unless somebody says otherwise. In a row, each needs those before it:
# an instance submits to the cluster, an application runs jobs as the role.
_FALLBACKS: Final[tuple[Mapping[str, str], ...]] = (
    {"EmrClusterId": "j-LOCAL00000001", "SsmInstanceId": "i-00000000000000001"},
    {
        "EmrServerlessRoleArn": SERVERLESS_ROLE,
        "EmrServerlessApplicationId": "00local000000001",
    },
)


def engine_parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Values for those of the template's parameters that name engines.

    Args:
        given: parameters as a user gives them, which go before; an empty one takes the engine away,
            and those that need it.
    """
    found: dict[str, str] = {}
    for row in _FALLBACKS:
        for name, value in row.items():
            if not given.get(name, value):
                break
            found[name] = value
    return found


def _signed(credentials: Credentials, role: str) -> Mapping[str, str]:
    return credentials(role, _JOB_SESSION)


class Engines:
    """Glue, EMR, EMR Serverless, Systems Manager's commands and the Redshift Data API.

    Attributes:
        glue: defines the template's jobs.
    """

    def __init__(
        self,
        front: Front,
        state_dir: Path,
        on_event: OnEvent,
        environment: Mapping[str, str],
        credentials: Credentials | None = None,
    ) -> None:
        """Make them; nothing runs before `start`.

        Args:
            front: serves them, and is the endpoint that jobs call AWS at.
            state_dir: each gets a directory in it.
            on_event: called with each event, from threads of theirs.
            environment: variables of every job's process.
            credentials: those of a role's session, by which its jobs sign; absent: jobs sign as
                the operator does.
        """
        url = front.url
        as_role: Callable[[str], Mapping[str, str]] | None = None
        on_instance = dict(environment)
        if credentials is not None:
            as_role = functools.partial(_signed, credentials)
            on_instance |= credentials(INSTANCE_ROLE, _INSTANCE_SESSION)
        self.glue = GlueService(
            url, state_dir / "glue", on_event, environment, role_environment=as_role
        )
        self._redshift = RedshiftDataService(url, state_dir / "warehouse", on_event)
        self._emr = EmrService(url, state_dir / "emr", on_event, on_instance)
        self._ssm = SsmService(url, state_dir / "ssm", on_event, on_instance)
        self._serverless = EmrServerlessService(
            url, state_dir / "emr-serverless", on_event, environment, role_environment=as_role
        )
        self._front = front
        self._running = ExitStack()

    def start(self) -> None:
        """Begin to serve requests."""
        for service in (self.glue, self._redshift, self._emr, self._ssm):
            service.start()
            self._running.callback(service.stop)
            self._front.add_json(service)
        self._serverless.start()
        self._running.callback(self._serverless.stop)
        self._front.add_rest("emr-serverless", self._serverless)

    def stop(self) -> None:
        """End every job; again is harmless."""
        self._running.close()

    def configure(self, parameters: Mapping[str, Any]) -> None:
        """Have the cluster, instance and application that a template's parameters name."""
        if cluster_id := parameters.get("EmrClusterId"):
            self._emr.add_cluster(str(cluster_id))
        if instance_id := parameters.get("SsmInstanceId"):
            self._ssm.add_instance(str(instance_id))
        if application_id := parameters.get("EmrServerlessApplicationId"):
            self._serverless.add_application(str(application_id))
