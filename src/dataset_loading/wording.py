"""What is said about a contract's SQL and names, for the person who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from contracts.errors import Problem
from dataset_loading.parsing import SqlError, cut
from reading_rules.header import folded

NAMES_SHOWN: Final = 20


def unknown(
    what: str,
    name: str,
    known: Mapping[str, object] | list[str],
    sources: Mapping[str, str] | None = None,
) -> str:
    """`unknown column "amont"; did you mean "amount"?`, or the known ones when none is near.

    Args:
        sources: see `binder`.
    """
    for own, source in (sources or {}).items():
        if source != own and folded(source) == folded(name):
            return f'unknown {what} "{name}": so it is called in the file, but here "{own}"'
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    if near:
        return f'unknown {what} "{name}"; did you mean "{near[0]}"?'
    names = list(known)
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f'unknown {what} "{name}"; there are {", ".join(names[:NAMES_SHOWN])}{more}'


def problem(path: str, error: SqlError, sql: object) -> Problem:
    return Problem(path, str(error), cut(str(sql)))
