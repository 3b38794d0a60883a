"""Texts of policies: wildcards, variables, and ARNs part by part."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

Context = Mapping[str, tuple[str, ...]]
ARN_PARTS: Final = 6
# ${key}, ${key, 'default'}, and the three escapes ${*}, ${?} and ${$} (IAM User Guide, "IAM policy
# elements: Variables and tags").
_VARIABLE: Final = re.compile(r"\$\{([^{}]+)\}")
_ESCAPES: Final = frozenset({"*", "?", "$"})
_CACHED: Final = 4096


def variables(text: str) -> list[str]:
    """The condition keys that a text's variables name, in lower case."""
    found = (name.partition(",")[0].strip() for name in _VARIABLE.findall(text))
    return [name.lower() for name in found if name not in _ESCAPES]


def matches(pattern: str, text: str, context: Context | None, *, ignore_case: bool = False) -> bool:
    """Whether a text fits a pattern with `*`, `?` and variables.

    Args:
        context: values for the variables; None: `${...}` is plain text (policies of version
            2008-10-17). A variable without a value fits nothing.
    """
    if context is not None and "${" in pattern:
        regex = _with_variables(pattern, context)
        if regex is None:
            return False
        return (
            re.fullmatch(regex, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None
        )
    return _compiled(pattern, ignore_case).fullmatch(text) is not None


def substituted(text: str, context: Context | None) -> str | None:
    """The text with its variables replaced; None if one has no value."""
    if context is None or "${" not in text:
        return text
    parts = []
    for index, part in enumerate(_VARIABLE.split(text)):
        value = _value(part, context) if index % 2 else part
        if value is None:
            return None
        parts.append(value)
    return "".join(parts)


def arn_matches(pattern: str, arn: str, context: Context | None) -> bool:
    """Whether an ARN fits one of a condition, whose six parts are compared one by one.

    IAM User Guide, "IAM JSON policy elements: Condition operators", ARN condition operators.
    """
    wanted, given = pattern.split(":", ARN_PARTS - 1), arn.split(":", ARN_PARTS - 1)
    if len(wanted) != len(given):
        return pattern == "*"
    return all(matches(p, g, context) for p, g in zip(wanted, given, strict=True))


@functools.lru_cache(_CACHED)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    return re.compile(_glob(pattern), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _glob(pattern: str) -> str:
    wild = {"*": ".*", "?": "."}
    return "".join(wild.get(letter) or re.escape(letter) for letter in pattern)


def _with_variables(pattern: str, context: Context) -> str | None:
    """Values of variables are plain text, whatever wildcards they hold."""
    parts = []
    for index, part in enumerate(_VARIABLE.split(pattern)):
        if index % 2 == 0:
            parts.append(_glob(part))
            continue
        value = _value(part, context)
        if value is None:
            return None
        parts.append(re.escape(value))
    return "".join(parts)


def _value(name: str, context: Context) -> str | None:
    if name in _ESCAPES:
        return name
    key, separator, default = name.partition(",")
    values = context.get(key.strip().lower(), ())
    if len(values) == 1:  # a key with several values cannot stand in a variable
        return values[0]
    return default.strip().strip("'") if separator else None
