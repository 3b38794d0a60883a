"""How a sample's JSON records lie in their text, as the contract's `format` says it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from contracts.source.formats import RECORDS_PATTERN

_DEPTH: Final = 3  # of the array within an envelope


def layout_of(text: str) -> dict[str, Any]:
    """The format of a text that begins with a bracket or a brace: its type, and what it needs."""
    text = text.lstrip()
    if text.startswith("["):
        return {"type": "json"}
    line, line_end, _ = text.partition("\n")
    found = _first_value(line)
    is_in_one_line = found is not None
    if found is None and line_end:
        found = _first_value(text)
    if found is None or not isinstance(found[0], dict):
        return {"type": "jsonl"}
    value, end = found
    if not text[end:].strip():  # alone
        records = list(_arrays(value))
        if len(records) == 1 and re.fullmatch(RECORDS_PATTERN, records[0]):
            return {"type": "json", "records": records[0]}
    if is_in_one_line and not line[end:].strip().startswith("{"):
        return {"type": "jsonl"}
    return {"type": "jsonl", "concatenated": True}


def _first_value(text: str) -> tuple[Any, int] | None:
    """The value at the beginning, and where it ends."""
    try:
        return json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None


def _arrays(value: Mapping[str, Any], path: str = "$", depth: int = 1) -> Iterator[str]:
    """Where arrays of objects are."""
    for key, item in value.items():
        here = f"{path}.{key}"
        if isinstance(item, list) and item and all(isinstance(each, dict) for each in item):
            yield here
        elif isinstance(item, dict) and depth < _DEPTH:
            yield from _arrays(item, here, depth + 1)
