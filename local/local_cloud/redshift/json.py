"""JSON objects of COPY … JSON 'auto' as rows of text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


class _Number(float):
    """A JSON number that keeps the digits it was written with."""

    text: str

    def __new__(cls, text: str) -> _Number:
        number = super().__new__(cls, text)
        number.text = text
        return number


def json_to_csv(file: Path, columns: Sequence[str], ignore_case: bool) -> str | None:
    r"""Rewrite a file of JSON objects, one after another, as CSV without a header.

    Keys name columns; keys without a column are left out, columns without a key are null, which is
    written as `\N` without quotes.

    Returns:
        What is wrong with the file, None if nothing is.
    """
    lines: list[str] = []
    try:
        for value in _objects(file.read_text("utf-8")):
            if not isinstance(value, dict):
                return f"row {len(lines) + 1}: not a JSON object"
            row = {key.lower() if ignore_case else key: item for key, item in value.items()}
            lines.append(",".join(_csv_field(row.get(name)) for name in columns))
    except ValueError as error:
        return f"row {len(lines) + 1}: Invalid JSON: {error}"
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")
    return None


def _objects(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_float=_Number)
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        value, at = decoder.raw_decode(text, at)
        yield value


def _csv_field(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, _Number):
        shown = value.text
    elif isinstance(value, str):
        shown = value
    else:
        shown = json.dumps(value, ensure_ascii=False)
    return '"' + shown.replace('"', '""') + '"'
