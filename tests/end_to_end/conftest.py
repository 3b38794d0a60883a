from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_cloud import ROOT, RunningCloud

from local.local_cloud.cloud import LocalCloud


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The whole template, running; shared by the tests, each of which has its own run ids."""
    state_dir: Path = tmp_path_factory.mktemp("local-cloud")
    with LocalCloud(ROOT / "template.yaml", state_dir, port=0, redelivery_seconds=2) as local_cloud:
        yield RunningCloud(local_cloud)
