"""sql: types both ways, and quoting."""

from __future__ import annotations

import pytest

from tabular.sql import column_type, contract_type, sql_identifier, sql_literal


def test_quotes_within_names_and_values_are_doubled() -> None:
    assert sql_identifier('a"b') == '"a""b"'
    assert sql_literal("it's") == "'it''s'"


@pytest.mark.parametrize(
    ("duckdb_type", "expected"),
    [
        ("VARCHAR", "string"),
        ("UUID", "string"),
        ("BIGINT", "integer"),
        ("HUGEINT", "integer"),
        ("UTINYINT", "integer"),
        ("FLOAT", "double"),
        ("DECIMAL(12,2)", "decimal(12,2)"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("TIMESTAMP_NS", "timestamp"),
        ("DATE", "date"),
        ("BOOLEAN", "boolean"),
        ("VARCHAR[]", None),
        ("STRUCT(a INTEGER)", None),
        ("INTERVAL", None),
    ],
)
def test_types_that_can_be_stored(duckdb_type: str, expected: str | None) -> None:
    assert contract_type(duckdb_type) == expected
    if expected:
        assert contract_type(column_type(expected)) == expected
