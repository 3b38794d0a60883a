"""The tree that is deployed out there: what an upgrade begins with."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from running_cloud import ROOT

COMMIT_FILE = Path(__file__).with_name("commit-before")
DEPLOYED = ("template.yaml", "src", "layers", "datasets", "jobs", "sql")


@pytest.fixture(scope="session")
def tree_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was deployed from the commit in `commit-before`; skips where the clone lacks it."""
    commit = COMMIT_FILE.read_text("utf-8").strip()
    git = ["git", "-C", str(ROOT)]
    known = subprocess.run(  # noqa: S603
        [*git, "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, check=False
    )
    if known.returncode:
        pytest.skip(f"this clone lacks {commit[:12]}: git fetch --depth=1 origin {commit}")
    archive = subprocess.run(  # noqa: S603
        [*git, "archive", commit, *DEPLOYED], capture_output=True, check=True
    )
    directory = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory
