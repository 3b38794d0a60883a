"""Copies the Parquet files that a step wrote for a unit to the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tabular import workspace
from tabular.part_files import RowFiles
from tabular.parts import Part
from tabular.workspace import Workspace

DOWNLOADS: Final = 4  # at a time


def fetch_parts(space: Workspace, bucket: str, parts: Sequence[Part], prefix: str = "") -> RowFiles:
    """Copy parts to the workspace, several at a time.

    Args:
        prefix: of the copies' names.
    """
    paths = [space.path(prefix + part.name) for part in parts]
    keys = [part.key for part in parts]
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        for _ in pool.map(lambda key, path: workspace.download(bucket, key, path), keys, paths):
            pass
    return RowFiles.of(space, paths)
