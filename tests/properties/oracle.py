"""What validation has to make of drawn rows, said once more in plain Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from column_texts import TEXTS, written
from drawn import Drawn, Values

_RULES: Final[dict[str, Callable[[int, str], bool]]] = {
    "n < 6": lambda n, _: n < 6,
    "k <> 'b' OR n % 2 = 0": lambda n, k: k != "b" or n % 2 == 0,
    "length(k) = 1": lambda *_: True,
    "n IS NULL": lambda *_: False,
    "n % 3 > 0": lambda n, _: n % 3 > 0,
    "k < 'c'": lambda _, k: k < "c",
}


@dataclass
class Expected:
    """Serial numbers (`n`) of the rows by what becomes of them.

    Attributes:
        warned: of the valid ones, those that break a check of severity `warn`.
        fatal: rows that break a check of severity `fail`: then the unit fails.
    """

    valid: list[int] = field(default_factory=list)
    rejected: set[int] = field(default_factory=set)
    filtered: set[int] = field(default_factory=set)
    warned: set[int] = field(default_factory=set)
    fatal: set[int] = field(default_factory=set)


def expected(drawn: Drawn) -> Expected:
    """Judge every row alone, then those that are left together."""
    found = Expected()
    candidates: list[Values] = []
    severities: dict[int, list[str]] = {}
    for row in drawn.rows:
        number = int(str(row["n"]))
        wrong_types = [c for c in drawn.columns if _text(c, row) is not None and not _typed(c, row)]
        if not wrong_types and drawn.query and not _holds(drawn.query, row):
            found.filtered.add(number)
            continue
        severities[number] = _broken(drawn, row)
        if not {"quarantine", "fail"} & set(severities[number]):
            candidates.append(row)
    for column in drawn.columns:
        for number in _breaking_sets(column, candidates, drawn.rows):
            severities[number].append(column["severity"])
    for number, broken in severities.items():
        if "fail" in broken:
            found.fatal.add(number)
        if {"quarantine", "fail"} & set(broken):
            found.rejected.add(number)
        else:
            found.valid.append(number)
            if broken:
                found.warned.add(number)
    return found


def _broken(drawn: Drawn, row: Values) -> list[str]:
    """The severities of the checks that a row breaks by itself."""
    broken: list[str] = []
    for column in drawn.columns:
        severity, value = column.get("severity", "quarantine"), _text(column, row)
        if value is None:
            broken += [severity] if column.get("required") else []
        elif not _typed(column, row):
            broken.append("quarantine" if severity == "warn" else severity)
            broken += [severity] if _breaks_text(column, value) else []
        elif _breaks_text(column, value) or _breaks_bounds(column, value):
            broken.append(severity)
    broken += [rule["severity"] for rule in drawn.rules if not _holds(rule["check"], row)]
    return broken


def _text(column: dict[str, Any], row: Values) -> str | None:
    """A value's text; None also for one that means that there is none."""
    text, form = row.get(column["name"]), written(column)
    return None if form and text in form.right and form.right[text] is None else text


def _typed(column: dict[str, Any], row: Values) -> bool:
    kind, form = column.get("type", "string"), written(column)
    if form:
        return row[column["name"]] in form.right
    if column.get("from") == "last-modified":
        return True
    return kind == "string" or column["name"] == "n" or row[column["name"]] in TEXTS[kind][0]


def _breaks_text(column: dict[str, Any], value: str) -> bool:
    if "allowed" in column:
        return value not in column["allowed"]
    return "pattern" in column and not re.fullmatch(column["pattern"], value)


def _breaks_bounds(column: dict[str, Any], value: str) -> bool:
    if "minimum" not in column:
        return False
    number = Decimal(value.strip())
    return not Decimal(str(column["minimum"])) <= number <= Decimal(str(column["maximum"]))


def _breaking_sets(
    column: dict[str, Any], candidates: list[Values], rows: list[Values]
) -> list[int]:
    """Rows that repeat a value of a unique column, or refer to one that is not there."""
    breaking: list[int] = []
    seen: set[Any] = set()
    there = {row[column["references"]] for row in rows} if "references" in column else None
    for row in candidates:
        text, form = _text(column, row), written(column)
        if text is None:
            continue
        value = form.right[text] if form else _value(column.get("type", "string"), text)
        if there is not None and text not in there:
            breaking.append(int(str(row["n"])))
        if column.get("unique") and value in seen:
            breaking.append(int(str(row["n"])))
        seen.add(value)
    return breaking


def _value(kind: str, text: str) -> Any:
    """As values compare: `1` and `1.00` are one."""
    text = text.strip() if kind != "string" else text
    match kind:
        case "string":
            return text
        case "boolean":
            return text.lower() in ("true", "t", "yes", "y", "1")
        case "date":
            return date.fromisoformat(text)
        case "timestamp":
            value = datetime.fromisoformat(text)
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return Decimal(text)


def _holds(expression: str, row: Values) -> bool:
    return _RULES[expression](int(str(row["n"])), str(row["k"]))
