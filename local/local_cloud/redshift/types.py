"""Column types: Redshift's as DuckDB's, and DuckDB's as the Data API names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from local.local_cloud.redshift.expressions import not_emulated
from local.local_cloud.redshift.tokens import Kind, Token

DEFAULT_VARCHAR: Final = 256
_MAX_VARCHAR: Final = 65_535
_TEXT_LENGTHS: Final = {
    "VARCHAR": DEFAULT_VARCHAR,
    "CHARACTER VARYING": DEFAULT_VARCHAR,
    "NVARCHAR": DEFAULT_VARCHAR,
    "TEXT": DEFAULT_VARCHAR,
    "CHAR": 1,
    "CHARACTER": 1,
    "NCHAR": 1,
    "BPCHAR": DEFAULT_VARCHAR,
}
_TYPES: Final = {
    "SMALLINT": "SMALLINT",
    "INT2": "SMALLINT",
    "INTEGER": "INTEGER",
    "INT": "INTEGER",
    "INT4": "INTEGER",
    "BIGINT": "BIGINT",
    "INT8": "BIGINT",
    "DECIMAL": "DECIMAL",
    "NUMERIC": "DECIMAL",
    "REAL": "REAL",
    "FLOAT4": "REAL",
    "DOUBLE PRECISION": "DOUBLE",
    "FLOAT8": "DOUBLE",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMPTZ",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "TIME": "TIME",
    "TIME WITHOUT TIME ZONE": "TIME",
    "SUPER": "JSON",
    "VARBYTE": "BLOB",
}
# DuckDB's type: the Data API's typeName, and precision where it is fixed.
_API_TYPES: Final = {
    "SMALLINT": ("int2", 5),
    "TINYINT": ("int2", 5),
    "INTEGER": ("int4", 10),
    "BIGINT": ("int8", 19),
    "HUGEINT": ("numeric", 38),
    "FLOAT": ("float4", 8),
    "DOUBLE": ("float8", 17),
    "BOOLEAN": ("bool", 1),
    "DATE": ("date", 13),
    "TIMESTAMP": ("timestamp", 29),
    "TIMESTAMP WITH TIME ZONE": ("timestamptz", 35),
    "TIME": ("time", 15),
    "JSON": ("super", 0),
    "BLOB": ("varbyte", 0),
}


def column_type(tokens: Sequence[Token]) -> tuple[str, int | None]:
    """A Redshift type as DuckDB's, and for a text the most bytes it may have.

    Raises:
        SqlError: DuckDB has nothing like it.
    """
    words = [token.text.upper() for token in tokens if token.kind is Kind.WORD]
    inside = [token.text.upper() for token in tokens if token.kind is Kind.NUMBER]
    if words and words[-1] == "MAX":
        words, inside = words[:-1], [str(_MAX_VARCHAR)]
    name = " ".join(words)
    if name in _TEXT_LENGTHS:
        return "VARCHAR", int(inside[0]) if inside else _TEXT_LENGTHS[name]
    if name not in _TYPES:
        raise not_emulated(f"the type {name.lower()}")
    if _TYPES[name] == "DECIMAL":
        precision, scale = [*inside, *("18", "0")[len(inside) :]][:2]
        return f"DECIMAL({precision},{scale})", None
    return _TYPES[name], None


def api_column(name: str, kind: str, length: int | None = None) -> dict[str, Any]:
    """A column as ColumnMetadata describes it.

    Args:
        kind: DuckDB's type.
        length: most bytes of a text, where it is known.
    """
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if decimal:
        type_name, precision, scale = "numeric", int(decimal[1]), int(decimal[2])
    else:
        type_name, precision = _API_TYPES.get(kind, ("varchar", length or 0))
        scale = 0
    return {
        "name": name,
        "label": name,
        "typeName": type_name,
        "precision": precision,
        "scale": scale,
        "length": length or 0,
        "nullable": 1,
        "isSigned": type_name in ("int2", "int4", "int8", "numeric", "float4", "float8"),
        "isCurrency": False,
        "isCaseSensitive": type_name in ("varchar", "super"),
        "schemaName": "",
        "tableName": "",
    }
