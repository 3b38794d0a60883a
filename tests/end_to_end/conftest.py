"""Two clouds for all tests of this folder; each test has run ids of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_cloud import JOB_FUNCTION_ARN, ROOT, RunningCloud

from cli.commands.upload import upload_code
from local.local_cloud.cloud import LocalCloud


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
