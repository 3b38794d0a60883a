"""How SQL for Redshift is written: names, literals, types, COPY. Every part of it is quoted here.

The Data API takes no parameters in a batch of statements, so values go in as literals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from contracts import layout

# Of the Data API: statements of a batch, and bytes of one statement.
STATEMENTS_AT_MOST: Final = 40
STATEMENT_BYTES: Final = 100_000
LONGEST_TEXT: Final = 65_535  # bytes of a VARCHAR
_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,126}")
_DECIMAL: Final = re.compile(r"decimal\(([0-9]{1,2}),([0-9]{1,2})\)")
_TYPES: Final = {
    "string": f"VARCHAR({LONGEST_TEXT})",
    "integer": "BIGINT",
    "double": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def identifier(name: str) -> str:
    """A quoted identifier.

    Raises:
        ValueError: not lower-case snake case, which contracts have checked long before.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"not an identifier: {name!r}")
    return f'"{name}"'


def identifiers(names: Sequence[str]) -> str:
    """Quoted, with commas between them."""
    return ", ".join(identifier(name) for name in names)


def literal(value: str | int | None) -> str:
    """A SQL literal. A backslash is an escape in Redshift's text literals: doubled."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if "\x00" in value:
        raise ValueError("a text literal cannot hold NUL")
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def column_type(contract_type: str) -> str:
    """The Redshift type of a contract type. Text takes the widest VARCHAR there is."""
    match = _DECIMAL.fullmatch(contract_type)
    if match:
        return f"DECIMAL({match[1]},{match[2]})"
    return _TYPES[contract_type]


def table_name(table: str) -> str:
    """`schema.table` of a target's `table`; the schema defaults to public."""
    return table if "." in table else f"public.{table}"


def quoted_table(name: str) -> str:
    """`"schema"."table"`."""
    return ".".join(identifier(part) for part in name.split("."))


def copy(table: str, url: str, copy_role_arn: str, how: str) -> str:
    """A COPY of the objects under a URL, or of those that a manifest names.

    Args:
        table: quoted.
        copy_role_arn: empty: the cluster's default role.
        how: format and options.

    Raises:
        ValueError: not an S3 URL.
    """
    layout.split_s3_url(url)
    role = literal(copy_role_arn) if copy_role_arn else "default"
    return f"COPY {table} FROM {literal(url)} IAM_ROLE {role} {how}"


def cut(text: str, most_bytes: int) -> str:
    """What a VARCHAR of so many bytes can hold of a text, without line breaks and controls."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
