"""Two clouds for all tests of this folder; each test has run ids of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running_cloud import JOB_FUNCTION_ARN, ROOT, WITHOUT_SPARK, RunningCloud
from typer.testing import CliRunner, Result

from cli.client import deployment as deployment_module
from cli.commands.upload import upload_code
from cli.main import app
from local.local_cloud.cloud import LocalCloud

Operator = Callable[..., Result]


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The whole template, running, with sample data and one job function of users."""
    with LocalCloud(
        ROOT / "template.yaml",
        tmp_path_factory.mktemp("local-cloud"),
        port=0,
        parameters={"JobFunctionArns": JOB_FUNCTION_ARN},
        redelivery_seconds=2,
    ) as local_cloud:
        yield RunningCloud(local_cloud)


@pytest.fixture(scope="package")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The template as one deploys it who wants uploads to start runs; without sample data."""
    with LocalCloud(
        ROOT / "template.yaml",
        tmp_path_factory.mktemp("uploads"),
        port=0,
        parameters={"StartRunsOnUpload": "true"},
        redelivery_seconds=2,
    ) as local_cloud:
        running = RunningCloud(local_cloud, with_sample=False)
        upload_code(local_cloud.client("s3"), running.outputs["CodeBucketName"])
        yield running


@pytest.fixture
def signed(
    cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, str]], Operator]:
    """Makes a command line that signs with these credentials."""
    where = tmp_path / deployment_module.CLOUD_FILE
    where.parent.mkdir()
    local = cloud.cloud
    document = {
        "endpointUrl": local.endpoint_url,
        "outputs": dict(local.outputs),
        "parameters": {**local.parameters, **WITHOUT_SPARK},
        "stackName": "durable-pipeline",
    }
    where.write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def command_line(credentials: dict[str, str]) -> Operator:
        def client(service: str, _endpoint: str | None, _region: str | None) -> Any:
            return cloud.cloud.client_signing_as(credentials, service)

        monkeypatch.setattr(deployment_module, "_client", client)
        return lambda *words: CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})

    return command_line
