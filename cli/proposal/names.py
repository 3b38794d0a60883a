"""Names for the columns of a contract, made of those in a sample. Pure.

What a contract refuses is left out here: names that a file has twice, and no name at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from contracts.dataset import COLUMN_NAME_PATTERN, RESERVED_COLUMNS
from reading_rules.header import folded

_LENGTH: Final = 63
_SOURCE_LENGTH: Final = 256
_LETTERS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "œ": "oe", "ł": "l"}
)


@dataclass(frozen=True)
class NamedField:
    """A field of the sample that becomes a column.

    Attributes:
        at: its position in the sample.
        name: the column's.
        source: what the file calls it; absent where it is the name.
    """

    at: int
    name: str
    source: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """A field that no contract can name; `why` continues "is left out: "."""

    source: str
    why: str


def named_fields(
    found: Sequence[str], *, keys: bool, unusable: Mapping[int, str] = MappingProxyType({})
) -> tuple[tuple[NamedField, ...], tuple[LeftOut, ...]]:
    """The fields of a sample by the names that a contract gives them, and what it cannot name.

    Args:
        found: their names in the file.
        keys: they are keys of JSON, which are read as they are; else case does not matter.
        unusable: why the values of fields cannot be read, by their positions.
    """
    small = [folded(name) for name in found]
    left_out = {at: why for at in range(len(found)) if (why := _unusable(found, small, at, keys))}
    left_out = {**unusable, **left_out}
    taken = set(small)
    fields: list[NamedField] = []
    for at, source in enumerate(found):
        if at in left_out:
            continue
        plain = source if keys else small[at]
        name = plain
        if not re.fullmatch(COLUMN_NAME_PATTERN, plain) or plain in RESERVED_COLUMNS:
            wanted = _slug(source) or f"column_{at + 1}"
            wanted = f"source_{wanted}" if wanted in RESERVED_COLUMNS else wanted
            # What is taken by this field itself is free for it.
            name = wanted if wanted == small[at] else _free(wanted, taken)
        taken.add(name)
        fields.append(NamedField(at, name, None if name == plain else source))
    return tuple(fields), tuple(LeftOut(found[at], why) for at, why in left_out.items())


def _unusable(found: Sequence[str], small: Sequence[str], at: int, keys: bool) -> str | None:
    """Why no column can be read from a field; None if one can."""
    if not small[at]:
        return "it has no name"
    if len(found[at]) > _SOURCE_LENGTH:
        return f"its name has more than {_SOURCE_LENGTH} characters"
    alike = [other for other, name in enumerate(small) if name == small[at]]
    if len(alike) == 1:
        return None
    if not keys:
        return "the header has it more than once; rename it in the file"
    chosen = next((other for other in alike if found[other] == small[at]), alike[0])
    if at == chosen:
        return None
    return f"another key, {found[chosen][:80]!r}, differs in its case only"


def _slug(source: str) -> str:
    """`Order ID`, `orderId` and `Order-ID` as `order_id`; empty for a name without such letters."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", source).lower().translate(_LETTERS)
    letters = unicodedata.normalize("NFKD", text)
    text = "".join(mark for mark in letters if not unicodedata.combining(mark))
    text = re.sub(r"[^a-z0-9]+", "_", text).strip("_")
    text = f"column_{text}" if text[:1].isdigit() else text
    return text[:_LENGTH].rstrip("_")


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted[: _LENGTH - len(str(number)) - 1]}_{number}"
    return name
