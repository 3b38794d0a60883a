"""SQL as text: quoting, the DuckDB types of a contract's types, how Parquet files are written."""

from __future__ import annotations

import re
from typing import Final

from reading_rules.sql import any_of, sql_identifier, sql_literal
from reading_rules.values.casts import DUCKDB_TYPES, column_type

__all__ = [
    "PASSED_ON",
    "STORED",
    "any_of",
    "column_type",
    "contract_type",
    "sql_identifier",
    "sql_literal",
]

# Dictionaries are tried for columns of few values only, which makes writing a fifth faster.
STORED: Final = "(FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1000)"
# Smaller, and faster still, but not read by every warehouse: for files from step to step.
PASSED_ON: Final = STORED.replace(")", ", PARQUET_VERSION v2)")


def contract_type(duckdb_type: str) -> str | None:
    """The contract type that holds every value of a DuckDB type; None when there is none.

    `HUGEINT`, the type of a SUM of integers, counts as integer: a value that does not fit fails the
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
    names = {kind: name for name, kind in DUCKDB_TYPES.items()}
    return {**names, "FLOAT": "double", "UUID": "string"}.get(upper)
