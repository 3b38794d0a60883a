"""Five designs that people bring along, each by the commands that README.md tells them to type.

One running cloud for all, permissions enforced. A design's commands are taken out of the README
(`commands_of`) and typed in a shell (`Terminal`); the AWS CLI's calls go by boto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_cloud import ROOT, RunningCloud
from typed_commands import Terminal, commands_of_designs

from local.local_cloud.cloud import LocalCloud

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("five-designs"),
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state_dir: Path = tmp_path_factory.mktemp("local-cloud")
    with LocalCloud(ROOT / "template.yaml", state_dir, port=0, redelivery_seconds=2) as local_cloud:
        yield RunningCloud(local_cloud)


@pytest.fixture
def terminal(cloud: RunningCloud, tmp_path: Path) -> Terminal:
    return Terminal(cloud, tmp_path)


def test_every_design_has_its_commands() -> None:
    designs = commands_of_designs()
    assert len(designs) == 5
    assert all(designs.values()), designs


# Design 1: parameters in, EMR through SSM, one object after another


# Design 2: one id through Glue Python, Glue Spark, Redshift


# Design 3: a CSV in, a CSV out


# Design 4: a JSON file of items


# Design 5: {"data_source": …, "processing_type": …}
