"""A text as its records are read: plain CSV, or one JSON value a line."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from reading_rules.csv.rules import CSV_CHANGES, CsvRules
from reading_rules.csv.text import plain_csv
from reading_rules.json.values import array_items, concatenated_values, enveloped_items
from reading_rules.source_lines import SourceLines

# What of a format this does; an array that is a whole text may be read otherwise.
CHANGES: Final = (*CSV_CHANGES, "concatenated", "records")
_JOINED: Final = 1024 * 1024  # bytes


def plain_text(
    blocks: Iterable[bytes], form: Mapping[str, Any], lines: SourceLines
) -> Iterator[bytes]:
    """The text with what the format says of its lines and records done; else as it is.

    Args:
        blocks: the text as UTF-8, cut anywhere.
        form: the contract's format, as JSON has it.
        lines: becomes the lines of the object; those of an array are its items.

    Raises:
        TextError: it is not as the format says.
    """
    if form["type"] == "json":
        yield from _array(blocks, form)
    elif form["type"] == "jsonl" and form.get("concatenated"):
        yield from _as_lines(concatenated_values(blocks, lines.add))
    else:
        rules = CsvRules.of(form) if form["type"] == "csv" else None
        yield from plain_csv(blocks, rules, lines) if rules else blocks


def keys_of(records: str) -> list[str]:
    """Of `$.a.b`: a, b."""
    return records.split(".")[1:]


def _array(blocks: Iterable[bytes], form: Mapping[str, Any]) -> Iterator[bytes]:
    """An item on each line; of nothing at all, none."""
    rest = iter(blocks)
    first = next(rest, None)
    if first is None:
        return
    whole = itertools.chain([first], rest)
    records = form.get("records")
    yield from _as_lines(
        enveloped_items(whole, keys_of(records)) if records else array_items(whole)
    )


def _as_lines(values: Iterable[str]) -> Iterator[bytes]:
    lines: list[bytes] = []
    size = 0
    for value in values:
        lines.append(value.encode("utf-8", "surrogateescape") + b"\n")
        size += len(lines[-1])
        if size > _JOINED:
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)
