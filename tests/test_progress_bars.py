"""No DuckDB connection draws a progress bar: it would go to standard output."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest
from deployed_code import ROOT

# Where databases are opened; everything else goes through `tabular.workspace.connect`.
OPENED_IN = [
    "jobs/clean_csv.py",
    "jobs/src/clean_csv_job/databases.py",
    "local/local_cloud/redshift/database.py",
    "src/dataset_loading/constants_process.py",
    "src/tabular/workspace.py",
]
OPENING = ("connect", "sql", "query", "execute", "default_connection")
OPENS = re.compile(rf"\bduckdb\s*\.\s*(?:{'|'.join(OPENING)})\b")
# DuckDB's setting is on where the main module has no file, as here.
SHOWN = """
import os, sys
from pathlib import Path
sys.path.insert(0, "jobs")
def bar(connection):
    print(connection.execute("SELECT current_setting('enable_progress_bar')").fetchone()[0])
"""
CONNECTIONS = {
    "none of ours": "import duckdb; bar(duckdb.connect())",
    "steps": "from tabular import workspace; bar(workspace.connect())",
    "workspace": """
from tabular import workspace
with workspace.workspace(512) as space:
    bar(space.connection)
""",
    "job": "import clean_csv; bar(clean_csv.connect(sys.argv[1]))",
    "local warehouse": """
from local.local_cloud.redshift.database import Database
bar(Database(Path(sys.argv[1]) / "dev.duckdb")._connection)
""",
    "benchmark": """
from benchmarks.data.duckdb_way import DuckdbWay
bar(DuckdbWay(None, "", 512, Path(sys.argv[1]))._connection)
""",
}


@pytest.mark.slow
def test_no_connection_of_ours_draws_a_progress_bar(tmp_path: object) -> None:
    script = SHOWN + "".join(
        f"print({name!r}, end=': ')\n{CONNECTIONS[name]}\n" for name in CONNECTIONS
    )

    shown = run(script, str(tmp_path)).splitlines()

    assert shown == [f"{name}: {name == 'none of ours'}" for name in CONNECTIONS]


# The bar comes with the first progress that is measured, not after two seconds. This setting turns
# the bar itself on, so it is given back what it was, and what that draws is not looked at.
AT_ONCE = """
def show(connection):
    (shown,) = connection.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    connection.execute("SET progress_bar_time = 0")
    connection.execute(f"SET enable_progress_bar = {shown}")
    print("query:", flush=True)
    connection.execute("SELECT sum(hash(i) % 7) FROM range(3000000) AS t(i)").fetchall()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opened", "is_drawn"),
    [
        ("import duckdb; show(duckdb.connect())", True),
        ("from tabular import workspace; show(workspace.connect())", False),
    ],
)
def test_a_long_query_prints_nothing(opened: str, is_drawn: bool) -> None:
    _, begun, drawn = run(AT_ONCE + opened).partition("query:")

    assert begun
    assert bool(drawn.strip()) == is_drawn


def run(script: str, *arguments: str) -> str:
    """What a script prints that has no file, so that DuckDB takes its process for an interactive
    one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    return subprocess.run(  # noqa: S603 -- our own script
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        check=True,
    ).stdout


def test_databases_are_opened_in_few_places() -> None:
    found = []
    for folder in ("src", "cli", "local", "jobs", "scripts", "benchmarks", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if not OPENS.search(text):
                continue  # without parsing it: most files
            opens = [
                node
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "duckdb"
                and node.attr in OPENING
            ]
            found += [str(path.relative_to(ROOT))] * len(opens)

    assert sorted(found) == OPENED_IN
