"""Why a line of JSON lines is no record, and where in it."""

from __future__ import annotations

import json
import re
from typing import Final

from reading_rules.json.records import NO_OBJECT

_SPACES: Final = re.compile(r"\s*")
_KINDS: Final = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
_CONCATENATED: Final = "(format.concatenated: true reads such objects)"


def why_no_object(line: str) -> str:
    """For people; goes on from what all of them have in common."""
    text = line.strip()
    try:
        value, end = json.JSONDecoder(parse_constant=_refuse_word).raw_decode(text)
    except json.JSONDecodeError as error:
        return _malformed(text, error)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return f"{NO_OBJECT}: {reason}"
    rest = text[end:].lstrip()
    if not isinstance(value, dict):
        found = _KINDS.get(type(value), "a number")
        return f"{NO_OBJECT}, but {found}" + (" and more" if rest else "")
    if rest.startswith("{"):
        count = _objects(rest)
        return f"{NO_OBJECT}: {count + 1} objects are in one line, and one is due {_CONCATENATED}"
    if rest:
        return f"{NO_OBJECT}: {rest[:1]!r} follows it, at character {len(text) - len(rest) + 1}"
    return NO_OBJECT


def _malformed(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        advice = f" {_CONCATENATED[:-1]} over several lines)" if text[:1] == "{" else ""
        return f"{NO_OBJECT}: it is cut off at the line's end{advice}"
    message = error.msg[:1].lower() + error.msg[1:]
    return f"{NO_OBJECT}: {message} at character {error.pos + 1}"


def _objects(text: str) -> int:
    """How many values there are, as far as they are any."""
    decoder, count, at = json.JSONDecoder(), 0, 0
    try:
        while at < len(text):
            _, at = decoder.raw_decode(text, at)
            count += 1
            at = _SPACES.match(text, at).end()  # type: ignore[union-attr]  # it matches anything
    except (ValueError, RecursionError):
        count += 1
    return count


def _refuse_word(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")
