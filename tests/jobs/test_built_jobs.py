"""The scripts that Glue runs are built of modules. They are current; bad modules are refused."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import build_jobs
import pytest

MODULES = sorted(
    {module.name for name in build_jobs.SCRIPTS.values() for module in build_jobs.ordered(name)}
)


@pytest.mark.parametrize("path", build_jobs.SCRIPTS, ids=lambda path: path.name)
def test_a_built_script_is_current(path: Path) -> None:
    current = build_jobs.built(build_jobs.SCRIPTS[path])
    assert path.read_text(encoding="utf-8") == current, "run `make jobs`, and commit what it writes"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_a_script_is_python_3_9_without_our_other_packages(name: str) -> None:
    module = build_jobs.module_named(name)
    assert module is not None
    assert ast.parse(module.text, feature_version=(3, 9)).body
    outside = {"boto3", "duckdb", *sys.stdlib_module_names}
    packages = {"clean_csv_job", "reading_rules"}
    if name.startswith("reading_rules"):
        outside, packages = set(sys.stdlib_module_names), {"reading_rules"}
    imported = {
        (getattr(node, "module", None) or node.names[0].name).partition(".")[0]
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert imported <= outside | packages


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages to build from: `ours`, empty."""
    monkeypatch.setattr(build_jobs, "SOURCES", (tmp_path,))
    (tmp_path / "ours").mkdir()
    return tmp_path / "ours"


def test_modules_come_behind_those_that_they_import(modules: Path) -> None:
    (modules / "low.py").write_text('"""Low."""\nimport os\n\nHERE = os.sep  # why\n')
    (modules / "high.py").write_text("from ours.low import (\n    HERE,\n)\n\nTHERE = HERE * 2\n")
    (modules / "main.py").write_text(
        '"""Says it."""\nfrom ours.high import THERE\nfrom ours.low import HERE\n\n'
        "print(THERE + HERE)\n"
    )
    script = build_jobs.built("ours.main")
    assert script.index("HERE = os.sep  # why") < script.index("THERE = HERE * 2")
    assert script.count("HERE = os.sep") == 1
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.strip() == "///"


@pytest.mark.parametrize(
    ("main", "message"),
    [
        ("from ours import low\n", r"ours.main, line 1: ours.low is imported as a module"),
        ("import ours.low\n", r"ours.main, line 1: ours.low is imported as a module"),
        ("from ours.low import HERE as at\n", "ours.main, line 1: imports under another name"),
        ("from ours.low import HERE\n\nHERE = 2\n", "ours.low and ours.main both define HERE"),
        ("from ours.low import HERE\n\ndef HERE(): ...\n", "both define HERE: rename one"),
    ],
)
def test_what_a_single_file_cannot_hold_is_refused(modules: Path, main: str, message: str) -> None:
    (modules / "low.py").write_text("HERE = 1\n")
    (modules / "main.py").write_text(main)
    with pytest.raises(build_jobs.Refused, match=message):
        build_jobs.built("ours.main")
