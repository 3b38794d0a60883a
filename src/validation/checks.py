"""A contract's columns and rules as DuckDB expressions.

Casts are strict: nothing is rounded, no half-understood date is taken, and what is not a finite
number is not a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.dataset import Column, Dataset, Severity
from reading.reader import text_column
from tabular.sql import column_type, sql_identifier, sql_literal

_DAY: Final = r"(000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})-\d{2}-\d{2}"  # there is no year 0
_SHAPES: Final = {
    "integer": r"[+-]?\d+",
    "date": _DAY,
    "double": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "timestamp": (
        _DAY + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)?)?"
    ),
}
_WITH_EXPONENT: Final = r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}"
_FIRST: Final = "TIMESTAMP '0001-01-01 00:00:00'"
_LAST: Final = "TIMESTAMP '9999-12-31 23:59:59.999999'"
_INSTANT: Final = "'%Y-%m-%dT%H:%M:%SZ'"  # as nearly every timestamp is written


@dataclass(frozen=True)
class Check:
    """One thing that a row must satisfy.

    Attributes:
        broken: expression that is true for a row that does not; NULL counts as satisfied. Of
            `unique` and `references`, which need the other rows, this is `validation.set_checks`'.
        rule: `type`, `required`, `minimum`, `maximum`, `allowed`, `pattern`, `unique`,
            `references`, or a rule's name.
        reason: what is wrong with such a row, for people; `{value}` stands for the column's text.
        references: the column that holds every value of this one.
    """

    broken: str | None
    rule: str
    reason: str
    column: str | None = None
    severity: Severity = Severity.QUARANTINE
    references: str | None = None

    @property
    def rejects(self) -> bool:
        return self.severity is not Severity.WARN


@dataclass(frozen=True)
class RowChecks:
    """What a contract says of its rows.

    Attributes:
        every: its checks; a check's code is its position here.
    """

    columns: tuple[Column, ...]
    every: tuple[Check, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> RowChecks:
        return cls(tuple(dataset.columns), tuple(checks_of(dataset)))

    @property
    def warns(self) -> bool:
        """Whether a valid row can break one that a row by itself can break."""
        return any(not check.rejects for check in self.every if check.broken is not None)

    @property
    def looks_at_sets(self) -> bool:
        """Whether a check needs the other rows, too."""
        return any(check.broken is None for check in self.every)


def cast_column(column: Column) -> str:
    """The typed value of a column's text; NULL where it is no value of the type.

    What is written as DuckDB would write it needs no closer look, which makes most values cheap.
    """
    raw = text_column(column.name)
    value = f"trim({raw})"
    match column.type:
        case "string":
            return raw
        case "boolean":  # true, t, yes, y, 1 and their opposites, in any case
            return f"coalesce(TRY_CAST({raw} AS BOOLEAN), TRY_CAST({value} AS BOOLEAN))"
        case "double":
            shaped = _shaped(value, _SHAPES["double"], f"TRY_CAST({value} AS DOUBLE)")
            return f"CASE WHEN isfinite({shaped}) THEN {shaped} END"
        case "timestamp":
            instant = f"TRY_CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
            # On its first and last day an offset may carry it out of the calendar.
            at_an_end = f"{value} LIKE '9999-12-31%' OR {value} LIKE '0001-01-01%'"
            out = f"({at_an_end}) AND {instant} NOT BETWEEN {_FIRST} AND {_LAST}"
            inside = f"CASE WHEN {out} THEN NULL ELSE {instant} END"
            shaped = _shaped(value, _SHAPES["timestamp"], inside)
            # strptime takes short numbers, and space around the whole: neither fits this length.
            fits = f"strlen({raw}) = 20 AND {raw} >= '0001' AND suffix({raw}, 'Z')"
            common = f"CASE WHEN {fits} THEN try_strptime({raw}, {_INSTANT}) END"
            return f"coalesce({common}, {shaped})"
    kind = column_type(column.type)
    typed = f"TRY_CAST({raw} AS {kind})"
    shape = _SHAPES.get(column.type) or _decimal_shape(column.type)
    shaped = _shaped(value, shape, f"TRY_CAST({value} AS {kind})")
    if column.type not in _SHAPES:
        shaped = f"coalesce({shaped}, {_with_exponent(value, kind)})"
    common = f"CAST({typed} AS VARCHAR) = {raw}"
    if column.type == "date":  # 'infinity' is one for DuckDB
        common = f"{raw} LIKE '____-__-__' AND {raw} >= '0001' AND {common}"
    return f"CASE WHEN {common} THEN {typed} ELSE {shaped} END"


def a_value_of(kind: str) -> str:
    """What a text is none of, for people."""
    if kind == "timestamp":
        return "a timestamp (ISO 8601, to the microsecond)"
    return f"an {kind}" if kind == "integer" else f"a {kind}"


def castable(columns: Sequence[Column]) -> str:
    """SQL, true for a row of which every text is missing or a value of its column's type."""
    typed = [column for column in columns if column.type != "string"]
    return " AND ".join(f"NOT ({_uncastable(column)})" for column in typed) or "true"


