"""How a column's texts may be written where not as a type has them: candidates to try. Pure.

A candidate is what a contract's column says beside its name: its type, and `format`, `decimal`,
`thousands`, `percent`, `trueValues` and the like. Which of them all texts have is found by
validation's own SQL; where two would read them differently, none is proposed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from reading_rules.values.numbers import alike
from reading_rules.values.times import time_form

# Texts that programs write for a missing value. In a column of texts they may be values: NA is
# Namibia's code.
NULL_TOKENS: Final = (
    "NA", "N/A", "n/a", "#N/A", "NULL", "Null", "null", "(null)", "None", "none",
    "NaN", "nan", "NaT", "\\N", "-", "--", "—", "?", ".", "..",
)  # fmt: skip
_DAYS: Final = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y.%m.%d", "%d-%m-%Y", "%m-%d-%Y",
    "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y-%m-%d",
)  # fmt: skip
_TIMES: Final = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%I:%M %p", "%I:%M:%S %p")
_BETWEEN: Final = (" ", "T", ", ")
_DIGITS_OF_A_DAY: Final = "%Y%m%d"
_DAY_NAMES: Final = re.compile(r"(^|_)(day|date|dt|datum|dat|fecha|jour)(_|$)|date$")
_TIME_NAMES: Final = re.compile(
    r"(^|_)(at|ts|time|timestamp|epoch|unix|created|updated|modified|date)(_|$)|(time|stamp)$"
)
_EPOCHS: Final = (("epoch-seconds", r"1\d{9}"), ("epoch-millis", r"1\d{12}"))  # 2001 to 2033
_SEPARATORS: Final = ((",", None), (",", "."), (".", ","), (",", " "), (".", " "), (".", "'"))
_WORDS: Final = (
    ("J", "N"), ("Ja", "Nein"), ("ja", "nein"), ("oui", "non"), ("si", "no"), ("sí", "no"),
    ("on", "off"), ("enabled", "disabled"),
)  # fmt: skip
_FORMS_AT_MOST: Final = 4  # of a column; more are no habit of a few programs
_NUMBERS_AT_LEAST: Final = 0.9  # of the texts have such a shape, else it is not tried


class Candidate(NamedTuple):
    """A reading of a column's texts.

    Attributes:
        family: candidates of one exclude each other where they read a text differently.
        fields: of the contract's column.
    """

    family: str
    fields: Mapping[str, Any]

    @property
    def shown(self) -> str:
        """What distinguishes it, for a remark."""
        said = {name: value for name, value in self.fields.items() if name != "type"}
        return ", ".join(f'{name}: "{value}"' for name, value in said.items())


def by_name(name: str, texts: Sequence[str]) -> Iterator[Candidate]:
    """Readings of digits, which only the column's name makes likely.

    Args:
        texts: some of the column's.
    """
    if _DAY_NAMES.search(name) and all(re.fullmatch(r"(19|20)\d{6}", text) for text in texts):
        yield Candidate("day", {"type": "date", "format": _DIGITS_OF_A_DAY})
    if _TIME_NAMES.search(name):
        for form, shape in _EPOCHS:
            if all(re.fullmatch(shape, text) for text in texts):
                yield Candidate("time", {"type": "timestamp", "format": form})


def by_shape(texts: Sequence[str]) -> Iterator[Candidate]:
    """Readings that the texts' shape makes likely, of each family the plainest first."""
    for day in _DAYS:
        if _have(texts, day):
            yield Candidate("day", {"type": "date", "format": day})
    times = [f"{day}{gap}{time}" for day, gap, time in itertools.product(_DAYS, _BETWEEN, _TIMES)]
    for form in times:
        if _have(texts, form):
            yield Candidate("time", {"type": "timestamp", "format": form})
    for family, kind, known in (("day", "date", _DAYS), ("time", "timestamp", times)):
        if mixed := _mixed(texts, known):
            yield Candidate(family, {"type": kind, "format": mixed})
    yield from _numbers(texts)
    words = {text.strip() for text in texts}
    for true, false in _WORDS:
        if words == {true, false}:
            fields = {"type": "boolean", "trueValues": [true], "falseValues": [false]}
            yield Candidate("truth", fields)


def _have(texts: Sequence[str], form: str) -> bool:
    """Nearly all texts have the shape of this form; it may be no such day, all the same."""
    shape = re.compile(time_form(form).shape)
    fits = sum(1 for text in texts if shape.fullmatch(text.strip()))
    return fits >= _NUMBERS_AT_LEAST * len(texts)


def _mixed(texts: Sequence[str], known: Iterable[str]) -> list[str]:
    """All forms that some of the texts have, where each text has one and none has all texts.

    Of two forms that a text may have both are there, so that validation finds it ambiguous.
    """
    found: list[str] = []
    left = set(texts)
    for form in known:
        shape = re.compile(time_form(form).shape)
        shaped = (text for text in texts if shape.fullmatch(text.strip()))
        read = {text for text in shaped if _is_a_time(text.strip(), form)}
        if len(read) == len(texts):
            return []
        if read:
            found.append(form)
            left -= read
    return found if not left and len(found) <= _FORMS_AT_MOST else []


def _is_a_time(text: str, form: str) -> bool:
    """Whether there is such a day."""
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - no instant is made of it
    except ValueError:
        return False
    return True


def _numbers(texts: Sequence[str]) -> Iterator[Candidate]:
    is_percent = sum(text.rstrip().endswith("%") for text in texts) >= _NUMBERS_AT_LEAST * len(
        texts
    )
    for decimal, thousands in ((".", None), *_SEPARATORS) if is_percent else _SEPARATORS:
        separators = (decimal if decimal != "." else "", thousands or "", "%" * is_percent)
        signs = "".join((separators[0], alike(thousands) if thousands else "", separators[2]))
        if not any(sign in text for sign in signs for text in texts):
            continue
        bare = [_bare(text, decimal, thousands) for text in texts]
        numbers = [found for found in bare if found is not None]
        if len(numbers) < max(1, _NUMBERS_AT_LEAST * len(texts)):
            continue
        scale = max(len(fraction) for _, fraction in numbers) + 2 * is_percent
        digits = max(len(whole) for whole, _ in numbers)
        fields: dict[str, Any] = {"type": _number_type(scale, digits)}
        if decimal != "." and scale:
            fields["decimal"] = decimal
        if thousands:
            fields["thousands"] = thousands
        if is_percent:
            fields["percent"] = True
        if len(fields) > 1:
            yield Candidate("number", fields)


def _bare(text: str, decimal: str, thousands: str | None) -> tuple[str, str] | None:
    """The digits of a number before and after its point; None if it is none."""
    number = text.strip().removesuffix("%").rstrip().lstrip("+-")
    whole, _, fraction = number.partition(decimal)
    if thousands:
        between = f"[{re.escape(alike(thousands))}]"
        if not re.fullmatch(rf"\d{{1,3}}({between}\d{{3}})*|\d+", whole):
            return None
        whole = re.sub(between, "", whole)
    is_number = (whole or fraction) and f"{whole}{fraction}".isdecimal()
    # With a needless zero it is a code.
    is_code = len(whole) > 1 and whole.startswith("0")
    return (whole, fraction) if is_number and not is_code else None


def _number_type(scale: int, digits: int) -> str:
    if not scale:
        return "integer" if digits < 19 else f"decimal(38,{scale})"
    return f"decimal({18 if digits + scale <= 18 else 38},{min(scale, 38)})"
