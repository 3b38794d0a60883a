"""Which release the command line is of."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

_PROJECT: Final = Path(__file__).resolve().parents[1] / "pyproject.toml"


def version() -> str:
    """That of the checkout it runs from; if it was installed, of the package."""
    if _PROJECT.is_file():
        return str(tomllib.loads(_PROJECT.read_text("utf-8"))["project"]["version"])
    try:
        return installed_version("durable-pipeline")
    except PackageNotFoundError:
        return "of no release"
