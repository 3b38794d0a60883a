"""workspace: a database that keeps to its directory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from reused_duckdb import new_databases

from tabular import workspace
from tabular.sql import sql_literal

__all__ = ["new_databases"]
pytestmark = pytest.mark.usefixtures("new_databases")


def test_a_workspace_leaves_nothing_behind() -> None:
    with workspace.workspace(256) as space:
        space.connection.execute("CREATE TABLE t AS SELECT 1 AS a")
        assert space.number("SELECT a FROM t") == 1
        directory = space.directory
    assert not directory.exists()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/outside.csv'",
        "ATTACH '/tmp/outside.duckdb'",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
    ],
)
def test_sql_cannot_leave_the_workspace(sql: str) -> None:
    with workspace.workspace(256) as space, pytest.raises(duckdb.Error):
        space.connection.execute(sql)


def test_sql_sees_its_own_directory_but_not_the_one_above(tmp_path: Path) -> None:
    (tmp_path / "beside.csv").write_text("a\n1\n")
    with workspace.workspace(256) as space:
        inside = space.path("inside.csv")
        inside.write_text("a\n1\n")
        assert space.number(f"SELECT a FROM read_csv({sql_literal(inside)})") == 1
        above = f"{space.directory}/../../{tmp_path}/beside.csv"
        with pytest.raises(duckdb.Error):
            space.number(f"SELECT a FROM read_csv({sql_literal(above)})")
