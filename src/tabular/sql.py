"""SQL as text: quoting, the DuckDB types of a contract's types, how Parquet files are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# Dictionaries are tried for columns of few values only, which makes writing a fifth faster.
STORED: Final = "(FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1000)"
# Smaller, and faster still, but not read by every warehouse: for files from step to step.
PASSED_ON: Final = STORED.replace(")", ", PARQUET_VERSION v2)")
_TYPES: Final = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def sql_identifier(name: str) -> str:
    """A name, quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def sql_literal(value: object) -> str:
    """A value, quoted as an SQL text literal."""
    return "'" + str(value).replace("'", "''") + "'"


def any_of(conditions: Sequence[str]) -> str:
    """A condition that is true where one of these is."""
    return " OR ".join(f"({condition})" for condition in conditions) or "false"


def column_type(contract_type: str) -> str:
    """The DuckDB type of a contract type."""
    return _TYPES.get(contract_type) or contract_type.upper()


def contract_type(duckdb_type: str) -> str | None:
    """The contract type that holds every value of a DuckDB type; None when there is none.

    `HUGEINT`, which SUM of integers answers, counts as integer: a value that does not fit fails the
    cast when it is met.
    """
    upper = duckdb_type.upper()
    decimal = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", upper)
    if decimal:
        return f"decimal({decimal[1]},{decimal[2]})"
    if re.fullmatch(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER", upper):
        return "integer"
    if upper.startswith("TIMESTAMP"):
        return "timestamp"
    names = {kind: name for name, kind in _TYPES.items()}
    return {**names, "FLOAT": "double", "UUID": "string"}.get(upper)
