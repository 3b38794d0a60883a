from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres_warehouse
import pytest
from aws_cloud import _environment, clients, cloud, lambda_context
from local_warehouse import LocalWarehouse
from postgres_warehouse import PostgresClient, PostgresWarehouse
from warehouse_run import WarehouseRun

__all__ = ["_environment", "clients", "cloud", "lambda_context"]
_NUMBERS = itertools.count(1)


@pytest.fixture
def warehouse(cloud: Any, tmp_path: Path) -> Iterator[LocalWarehouse]:  # noqa: F811
    """Redshift by DuckDB; COPY reads the test's buckets."""
    local = LocalWarehouse(tmp_path / "redshift", cloud.client)
    yield local
    local.close()


@pytest.fixture(scope="module")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with postgres_warehouse.start(tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture
def postgres(
    postgres_server: Any,
    cloud: Any,  # noqa: F811
    warehouse: LocalWarehouse,
) -> PostgresWarehouse:
    """With the tables that prepare-warehouse makes for a first run."""
    postgres = PostgresWarehouse(postgres_server, f"test_{next(_NUMBERS)}", cloud.client)
    WarehouseRun(cloud, warehouse).prepare(PostgresClient(postgres))
    return postgres
