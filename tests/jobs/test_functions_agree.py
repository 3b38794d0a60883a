"""Every function of the catalogue that a query may call computes the same in the Glue job.

Each overload is called with values of its parameter types, some of them constants; what the check
lets pass is computed by the steps' DuckDB and by that of the job, row by row.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final

import duckdb
import pinned_job
import pytest
from test_engines_agree import CELLS, SCRIPT, TYPES, refusals

from tabular.sql import column_type, sql_identifier, sql_literal
from tabular.workspace import connect, workspace

# By type, as `duckdb_functions()` names it: a column's value, then constants and other types.
VALUES: Final[dict[str, tuple[str, ...]]] = {
    "ANY": ("n", "s", "d"),
    "ANY[]": ("[n, 2]",),
    "BIGINT": ("n", "2"),
    "BIGINT[]": ("[n, 2]",),
    "BIGNUM": ("CAST(n AS BIGNUM)",),
    "BIT": ("CAST(CAST(n AS INTEGER) AS BIT)",),
    "BLOB": ("encode(s)",),
    "BOOLEAN": ("b",),
    "BOOLEAN[]": ("[b, true]",),
    "DATE": ("d",),
    "DECIMAL": ("m",),
    "DOUBLE": ("x",),
    "DOUBLE[3]": ("CAST([x, 0.5, 1] AS DOUBLE[3])",),
    "DOUBLE[ANY]": ("CAST([x, 0.5] AS DOUBLE[2])",),
    "DOUBLE[]": ("[x, 0.5]",),
    "FLOAT": ("CAST(x AS FLOAT)",),
    "FLOAT[3]": ("CAST([x, 0.5, 1] AS FLOAT[3])",),
    "FLOAT[ANY]": ("CAST([x, 0.5] AS FLOAT[2])",),
    "FLOAT[]": ("CAST([x, 0.5] AS FLOAT[])",),
    "HUGEINT": ("CAST(n AS HUGEINT)",),
    "INTEGER": ("CAST(n AS INTEGER)", "2"),
    "INTERVAL": ("(t - TIMESTAMP '2026-01-01')", "INTERVAL 1 DAY"),
    "JSON": ("to_json(s)",),
    "K": ("s",),
    "K[]": ("[s]",),
    "LAMBDA": ("lambda v: v", "lambda v, w: v"),
    "MAP(K, V)": ("MAP {s: n}",),
    "SMALLINT": ("TRY_CAST(n AS SMALLINT)",),
    "STRUCT": ("{'a': n}",),
    "T": ("n", "2"),
    "TIME": ("CAST(t AS TIME)",),
    "TIME WITH TIME ZONE": ("CAST(CAST(t AS TIME) AS TIMETZ)",),
    "TIMESTAMP": ("t",),
    "TIMESTAMP WITH TIME ZONE": ("CAST(t AS TIMESTAMPTZ)",),
    "TIMESTAMP_NS": ("CAST(t AS TIMESTAMP_NS)",),
    "TIME_NS": ("CAST(CAST(t AS TIME) AS TIME_NS)",),
    "TINYINT": ("TRY_CAST(n AS TINYINT)",),
    "TUPLE": ("row(n, s)",),
    "T[]": ("[n, 2]",),
    "T[][]": ("[[n], [2]]",),
    "UBIGINT": ("TRY_CAST(n AS UBIGINT)",),
    "UHUGEINT": ("TRY_CAST(n AS UHUGEINT)",),
    "UINTEGER": ("TRY_CAST(n AS UINTEGER)",),
    "USMALLINT": ("TRY_CAST(n AS USMALLINT)",),
    "UTINYINT": ("TRY_CAST(n AS UTINYINT)",),
    "UUID": ("CAST('7f4a5d68-1d0e-4b0a-9f3d-0123456789ab' AS UUID)",),
    "V": ("n",),
    "VARCHAR": ("s", "'day'", "'%Y-%m-%d'", "'$.a'"),
    "VARCHAR[]": ("[s, 'b']",),
    "V[]": ("[n]",),
}
# Not made by any value that a query has: the check refuses what would make them, or names none.
WITHOUT_VALUES: Final = ("GEOMETRY", "VARIANT", "UNION", "TIMESTAMPTZ_NS", "STRUCT(", "TUPLE(")
LISTS: Final = ("[n, 2]", "[x, 0.5]", "[s, 'b']", "[m, 1.5]", "[d, DATE '2026-01-01']", "[b, true]")
AT_ONCE: Final = 400  # expressions that are checked together: their constants share one limit
_WORKER: Final = """
import importlib.util, json, sys, tempfile
spec = importlib.util.spec_from_file_location("job", sys.argv[1])
job = importlib.util.module_from_spec(spec)
spec.loader.exec_module(job)
asked = json.load(sys.stdin)
connection = job.connect(tempfile.gettempdir())
for statement in asked["setup"]:
    connection.execute(statement)
