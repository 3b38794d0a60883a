"""`pools.yaml` of this directory tree, which `pipeline upload` brings to the code bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from contracts import layout
from contracts.dataset import Dataset
from contracts.errors import InvalidInput, Problem
from dataset_loading.pools import unknown_pools
from remote_jobs.pools.pools_file import parse_pools_bytes

ROOT: Final = Path(__file__).resolve().parents[2]


def is_pools_file(file: Path) -> bool:
    """Whether this path names limits of pools, and no contract: a dataset may be called pools."""
    return file.name == layout.POOLS_KEY and file.resolve().parent.name != "datasets"


def problems_of_pools(dataset: Dataset, root: Path = ROOT) -> list[Problem]:
    """A problem for each job whose pool has no limit in the file, and those of the file then."""
    if all(job.pool is None for job in dataset.jobs):
        return []
    file = root / layout.POOLS_KEY
    try:
        known = parse_pools_bytes(file.read_bytes(), str(file)).limits if file.exists() else {}
    except InvalidInput as error:
        return [
            Problem(f"{layout.POOLS_KEY}: {each.path}", each.message, each.value)
            for each in error.problems
        ]
    return unknown_pools(dataset, known)
