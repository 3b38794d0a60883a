"""Spark in this process, where there is one; else the tests here are skipped, and say why."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def missing() -> str | None:
    """What Spark lacks here; nothing may be missing with SPARK=required, as in CI."""
    if os.environ.get("SPARK") == "required":
        return None
    if importlib.util.find_spec("pyspark") is None:
        return "PySpark is not installed (make setup-spark)"
    find_java = [ROOT / "scripts" / "find-java"]
    found = subprocess.run(find_java, capture_output=True, check=False)  # noqa: S603
    return "no Java 17 to 21 (see scripts/find-java)" if found.returncode else None


MISSING = missing()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("spark"):
            item.add_marker(pytest.mark.slow)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(300))  # Java starts slowly on a busy machine
            item.add_marker(pytest.mark.xdist_group("spark"))  # one Java, not one per worker
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=MISSING))


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
    session = job.session()
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    session.stop()
    patch.undo()
