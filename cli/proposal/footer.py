"""A last line that is no row but a total of the rows above it. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

_TOTAL: Final = re.compile(
    r"\W*(grand total|sub ?total|total|sum|summe|gesamt|insgesamt|totaal|totale)\b", re.IGNORECASE
)
_LAST_CHARACTERS: Final = 2000
_ROWS_AT_LEAST: Final = 2  # of one row, its number is there twice by chance


def total_of(text: str, delimiter: str) -> str | None:
    """The last line, where its first word says that it is a total."""
    last = text[-_LAST_CHARACTERS:].rstrip().rsplit("\n", 1)[-1]
    return last if _TOTAL.match(last) and delimiter in last else None


def is_sum(table: str, delimiter: str) -> bool:
    """Whether the last line says nothing that the rows do not: each of its values is their sum.

    Args:
        table: the text from its header on.
    """
    body = table.removesuffix("\n").removesuffix("\r")
    if body.endswith(("\n", "\r")):
        return False  # the last line is an empty one
    try:
        _, *rows, last = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
    except (csv.Error, ValueError):
        return False
    sums = [at for at, value in enumerate(last) if at and value.strip()]
    if len(rows) < _ROWS_AT_LEAST or not sums:
        return False
    return all(_is_sum_of(last[at], [row[at] for row in rows if at < len(row)]) for at in sums)


def _is_sum_of(total: str, values: Sequence[str]) -> bool:
    try:
        numbers = [Decimal(value.strip()) for value in values if value.strip()]
        return bool(numbers) and sum(numbers) == Decimal(total.strip())
    except InvalidOperation:
        return False
