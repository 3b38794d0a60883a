"""Whether Spark can run here; else the tests that need it are skipped, and say why."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

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
