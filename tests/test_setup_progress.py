"""`make setup` shows how far its installs are, wherever its output goes, and is quick."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from deployed_code import ROOT

PIP = """Collecting boto3==1.44.5 (from -r run.txt)
  Using cached boto3-1.44.5-py3-none-any.whl
Collecting duckdb==2.0.0
Installing collected packages: duckdb, boto3
Successfully installed boto3-1.44.5 duckdb-2.0.0
"""


@pytest.fixture
def setup() -> Any:
    spec = importlib.util.spec_from_file_location("project_setup", ROOT / "scripts" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_line_now_and_then(
    setup: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "SILENT_SECONDS", -1)

    output = setup._follow(io.StringIO(PIP), 2)  # noqa: SLF001

    assert output == PIP.splitlines()
    assert capsys.readouterr().out.splitlines() == [
        "  1 of 2: boto3",
        "  2 of 2: duckdb",
        "  all 2 are here; unpacking them",
    ]


def test_not_a_line_for_every_package(setup: Any, capsys: pytest.CaptureFixture[str]) -> None:
    setup._follow(io.StringIO(PIP), 2)  # noqa: SLF001
    assert capsys.readouterr().out == ""


def test_what_is_made_already_says_so_without_looking_for_a_python(
    setup: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    locks = tmp_path / "requirements"
    locks.mkdir()
    (locks / "run.txt").write_text("boto3==1.44.5\n")
    (locks / "substrate.txt").write_text("ministack==1.5.33\n")
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "LOCKS", locks)
    monkeypatch.setattr(sys, "argv", ["setup.py", "--made", "run"])

    assert setup.main() == 1
    for name, lock in ((".venv", "run"), (".venv-substrate", "substrate")):
        python = tmp_path / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        digest = hashlib.sha256((locks / f"{lock}.txt").read_bytes()).hexdigest()
        (tmp_path / name / "complete.json").write_text(json.dumps({lock: digest}))
    assert setup.main() == 1  # there is no command yet
    command = tmp_path / ".venv" / "bin" / "pipeline"
    command.write_text(setup.COMMAND.format(python=command.with_name("python")))
    assert setup.main() == 0

    (locks / "substrate.txt").write_text("ministack==1.5.34\n")
    assert setup.main() == 1