def checks_of(dataset: Dataset) -> list[Check]:
    """Every check of a contract: column by column, then its rules."""
    found = [check for column in dataset.columns for check in _column_checks(column)]
    found += [
        Check(
            # NULL counts as kept, an error as broken; a check may end in a comment.
            broken=f"coalesce(TRY(NOT coalesce(({rule.check}\n), true)), true)",
            rule=rule.name,
            reason=f"breaks the rule {rule.name}: {' '.join(rule.check.split())}",
            severity=rule.severity,
        )
        for rule in dataset.rules
    ]
    return found


def _with_exponent(value: str, decimal: str) -> str:
    """A decimal written as 1.5e-7, if it needs no rounding; few digits, so that a double tells."""
    typed = f"TRY_CAST({value} AS {decimal})"
    fits = f"strlen({value}) <= 17 AND regexp_full_match({value}, {sql_literal(_WITH_EXPONENT)})"
    same = f"CAST({typed} AS DOUBLE) = TRY_CAST({value} AS DOUBLE)"
    return f"CASE WHEN {fits} AND {same} THEN {typed} END"


def _shaped(value: str, shape: str, typed: str) -> str:
    return f"CASE WHEN regexp_full_match({value}, {sql_literal(shape)}) THEN {typed} END"


def _decimal_shape(kind: str) -> str:
    """Digits that need no rounding; zeros behind the last place do not count."""
    scale = int(kind.rstrip(")").split(",")[1])
    return rf"[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)"


def _uncastable(column: Column) -> str:
    return f"{text_column(column.name)} IS NOT NULL AND {sql_identifier(column.name)} IS NULL"


def _column_checks(column: Column) -> Iterator[Check]:
    raw, typed, severity = text_column(column.name), sql_identifier(column.name), column.severity

    def check(broken: str | None, rule: str, reason: str, references: str | None = None) -> Check:
        return Check(broken, rule, reason, column.name, severity, references)

    if column.type != "string":
        reason = f"{{value}} is not {a_value_of(column.type)}"
        # Without a value of its type the row cannot be stored.
        at_least = Severity.QUARANTINE if severity is Severity.WARN else severity
        yield Check(_uncastable(column), "type", reason, column.name, at_least)
    if column.required:
        yield check(f"{raw} IS NULL", "required", "must not be empty")
    for rule, limit, sign, word in (
        ("minimum", column.minimum, "<", "below"),
        ("maximum", column.maximum, ">", "above"),
    ):
        if limit is not None:
            bound = f"CAST({sql_literal(limit)} AS {column_type(column.type)})"
            yield check(f"{typed} {sign} {bound}", rule, f"{{value}} is {word} the {rule} {limit}")
    if column.allowed is not None:
        values = ", ".join(sql_literal(value) for value in column.allowed) or "NULL"
        shown = ", ".join(column.allowed)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        reason = f"{{value}} is not one of {_escaped(shown)}"
        yield check(f"{raw} NOT IN ({values})", "allowed", reason)
    if column.pattern is not None:
        reason = f"{{value}} does not match {_escaped(column.pattern)}"
        yield check(
            f"NOT regexp_full_match({raw}, {sql_literal(column.pattern)})", "pattern", reason
        )
    if column.references is not None:
        reason = f"{{value}} does not occur in {column.references}"
        yield check(None, "references", reason, column.references)
    if column.unique:
        yield check(None, "unique", "{value} has occurred before")


def _escaped(shown: str) -> str:
    """For use in a `str.format` template."""
    return re.sub(r"([{}])", r"\1\1", shown)
