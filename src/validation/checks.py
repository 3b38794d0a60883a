"""A contract's columns and rules as DuckDB expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.columns import TypedColumn
from contracts.dataset import Column, Dataset, Severity
from reading_rules.values.forms import ValueForm, faults, value_form, value_of
from tabular.sql import column_type, sql_identifier, sql_literal

_FORMS: Final = {
    "date": " (YYYY-MM-DD)",
    "timestamp": " (ISO 8601, to the microsecond)",
    "boolean": " (true or false, yes or no, 1 or 0)",
}


@dataclass(frozen=True)
class Check:
    """One thing that a row must satisfy.

    Attributes:
        broken: expression that is true for a row that breaks it; NULL counts as satisfied. `unique`
            and `references` need the other rows: `validation.set_checks` checks them.
        rule: `type`, `ambiguous`, `zone`, `required`, `minimum`, `maximum`, `allowed`, `pattern`,
            `unique`, `references`, or a rule's name.
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
    """All checks of a contract.

    Attributes:
        every: its checks; a check's code is its position here.
    """

    columns: tuple[Column, ...]
    every: tuple[Check, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> RowChecks:
        return cls(tuple(dataset.columns), tuple(checks_of(dataset)))

    @property
    def forms(self) -> tuple[ValueForm, ...]:
        """How the columns' texts are written."""
        return tuple(form_of(column) for column in self.columns)

    @property
    def warns(self) -> bool:
        """Whether any check of single rows only warns, so that valid rows may break it."""
        return any(not check.rejects for check in self.every if check.broken is not None)

    @property
    def looks_at_sets(self) -> bool:
        """Whether any check compares rows with others (`unique`, `references`)."""
        return any(check.broken is None for check in self.every)


def form_of(column: TypedColumn) -> ValueForm:
    """How a column's texts are written."""
    return value_form(column.to_json())


def cast_column(column: TypedColumn) -> str:
    """The typed value of a column's text; NULL where it is no value of the type."""
    return value_of(form_of(column))


def a_value_of(kind: str, *, in_its_own_form: bool = True) -> str:
    """The type with its article and the form that is due, for messages: `a date (YYYY-MM-DD)`."""
    named = f"an {kind}" if kind == "integer" else f"a {kind}"
    return named + (_FORMS.get(kind, "") if in_its_own_form else "")


def checks_of(dataset: Dataset) -> list[Check]:
    """Every check of a contract: column by column, then its rules."""
    found = [check for column in dataset.columns for check in _column_checks(column)]
    found += [
        Check(
            # NULL counts as passed, an error as broken; a check may end in a comment.
            broken=f"coalesce(TRY(NOT coalesce(({rule.check}\n), true)), true)",
            rule=rule.name,
            reason=f"breaks the rule {rule.name}: {' '.join(rule.check.split())}",
            severity=rule.severity,
        )
        for rule in dataset.rules
    ]
    return found


def _column_checks(column: Column) -> Iterator[Check]:
    form = form_of(column)
    raw, typed, severity = form.text, sql_identifier(column.name), column.severity

    def check(broken: str | None, rule: str, reason: str, references: str | None = None) -> Check:
        return Check(broken, rule, reason, column.name, severity, references)

    yield from _type_checks(column, form)
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
        yield check(_not_in(column.allowed, form), "allowed", _none_of(column.allowed))
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


def _type_checks(column: Column, form: ValueForm) -> Iterator[Check]:
    # Without a value of its type the row cannot be stored.
    at_least = Severity.QUARANTINE if column.severity is Severity.WARN else column.severity
    due = a_value_of(column.type, in_its_own_form=form.is_plain)
    for fault in faults(form, due) if column.type != "string" else ():
        yield Check(fault.broken, fault.rule, fault.reason, column.name, at_least)


def _not_in(allowed: Sequence[str], form: ValueForm) -> str:
    if form.is_plain:
        values = ", ".join(sql_literal(value) for value in allowed) or "NULL"
        return f"{form.text} NOT IN ({values})"
    # A value may be written in more than one way, and is none of them here.
    kind = column_type(form.kind)
    values = ", ".join(f"CAST({sql_literal(value)} AS {kind})" for value in allowed)
    return f"{sql_identifier(form.name)} NOT IN ({values})"


def _none_of(allowed: Sequence[str]) -> str:
    shown = ", ".join(allowed)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return f"{{value}} is not one of {_escaped(shown)}"


def _escaped(shown: str) -> str:
    """For use in a `str.format` template."""
    return re.sub(r"([{}])", r"\1\1", shown)
