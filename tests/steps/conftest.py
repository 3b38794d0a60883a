from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import _environment, clients, cloud, lambda_context
from local_warehouse import LocalWarehouse

__all__ = ["_environment", "clients", "cloud", "lambda_context"]


@pytest.fixture
def warehouse(cloud: Any, tmp_path: Path) -> Iterator[LocalWarehouse]:  # noqa: F811
    """Redshift by DuckDB; COPY reads the test's buckets."""
    local = LocalWarehouse(tmp_path / "redshift", cloud.client)
    yield local
    local.close()
