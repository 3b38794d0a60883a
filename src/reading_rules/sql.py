"""Names and values as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def sql_identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def sql_literal(value: object) -> str:
    """A quoted text literal."""
    return "'" + str(value).replace("'", "''") + "'"


def text_column(column: str) -> str:
    """Name of a column's text; the hyphen keeps it apart from every contract column."""
    return sql_identifier(f"text-{column}")


def or_null(text: str, nulls: Sequence[str]) -> str:
    """A text, but NULL where it is one of those that stand for a missing value; as it is for none.

    Args:
        text: SQL of it.
    """
    if not nulls:
        return text
    return f"CASE WHEN {text} NOT IN ({', '.join(map(sql_literal, nulls))}) THEN {text} END"


def any_of(conditions: Iterable[str]) -> str:
    """A condition that is true where one of these is."""
    return " OR ".join(f"({condition})" for condition in conditions) or "false"
