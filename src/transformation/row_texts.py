"""Values of valid rows as texts, written as their column says: so that they can be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.dataset import Dataset
from reading_rules.sql import sql_literal
from reading_rules.values.forms import ValueForm
from reading_rules.values.times import EPOCHS, reading, time_form
from validation.checks import form_of

_ISO: Final = sql_literal("%Y-%m-%dT%H:%M:%S.%fZ")
Forms = Mapping[str, ValueForm]


def forms_of(dataset: Dataset) -> Forms:
    """How the texts of a contract's columns are written, by name."""
    return {column.name: form_of(column) for column in dataset.columns}


def text_of(value: str, form: ValueForm | None) -> str:
    """SQL of the text of a value; NULL where its column's forms cannot write it.

    Args:
        value: SQL of the value.
        form: absent: of a column that the contract does not know.
    """
    plain = f"CAST({value} AS VARCHAR)"
    if form is None or form.is_plain:
        return plain
    if form.numbers:
        return _number(value, form)
    if form.true_values:
        yes, no = sql_literal(form.true_values[0]), sql_literal(form.false_values[0])
        return f"CASE WHEN {value} THEN {yes} WHEN NOT {value} THEN {no} END"
    if not form.formats:
        return f"strftime({value}, {_ISO})"
    return f"coalesce({', '.join(_time(value, text, form) for text in form.formats)})"


def _number(value: str, form: ValueForm) -> str:
    text = f"CAST({value} AS VARCHAR)"
    if form.percent:
        # The point goes two places to the right; what is written with an exponent has no such form.
        padded = rf"regexp_replace({text}, '^(-?)(\d*)(?:\.(\d*))?$', '\10\2.\300')"
        moved = rf"regexp_replace({padded}, '^(-?\d+)\.(\d\d)(\d*)$', '\1\2.\3%')"
        text = f"CASE WHEN suffix({moved}, '%') THEN {moved} END"
    return f"replace({text}, '.', {sql_literal(form.decimal or '.')})"


def _time(value: str, text: str, form: ValueForm) -> str:
    """In one form, if that gives the same value again."""
    if text in EPOCHS:
        digits = EPOCHS[text]
        micros = f"CAST(epoch_us({value}) AS DECIMAL(20, 0))"
        part = f"CAST(0.{'0' * (digits - 1)}1 AS DECIMAL(7, {digits}))"
        return f"CAST({micros} * {part} AS VARCHAR)"
    local, has_offset = value, time_form(text).has_offset
    if form.zone and not has_offset:
        local = f"timezone({sql_literal(form.zone)}, timezone('UTC', {value}))"
    shown = time_form(text).text
    if has_offset:
        written = f"concat(strftime({value}, {sql_literal(shown[:-2])}), 'Z')"
    else:
        written = f"strftime({local}, {sql_literal(shown)})"
    return f"CASE WHEN {reading(written, text, form.kind)} = {local} THEN {written} END"
