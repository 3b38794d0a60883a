"""The partition that a key lies in, by the contract's `source.partition`."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime

from contracts.source.key_time import directives_expression


def partition_of(pattern: str, below: str) -> str | None:
    """The name of the partition that a key lies in; None: in none that a listing visits.

    Args:
        pattern: strftime's, as the contract has it.
        below: the key's part below the prefix.

    Raises:
        ValueError: the pattern has directives other than the numbers of a time.
    """
    found = _found(pattern, below)
    return found and found[0]


def partition_begin(pattern: str, below: str) -> datetime | None:
    """When the partition begins that a key lies in; arguments and errors as of `partition_of`."""
    found = _found(pattern, below)
    return found and found[1]


def _found(pattern: str, below: str) -> tuple[str, datetime] | None:
    found = _expression(pattern).match(below)
    if found is None:
        return None
    parts = {name: int(digits) for name, digits in found.groupdict().items()}
    try:
        return found[0], datetime(**parts, tzinfo=UTC)
    except ValueError:  # the 30th of February
        return None


@functools.lru_cache(maxsize=64)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(directives_expression(pattern), re.DOTALL)
