"""Draws values of Parquet's types, nested or not, with what they read as."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
BEGIN, END = -62_135_596_800_000_000, 253_402_214_400_000_000  # microseconds of years 1 to 9999


@dataclass(frozen=True)
class Drawn:
    """A value as SQL, and what its JSON reads as: numbers as `Decimal`, all else as it is."""

    sql: str
    json: Any


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def moment(microseconds: int, nanoseconds: int = 0) -> str:
    at = EPOCH + datetime.timedelta(microseconds=microseconds)
    fraction = f"{at.microsecond:06d}{nanoseconds:03d}".rstrip("0")
    shown = f"{at:%H:%M:%S}" + (f".{fraction}" if fraction else "")
    return f"{at.year:04d}-{at:%m-%d} {shown}"


def whole(kind: str, low: int, high: int) -> st.SearchStrategy[Drawn]:
    return st.integers(low, high).map(lambda n: Drawn(f"'{n}'::{kind}", Decimal(n)))


def decimal(digits: int, scale: int) -> st.SearchStrategy[Drawn]:
    most = 10**digits - 1

    def drawn(number: int) -> Drawn:
        shown = f"{abs(number):0{scale + 1}d}"
        at = len(shown) - scale
        text = ("-" if number < 0 else "") + f"{shown[:at]}.{shown[at:]}".rstrip(".")
        return Drawn(f"'{text}'::DECIMAL({digits},{scale})", Decimal(text))

    return st.integers(-most, most).map(drawn)


def nanoseconds(value: int) -> Drawn:
    return Drawn(f"make_timestamp_ns({value})", moment(*divmod(value, 1000)))


SINGLE = [
    whole("TINYINT", -128, 127),
    whole("UBIGINT", 0, 2**64 - 1),
    whole("BIGINT", -(2**63), 2**63 - 1),
    decimal(38, 10),
    decimal(18, 18),
    decimal(4, 0),
    st.floats(allow_nan=False, allow_infinity=False).map(
        lambda x: Drawn(f"'{x!r}'::DOUBLE", Decimal(repr(x)))
    ),
    st.booleans().map(lambda one: Drawn(str(one).lower(), one)),
    TEXTS.map(lambda text: Drawn(quoted(text), text)),
    TEXTS.map(lambda text: Drawn(f"encode({quoted(text)})", text)),
    st.dates().map(lambda day: Drawn(f"DATE '{day.isoformat()}'", day.isoformat())),
    st.integers(BEGIN, END).map(lambda n: Drawn(f"make_timestamp({n})", moment(n))),
    st.integers(-(2**62), 2**62).map(nanoseconds),
    st.uuids().map(lambda one: Drawn(f"'{one}'::UUID", str(one))),
    st.integers(0, 86_399_999_999).map(
        lambda n: Drawn(f"TIME '{moment(n).split(' ')[1]}'", moment(n).split(" ")[1])
    ),
]


def listed(kind: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    return st.lists(kind, min_size=1, max_size=3).map(
        lambda items: Drawn(f"[{', '.join(i.sql for i in items)}]", [i.json for i in items])
    )


def fields(kinds: list[st.SearchStrategy[Drawn]]) -> st.SearchStrategy[Drawn]:
    return st.tuples(*kinds).map(
        lambda values: Drawn(
            "{" + ", ".join(f"'f {n}': {value.sql}" for n, value in enumerate(values)) + "}",
            {f"f {n}": value.json for n, value in enumerate(values)},
        )
    )


def mapped(kind: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    return st.dictionaries(TEXTS, kind, min_size=1, max_size=3).map(
        lambda pairs: Drawn(
            "MAP {" + ", ".join(f"{quoted(key)}: {one.sql}" for key, one in pairs.items()) + "}",
            {key: one.json for key, one in pairs.items()},
        )
    )


KINDS = st.recursive(
    st.sampled_from(SINGLE),
    lambda inner: st.one_of(
        inner.map(listed), st.lists(inner, min_size=1, max_size=3).map(fields), inner.map(mapped)
    ),
    max_leaves=4,
)

DRAWN = KINDS.flatmap(lambda kind: kind)
