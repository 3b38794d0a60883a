"""Dates and times in another form than the type's own: strftime's directives, and epochs.

Nothing is guessed: a text has the form exactly, digit by digit, or is no value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from reading_rules.sql import sql_literal

EPOCHS: Final = {"epoch-seconds": 6, "epoch-millis": 3}  # how many digits make microseconds
EXAMPLE: Final = "%d.%m.%Y"
FIRST_INSTANT: Final = "TIMESTAMP '0001-01-01 00:00:00'"
LAST_INSTANT: Final = "TIMESTAMP '9999-12-31 23:59:59.999999'"
_FIRST_MICROSECOND: Final = -62_135_596_800_000_000
_LAST_MICROSECOND: Final = 253_402_300_799_999_999
_YEAR_OF_FOUR: Final = r"(?:000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})"
_SHORT_NAMES: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_LONG_NAMES: Final = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
)
OFFSET: Final = r"(?:Z|[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)"
_DIRECTIVES: Final = {
    "Y": _YEAR_OF_FOUR,
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "b": f"(?i:{_SHORT_NAMES})",
    "B": f"(?i:{_LONG_NAMES})",
    "H": r"\d{2}",
    "I": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "f": r"\d{1,6}",
    "p": "(?i:am|pm)",
    "z": OFFSET,
}
_NUMBERS: Final = "YymdHIMSf"
_MAY_BE_SHORT: Final = "mdHIMS"
_NEEDS: Final = {"M": "HI", "S": "M", "f": "S", "p": "I", "I": "p", "z": "HI"}
_ONE_OF: Final = (("Y", "y"), ("m", "b", "B"), ("H", "I"))
_TIMES: Final = "HIMSfpz"


class TimeForm(NamedTuple):
    """A form that was read.

    Attributes:
        text: as DuckDB's strptime takes it.
        shape: regular expression (RE2) of the texts that have it.
        directives: the letters, in their order.
        has_offset: whether each text says how far it is from UTC.
        is_digits: whether all of its texts may be nothing but digits.
    """

    text: str
    shape: str
    directives: str
    has_offset: bool
    is_digits: bool


def time_form(text: str) -> TimeForm:
    """Read a form such as `%d.%m.%Y`.

    A number of two digits may have one, as in strptime, where nothing but other text is beside it.

    Raises:
        ValueError: it is none; says what it lacks or has too much.
    """
    parts = [part for part in re.split(r"(%-?.?)", text) if part]
    letters = [_letter(part) for part in parts]
    found = "".join(letters)
    _refuse_nonsense(text, parts, found)
    shapes = []
    for at, (part, letter) in enumerate(zip(parts, letters)):  # noqa: B905 - Python 3.9
        if not letter:
            shapes.append(re.escape("%" if part == "%%" else part))
            continue
        before = _ends_in_digit(parts[at - 1]) if at else False
        after = _begins_with_digit(parts[at + 1]) if at + 1 < len(parts) else False
        if letter == "f" and after:
            raise ValueError(f"has digits right behind %f in {text!r}, so nothing ends its number")
        is_short = letter in _MAY_BE_SHORT and not before and not after
        shapes.append(r"\d{1,2}" if is_short else _DIRECTIVES[letter])
    texts = ["%" + letter if letter else part for part, letter in zip(parts, letters)]  # noqa: B905
    is_digits = all(
        letter in _NUMBERS if letter else part.isdigit()
        for part, letter in zip(parts, letters)  # noqa: B905
    )
    return TimeForm("".join(texts), "".join(shapes), found, "z" in found, is_digits)


def refuse_form(text: str, kind: str) -> None:
    """Check what a contract has for a column of type date or timestamp.

    Raises:
        ValueError: it is no form of that type.
    """
    if text in EPOCHS:
        if kind != "timestamp":
            raise ValueError(f"{text} is a time; take type timestamp")
        return
    form = time_form(text)
    if kind == "date" and any(letter in _TIMES for letter in form.directives):
        raise ValueError(f"{text!r} holds a time, which a date has not; take type timestamp")


def reading(value: str, form: str, kind: str) -> str:
    """SQL of the date or timestamp that a text is in this form; NULL where it has not this form.

    What has no offset of its own is as it stands there: UTC, or the time of a zone.

    Args:
        value: SQL of the text, without spaces around it.
        kind: `date` or `timestamp`.
    """
    if form in EPOCHS:
        return _epoch(value, EPOCHS[form])
    found = time_form(form)
    read = f"try_strptime({value}, {sql_literal(found.text)})"
    if found.has_offset:
        exact = f"regexp_replace({value}, 'Z$', '+00:00')"
        instant = f"try_strptime({exact}, {sql_literal(found.text)}) AT TIME ZONE 'UTC'"
        read = f"CASE WHEN {instant} BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT} THEN {instant} END"
    typed = f"CAST({read} AS DATE)" if kind == "date" else read
    return f"CASE WHEN regexp_full_match({value}, {sql_literal(found.shape)}) THEN {typed} END"


def shown_forms(forms: Sequence[str]) -> str:
    """Forms as a sentence names them: `%d.%m.%Y or %Y%m%d`."""
    first, last = forms[:-1], forms[-1]
    return f"{', '.join(first)} or {last}" if first else last


def _epoch(value: str, digits: int) -> str:
    shape = rf"[+-]?\d{{1,{18 - digits}}}(\.\d{{1,{digits}}}0*)?"
    zeros = "0" * digits
    cut = sql_literal(rf"^([^.]*)\.(\d{{{digits}}})\d*$")
    fraction = f"regexp_replace(concat({value}, '{zeros}'), {cut}, '\\1\\2')"
    text = f"CASE WHEN contains({value}, '.') THEN {fraction} ELSE concat({value}, '{zeros}') END"
    number = f"TRY_CAST({text} AS BIGINT)"
    fits = f"{number} BETWEEN {_FIRST_MICROSECOND} AND {_LAST_MICROSECOND}"
    return (
        f"CASE WHEN regexp_full_match({value}, {sql_literal(shape)}) AND {fits}"
        f" THEN make_timestamp({number}) END"
    )


def _letter(part: str) -> str:
    """The directive that a part is; empty for other text."""
    return part[-1] if part[0] == "%" and part != "%%" else ""


def _refuse_nonsense(text: str, parts: Sequence[str], found: str) -> None:
    known = [part for part in parts if _letter(part)]
    unknown = [part for part in known if part[-1] not in _DIRECTIVES or len(part) < 2]
    if unknown:
        raise ValueError(
            f"has {', '.join(unknown)}; of strftime's directives it takes"
            f" {', '.join('%' + letter for letter in _DIRECTIVES)} (and %% for a percent sign)"
        )
    if not re.fullmatch(r"[^\x00-\x1f\x7f]+", text):
        raise ValueError("holds a control character; write the form in one line")
    if not ({"Y", "y"} & set(found) and {"m", "b", "B"} & set(found) and "d" in found):
        raise ValueError(
            f"must hold a year (%Y), a month (%m) and a day (%d), such as {EXAMPLE}, or be"
            " epoch-seconds or epoch-millis"
        )
    twice = sorted({letter for letter in found if found.count(letter) > 1})
    twice += [letters[1] for letters in _ONE_OF if sum(found.count(each) for each in letters) > 1]
    if twice:
        raise ValueError(f"says the same twice (%{twice[0]})")
    for letter in found:
        if letter in _NEEDS and not set(_NEEDS[letter]) & set(found):
            needed = " or ".join("%" + each for each in _NEEDS[letter])
            raise ValueError(f"has %{letter} without {needed}")
    if "z" in found[:-1] or ("z" in found and _letter(parts[-1]) != "z"):
        raise ValueError("has something behind %z, the offset, which stands last")


def _ends_in_digit(part: str) -> bool:
    return _letter(part) in _NUMBERS if _letter(part) else part[-1].isdigit()


def _begins_with_digit(part: str) -> bool:
    return _letter(part) in _NUMBERS if _letter(part) else part[0].isdigit()
