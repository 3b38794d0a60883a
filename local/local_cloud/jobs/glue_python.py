"""The Python that a Glue Python shell job runs on here: the one of its definition, if there is one.

`make setup-glue` makes `.venv-glue` from `requirements/glue-python-shell.txt`: the Python that the
template names, with what a run has on Glue.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_REPOSITORY: Final = Path(__file__).resolve().parents[3]
_LOCK: Final = "glue-python-shell"
PINNED_VERSION: Final = "3.9"


@dataclass(frozen=True)
class Interpreter:
    """What runs a script.

    Attributes:
        path: of the executable.
        note: how it differs from what the job is defined with, one sentence; empty: not at all.
    """

    path: Path
    note: str = ""


def interpreter_for(version: str, repository: Path = _REPOSITORY) -> Interpreter:
    """The interpreter of a Python shell job; never fails for want of one.

    Args:
        version: `Command.PythonVersion` of the job.
        repository: where the environment and its lock file are.
    """
    python = repository / ".venv-glue" / "bin" / "python"
    if version == PINNED_VERSION and python.exists() and _is_current(repository):
        return Interpreter(python)
    here = ".".join(str(part) for part in sys.version_info[:2])
    hint = "; make setup-glue makes that environment" if version == PINNED_VERSION else ""
    return Interpreter(
        Path(sys.executable),
        f"runs on this machine's Python {here} and packages, not on Python {version} with those"
        f" that Glue gives it{hint}",
    )


def _is_current(repository: Path) -> bool:
    """Whether the environment is complete, and made from the lock file as it is now."""
    try:
        stamp = json.loads((repository / ".venv-glue" / "complete.json").read_text("utf-8"))
        lock = (repository / "requirements" / f"{_LOCK}.txt").read_bytes()
    except (OSError, ValueError):
        return False
    return bool(stamp.get(_LOCK) == hashlib.sha256(lock).hexdigest())
