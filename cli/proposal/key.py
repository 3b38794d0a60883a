"""Which columns of a sample identify its rows.

A sample shows what is unique in it, not what must be: so names, texts and dates come before
measures, which differ by chance. What may be chance is said.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_TRIED: Final = 12  # columns
_NAMES: Final = re.compile(r"(^|_)(id|key|no|nr|number|code|uuid|guid|sku|isbn|iban|email)$")
_REPEATS: Final = 2  # each value of a dimension comes at least so often, on average


@dataclass(frozen=True)
class KeyColumn:
    """A column that may be part of a key: nearly always present, and all of one type.

    Attributes:
        distinct: how many values it has.
        is_first: the sample's first column.
    """

    name: str
    kind: str
    distinct: int
    is_first: bool = False


@dataclass(frozen=True)
class Key:
    """The columns; none where no two identify the rows.

    Attributes:
        by_chance: nothing but the sample's values says so.
    """

    columns: tuple[str, ...] = ()
    by_chance: bool = False


def key_of(columns: Sequence[KeyColumn], rows: int, is_key: Callable[[Sequence[str]], bool]) -> Key:
    """The columns that identify the rows, most likely by what they mean.

    Args:
        columns: in the sample's order.
        rows: of the sample.
        is_key: whether no two rows have the same values of these columns.
    """
    named = [column for column in columns if _NAMES.search(column.name)]
    labels = [column for column in columns if column.kind in ("string", "date", "timestamp")]
    counters = [column for column in columns if column.is_first and column.kind == "integer"]
    for column in (*named, *counters, *labels):
        if is_key([column.name]):
            return Key((column.name,), by_chance=column not in named and column.kind == "string")
    dimensions = [
        column
        for column in columns
        if column in named or column in labels or column.distinct * _REPEATS <= rows
    ]
    dimensions = [column for column in dimensions if not _is_measure(column)][:_TRIED]
    for size in (2, 3):
        for several in itertools.combinations(dimensions, size):
            names = [column.name for column in several]
            if is_key(names):
                return Key(tuple(names), by_chance=any(c.kind == "integer" for c in several))
    return _by_chance(columns, is_key)


def _by_chance(columns: Sequence[KeyColumn], is_key: Callable[[Sequence[str]], bool]) -> Key:
    measures = sorted(columns, key=lambda column: column.kind != "integer")
    for column in measures:
        if is_key([column.name]):
            return Key((column.name,), by_chance=True)
    for several in itertools.combinations(measures[:_TRIED], 2):
        names = [column.name for column in several]
        if is_key(names):
            return Key(tuple(names), by_chance=True)
    return Key()


def _is_measure(column: KeyColumn) -> bool:
    return column.kind.startswith("decimal") or column.kind in ("double", "boolean")