found = {}
for expression, (of_all, *of_each) in asked["queries"].items():
    try:
        found[expression] = [row[0] for row in connection.execute(of_all).fetchall()]
        continue
    except Exception:
        found[expression] = []
    for query in of_each:
        try:
            found[expression].append(connection.execute(query).fetchone()[0])
        except Exception:
            found[expression].append("fails")
print(json.dumps(found))
"""


def calls() -> Iterator[str]:
    """Every overload of every scalar function and macro, and every aggregate of a list."""
    with connect() as connection:
        overloads = connection.execute(
            "SELECT DISTINCT lower(function_name), function_type = 'macro', parameter_types,"
            " varargs, len(parameters) FROM duckdb_functions()"
            " WHERE function_type IN ('scalar', 'macro') ORDER BY ALL"
        ).fetchall()
        aggregates = connection.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions()"
            " WHERE function_type = 'aggregate' ORDER BY ALL"
        ).fetchall()
    for name, is_macro, types, more, count in overloads:
        kinds = ["ANY"] * count if is_macro else [*types, *([more] if more else [])]
        if any(str(kind).startswith(WITHOUT_VALUES) for kind in kinds):
            continue
        yield from _called(name, [VALUES[kind or "ANY"] for kind in kinds])
    for (name,) in aggregates:
        yield from (f"list_aggregate({values}, '{name}')" for values in LISTS)
        yield from (f"list_aggregate([n, 2], '{name}', {more})" for more in ("0.5", "1"))


def _called(name: str, values: Sequence[Sequence[str]]) -> Iterator[str]:
    """With the columns' values; then with each other value in its place."""
    columns = [each[0] for each in values]
    others = (
        [*columns[:place], other, *columns[place + 1 :]]
        for place, each in enumerate(values)
        for other in each[1:]
    )
    for given in itertools.chain([columns], others):
        if re.fullmatch("[a-z_][a-z0-9_]*", name):
            yield f"{name}({', '.join(given)})"
        elif len(given) == 2:
            yield f"({given[0]} {name} {given[1]})"
        elif len(given) == 1:
            yield f"({name} {given[0]})"


def setup() -> list[str]:
    """Statements that make the rows of the other test, typed."""
    columns = ", ".join(
        f"{sql_identifier(name)} {column_type(kind)}" for name, kind in TYPES.items()
    )
    rows = (", ".join("NULL" if v is None else sql_literal(v) for v in row) for row in CELLS)
    inserted = (f"INSERT INTO rows VALUES ({row})" for row in rows)
    return [f"CREATE TEMP TABLE rows ({columns})", *inserted]


def queries(expression: str) -> list[str]:
    """Of all rows at once; then row by row, where one of them fails."""
    ids = [sql_literal(str(row[0])) for row in CELLS]
    select = f"SELECT CAST(({expression}\n) AS VARCHAR) FROM rows"
    places = " ".join(f"WHEN {id_} THEN {place}" for place, id_ in enumerate(ids))
    return [
        f"{select} ORDER BY CASE id {places} END",
        *(f"{select} WHERE id = {id_}" for id_ in ids),
    ]


def by_the_steps(expressions: Sequence[str]) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    with workspace(2048) as space:
        for statement in setup():
            space.connection.execute(statement)
        for each in expressions:
            of_all, *of_each = queries(each)
            try:
                found[each] = [row[0] for row in space.connection.execute(of_all).fetchall()]
            except (duckdb.Error, UnicodeDecodeError):  # of an error that is cut
                found[each] = [_computed(space.connection, query) for query in of_each]
    return found


def _computed(connection: duckdb.DuckDBPyConnection, query: str) -> str | None:
    try:
        row = connection.execute(query).fetchone()
    except (duckdb.Error, UnicodeDecodeError):
        return "fails"
    return row[0] if row else None


def by_the_job(expressions: Sequence[str]) -> dict[str, list[str | None]]:
    asked = {"setup": setup(), "queries": {each: queries(each) for each in expressions}}
    done = subprocess.run(  # noqa: S603
        [pinned_job.interpreter(), "-c", _WORKER, SCRIPT],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str | None]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_function_that_passes_the_check_computes_the_same_in_the_job() -> None:
    expressions = sorted(set(calls()))
    refused: dict[str, str] = {}
    for first in range(0, len(expressions), AT_ONCE):
        refused.update(refusals(expressions[first : first + AT_ONCE]))
    passing = [each for each in expressions if each not in refused]
    assert len(passing) > 1500, "or nothing is compared"

    steps, job = by_the_steps(passing), by_the_job(passing)

    assert {each: (steps[each], job[each]) for each in passing if steps[each] != job[each]} == {}
