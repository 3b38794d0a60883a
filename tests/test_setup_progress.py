"""`make setup` shows how far its installs are, also where the output is no terminal."""

from __future__ import annotations

import importlib.util
import io
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
