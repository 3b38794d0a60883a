"""Where the pipeline runs: a stack on AWS, or the local cloud; its outputs and clients to it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.exit_codes import NOT_FOUND, CommandFailed
from contracts.run_request import parse_timestamp

CLOUD_FILE: Final = Path(".local") / "cloud.json"
LOCAL_REGION: Final = "us-east-1"
LOCAL_KEY: Final = "test"
_HOW: Final = "start a local cloud (make local), or name a stack on AWS (--stack NAME)"


@dataclass(frozen=True)
class Deployment:
    """One deployment of the pipeline.

    Attributes:
        outputs: outputs of template.yaml, by name.
        parameters: the template's parameters, as far as they are known.
        endpoint_url: of the local cloud; None on AWS.
        region: None: as the environment says.
        stack: its name on AWS.
        stack_name: what its resources are named after, on AWS or locally; None: not known.
        deployed_at: when it was deployed or updated last; None: not known.
    """

    outputs: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    endpoint_url: str | None = None
    region: str | None = None
    stack: str | None = None
    stack_name: str | None = None
    deployed_at: datetime | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def local(self) -> bool:
        return self.endpoint_url is not None

    def output(self, name: str) -> str:
        """The value of an output.

        Raises:
            CommandFailed: the deployment has no such output.
        """
        if name not in self.outputs:
            raise CommandFailed(
                f"the deployment has no output {name}; it has {', '.join(sorted(self.outputs))}",
                NOT_FOUND,
                "deploy this version's template.yaml",
            )
        return self.outputs[name]

    def close(self) -> None:
        """Close the connections of all clients."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def client(self, service: str) -> Any:
        """A boto3 client for this deployment, made once."""
        if service not in self._clients:
            self._clients[service] = _client(service, self.endpoint_url, self.region)
        return self._clients[service]


def _client(service: str, endpoint_url: str | None, region: str | None) -> Any:
    # A function's response may take as long as the function may run (the reaper: 300 s).
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=5,
        read_timeout=310 if service == "lambda" else 60,
    )
    if endpoint_url is None:
        return boto3.client(service, region_name=region, config=config)
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region or LOCAL_REGION,
        aws_access_key_id=LOCAL_KEY,
        aws_secret_access_key=LOCAL_KEY,
        config=config,
    )


def find_deployment(
    stack: str | None, region: str | None = None, directory: Path | None = None
) -> Deployment:
    """The stack of that name; without a name, the local cloud that runs on this machine.

    Args:
        directory: where to look for `.local/cloud.json`, and above it; absent: here.

    Raises:
        CommandFailed: there is none, or it does not respond.
    """
    if stack:
        return _stack(stack, region)
    return _local_cloud(directory or Path.cwd())


def _stack(name: str, region: str | None) -> Deployment:
    try:
        client = boto3.client("cloudformation", region_name=region)
        found = client.describe_stacks(StackName=name)["Stacks"][0]
    except (ClientError, BotoCoreError) as error:
        raise CommandFailed(
            f"stack {name} cannot be read: {error}",
            NOT_FOUND,
            "check the name (--stack), the region (--region) and your credentials",
        ) from None
    return Deployment(
        outputs={item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])},
        parameters={
            item["ParameterKey"]: item.get("ParameterValue", "")
            for item in found.get("Parameters", [])
        },
        region=region,
        stack=name,
        stack_name=found["StackName"],
        deployed_at=found.get("LastUpdatedTime") or found.get("CreationTime"),
    )


def _local_cloud(directory: Path) -> Deployment:
    wanted = os.environ.get("AWS_ENDPOINT_URL")
    for parent in (directory, *directory.parents):
        path = parent / CLOUD_FILE
        if path.is_file():
            break
    else:
        asked = f" (AWS_ENDPOINT_URL is {wanted}, but its outputs are not known)" if wanted else ""
        raise CommandFailed(
            f"no local cloud: there is no {CLOUD_FILE} here or above{asked}", NOT_FOUND, _HOW
        )
    deployment = _described(path)
    endpoint_url = deployment.endpoint_url or ""
    if wanted and wanted.rstrip("/") != endpoint_url.rstrip("/"):
        raise CommandFailed(
            f"AWS_ENDPOINT_URL is {wanted}, but the local cloud described by {path} listens on"
            f" {endpoint_url}",
            NOT_FOUND,
            "unset the variable, or set it to that URL",
        )
    if not _listens(endpoint_url):
        raise CommandFailed(f"the local cloud of {path} no longer runs", NOT_FOUND, _HOW)
    return deployment


def running_cloud(state_dir: Path) -> Deployment | None:
    """The local cloud that uses this directory now; None: none does."""
    path = state_dir / CLOUD_FILE.name
    if not path.is_file():
        return None
    deployment = _described(path)
    return deployment if _listens(deployment.endpoint_url or "") else None


def _described(path: Path) -> Deployment:
    cloud = json.loads(path.read_text(encoding="utf-8"))
    return Deployment(
        outputs=cloud["outputs"],
        parameters=cloud["parameters"],
        endpoint_url=cloud["endpointUrl"],
        region=cloud.get("region", LOCAL_REGION),
        stack_name=cloud.get("stackName"),
        deployed_at=parse_timestamp(cloud["startedAt"]) if cloud.get("startedAt") else None,
    )


def _listens(endpoint_url: str) -> bool:
    address = urlsplit(endpoint_url)
    try:
        with socket.create_connection((address.hostname or "", address.port or 80), timeout=2):
            return True
    except OSError:
        return False
