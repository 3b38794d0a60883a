"""Spark in this process; `tests/conftest.py` skips what needs it, where there is none."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.local_cloud.jobs.spark_submit import java_options

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def job() -> Any:
    path = ROOT / "jobs" / "orders_spark.py"
    spec = importlib.util.spec_from_file_location("orders_spark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def spark(job: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    patch = pytest.MonkeyPatch()
    warehouse = tmp_path_factory.mktemp("spark")
    options = f"--master local[1] --conf spark.ui.enabled=false --conf spark.local.dir={warehouse}"
    patch.setenv("PYSPARK_SUBMIT_ARGS", f"{options} pyspark-shell")
    patch.setenv("PYSPARK_PYTHON", sys.executable)
    patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    patch.setenv("SPARK_SUBMIT_OPTS", java_options())
    session = job.session()
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    session.stop()
    patch.undo()
