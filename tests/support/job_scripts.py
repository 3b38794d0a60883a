"""The scripts in jobs/, which no package has: loaded by their paths."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

BUCKET = "data-bucket"


def loaded(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
