"""A contract's columns and rules as DuckDB expressions.

Casts are strict: nothing is rounded, no half-understood date is taken, and what is not a finite
number is not a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contracts.dataset import Column, Dataset, Severity
from steps.duck import column_type, quoted, text
from steps.reading import text_column

_SHAPES: Final = {
    "integer": r"[+-]?\d+",
    "date": r"\d{4}-\d{2}-\d{2}",
    "timestamp": (
        r"\d{4}-\d{2}-\d{2}"
        r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?"
    ),
}
_TRUE: Final = "('true', 't', 'yes', 'y', '1')"
_FALSE: Final = "('false', 'f', 'no', 'n', '0')"


@dataclass(frozen=True)
class Check:
    """One thing that a row must satisfy.

    Attributes:
        broken: expression that is true for a row that does not; NULL counts as satisfied.
        rule: `type`, `required`, `minimum`, `maximum`, `allowed`, `pattern`, or a rule's name.
        reason: what is wrong with such a row, for people; `{value}` stands for the column's text.
    """

    broken: str
    rule: str
    reason: str
    column: str | None = None
    severity: Severity = Severity.QUARANTINE


def cast_column(column: Column) -> str:
    """The typed value of a column's text; NULL where it is no value of the type."""
    value = f"trim({text_column(column.name)})"
    match column.type:
        case "string":
            return text_column(column.name)
        case "boolean":
            return (
                f"CASE WHEN lower({value}) IN {_TRUE} THEN true"
                f" WHEN lower({value}) IN {_FALSE} THEN false END"
            )
        case "double":
            number = f"TRY_CAST({value} AS DOUBLE)"
            return f"CASE WHEN isfinite({number}) THEN {number} END"
        case "timestamp":
            instant = f"TRY_CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
            return _shaped(value, _SHAPES["timestamp"], instant)
        case "integer" | "date":
            cast = f"TRY_CAST({value} AS {column_type(column.type)})"
            return _shaped(value, _SHAPES[column.type], cast)
    scale = int(column.type.rstrip(")").split(",")[1])
    shape = rf"[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)"
    return _shaped(value, shape, f"TRY_CAST({value} AS {column_type(column.type)})")


def castable(dataset: Dataset) -> str:
    """True for a row of which every text is missing or a value of its column's type."""
    return " AND ".join(f"NOT ({_uncastable(column)})" for column in dataset.columns)


def checks(dataset: Dataset) -> list[Check]:
    """Every check of a contract: column by column, then its rules."""
    found = [check for column in dataset.columns for check in _column_checks(column)]
    found += [
        Check(
            broken=f"NOT ({rule.check}\n)",  # a check may end in a comment
            rule=rule.name,
            reason=f"breaks the rule {rule.name}: {' '.join(rule.check.split())}",
            severity=rule.severity,
        )
        for rule in dataset.rules
    ]
    return found


def _shaped(value: str, shape: str, typed: str) -> str:
    return f"CASE WHEN regexp_full_match({value}, {text(shape)}) THEN {typed} END"


def _uncastable(column: Column) -> str:
    return f"{text_column(column.name)} IS NOT NULL AND {quoted(column.name)} IS NULL"


def _column_checks(column: Column) -> Iterator[Check]:
    raw, typed = text_column(column.name), quoted(column.name)
    if column.type != "string":
        yield Check(_uncastable(column), "type", f"{{value}} is not a {column.type}", column.name)
    if column.required:
        yield Check(f"{raw} IS NULL", "required", "must not be empty", column.name)
    for rule, limit, sign, word in (
        ("minimum", column.minimum, "<", "below"),
        ("maximum", column.maximum, ">", "above"),
    ):
        if limit is not None:
            bound = f"CAST({text(limit)} AS {column_type(column.type)})"
            reason = f"{{value}} is {word} the {rule} {limit}"
            yield Check(f"{typed} {sign} {bound}", rule, reason, column.name)
    if column.allowed is not None:
        values = ", ".join(text(value) for value in column.allowed) or "NULL"
        shown = ", ".join(column.allowed)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        reason = f"{{value}} is not one of {_escaped(shown)}"
        yield Check(f"{raw} NOT IN ({values})", "allowed", reason, column.name)
    if column.pattern is not None:
        reason = f"{{value}} does not match {_escaped(column.pattern)}"
        broken = f"NOT regexp_full_match({raw}, {text(column.pattern)})"
        yield Check(broken, "pattern", reason, column.name)


def _escaped(shown: str) -> str:
    """For use in a `str.format` template."""
    return re.sub(r"([{}])", r"\1\1", shown)
