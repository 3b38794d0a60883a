"""row_scope: which transforms may be computed chunk by chunk, or on several processors."""

from __future__ import annotations

import duckdb
import pytest

from transformation.row_scope import RowScope, row_scope_of

TABLES = {
    "valid": {"id": "string", "amount": "decimal(12,2)", "country": "string", "tags": "string"},
    "countries": {"code": "string", "name": "string"},
}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM valid",
        'SELECT v.id AS a, upper("country") FROM "valid" AS v -- all of them',
        "SELECT id, CASE WHEN amount > 1 THEN 'x' END AS size FROM valid WHERE country <> 'AT'",
        "SELECT id FROM valid WHERE country IN ('AT', 'DE', 'FR', 'IT', 'ES', 'SE', 'NO')",
        "WITH known AS (SELECT id, amount * 2 AS b FROM valid) SELECT id FROM known WHERE b > 3",
        "SELECT id FROM (SELECT id, amount FROM valid) WHERE amount > 2",
    ],
)
def test_a_transform_of_single_rows(sql: str) -> None:
    assert row_scope_of(sql, TABLES) is RowScope.ROWS


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT valid.id, name FROM valid JOIN countries ON code = country",
        "SELECT valid.id, name FROM valid LEFT JOIN countries ON code = country",
        "SELECT id FROM valid WHERE country IN (SELECT code FROM countries)",
        "SELECT id FROM valid, countries WHERE amount > length(code)",
        "SELECT a.id FROM valid AS a JOIN valid AS b ON a.id = b.id",
        "SELECT code AS id FROM countries",
    ],
)
def test_a_transform_that_joins(sql: str) -> None:
    assert row_scope_of(sql, TABLES) is RowScope.TABLES


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, sum(amount) FROM valid GROUP BY id",
        "SELECT CAST(count(*) AS VARCHAR) AS id FROM valid",
        "SELECT DISTINCT id FROM valid",
        "SELECT id FROM valid QUALIFY row_number() OVER (PARTITION BY id ORDER BY amount) = 1",
        "SELECT id, row_number() OVER () AS n FROM valid",
        "SELECT id FROM valid LIMIT 5",
        "SELECT id FROM valid OFFSET 5",
        "SELECT id FROM valid ORDER BY amount LIMIT 5",
        "SELECT id FROM valid UNION ALL SELECT id FROM valid",
        "SELECT id, unnest(string_split(tags, ',')) FROM valid",
        "SELECT id, (SELECT max(name) FROM countries WHERE code = country) FROM valid",
        "SELECT CAST(i AS VARCHAR) AS id FROM range(5) AS numbers(i)",
    ],
)
def test_a_transform_of_rows_together(sql: str) -> None:
    assert row_scope_of(sql, TABLES) is RowScope.TOGETHER


def test_sql_that_does_not_fit_the_tables_is_an_error() -> None:
    with pytest.raises(duckdb.Error, match="amont"):
        row_scope_of("SELECT amont FROM valid", TABLES)
