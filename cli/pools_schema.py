"""The JSON Schema of `pools.yaml`, for editors: derived from its type."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cli.dataset_schema import Schema, as_text, schema_of
from remote_jobs.pools.pools_file import PoolLimit, PoolsFile

SCHEMA_FILE: Final = Path("datasets") / "pools.schema.json"


def pools_schema() -> Schema:
    """The schema with the docstrings of the types as descriptions."""
    return schema_of(PoolsFile, (PoolsFile, PoolLimit), "Limits of pools")


def pools_schema_text() -> str:
    """The schema as the file `datasets/pools.schema.json` holds it."""
    return as_text(pools_schema())
