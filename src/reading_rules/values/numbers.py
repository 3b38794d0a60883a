"""Numbers in another form than SQL's: a decimal comma, thousands apart, percentages.

All of it is done with texts: no number passes through a double.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from reading_rules.sql import sql_literal

SPACES: Final = " \u00a0\u2009\u202f"  # all of them are a space on paper
APOSTROPHES: Final = "'\u2019"  # as typed, and as programs for Switzerland write them


class NumberForm(NamedTuple):
    """How numbers are written.

    Attributes:
        decimal: between the whole and the fraction.
        thousands: between groups of three digits; absent: nothing is.
        percent: each ends in a percent sign, and is the hundredth part.
        takes_exponent: whether 1.5e3 is one.
    """

    decimal: str = "."
    thousands: str | None = None
    percent: bool = False
    takes_exponent: bool = True


def plain_number(value: str, form: NumberForm) -> str:
    """SQL of the text of the same number as SQL writes it; NULL where it has not this form.

    Args:
        value: SQL of the text, without spaces around it.
    """
    removed = (alike(form.thousands) if form.thousands else "") + ("%" + SPACES)
    pairs = sql_literal(form.decimal + removed.replace(form.decimal, ""))
    plain = f"translate({value}, {pairs}, '.')"
    if form.percent:
        padded = rf"regexp_replace({plain}, '^([+-]?)', '\100')"
        plain = rf"regexp_replace({padded}, '^([+-]?\d*)(\d\d)\.?(\d*)$', '\1.\2\3')"
    return (
        f"CASE WHEN regexp_full_match({value}, {sql_literal(_number_shape(form))}) THEN {plain} END"
    )


def number_example(form: NumberForm, *, has_fraction: bool) -> str:
    """A number in this form, for messages."""
    if form.percent:
        return f"12{form.decimal}5%"
    fraction = f"{form.decimal}5" if has_fraction else ""
    return f"1{form.thousands or ''}234{fraction}"


def _number_shape(form: NumberForm) -> str:
    point, whole = re.escape(form.decimal), r"\d+"
    if form.thousands:
        between = f"[{re.escape(alike(form.thousands))}]"
        whole = rf"(?:\d{{1,3}}(?:{between}\d{{3}})+|\d+)"
    shape = rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)"
    if form.percent:
        return shape + f"[{SPACES}]?%"
    return shape + (r"(?:[eE][+-]?\d+)?" if form.takes_exponent else "")


def alike(separator: str) -> str:
    """The characters that mean the same between thousands."""
    return next((same for same in (SPACES, APOSTROPHES) if separator in same), separator)
