"""The time that an object's key names, by the contract's `source.keyTime`.

Two forms: text with strftime's directives (`events_%Y%m%d_%H.csv`), and a regular expression with
named groups. Both are searched in the key in time linear in its length, since a key is anybody's.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from typing import Final, Self

from contracts.source.linear_pattern import LinearPattern, NotLinear

GROUP: Final = "(?P<"  # what holds it is a regular expression
_NEEDED: Final = ("year", "month", "day")
_DIRECTIVES: Final = {
    "Y": ("year", "[0-9]{4}"),
    "m": ("month", "(?:0[1-9]|1[0-2])"),
    "d": ("day", "(?:0[1-9]|[12][0-9]|3[01])"),
    "H": ("hour", "(?:[01][0-9]|2[0-3])"),
    "M": ("minute", "[0-5][0-9]"),
    "S": ("second", "[0-5][0-9]"),
}
_EXAMPLE: Final = "events_%Y%m%d_%H.csv"


class KeyTime:
    """What `keyTime` says.

    Raises:
        ValueError: it cannot be used; says why, and what to write.
    """

    def __init__(self, text: str, *, frozen: bool = False) -> None:
        """Read the text.

        Args:
            frozen: of a contract that was accepted before a run froze it, by an earlier release
                perhaps: what has no linear match is matched as that release did.
        """
        expression = text if GROUP in text else _expression(text)
        try:
            self._pattern = LinearPattern(expression, or_by_re=frozen)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        except NotLinear as error:
            raise ValueError(
                "cannot be matched in time linear in a key, so that one key could stop every run:"
                f" {error}; write the key's text with strftime directives, such as {_EXAMPLE}"
            ) from None
        missing = [name for name in _NEEDED if name not in self._pattern.groups]
        if missing:
            raise ValueError(f"lacks the named groups {', '.join(missing)}")

    @classmethod
    @functools.lru_cache(maxsize=64)
    def of(cls, text: str, *, frozen: bool = False) -> Self:
        """The same, compiled once."""
        return cls(text, frozen=frozen)

    def instant(self, key: str) -> datetime:
        """The instant that a key names (UTC).

        Raises:
            ValueError: it names none.
        """
        groups = self._pattern.search(key)
        if groups is None:
            raise ValueError("no match")
        parts = {name: int(text) for name, text in groups.items() if text}
        try:
            return datetime(**parts, tzinfo=UTC)
        except (TypeError, OverflowError) as error:  # a group of another name; digits without end
            raise ValueError(str(error)) from None


def _expression(text: str) -> str:
    """A text with directives as regular expression of one width.

    A number at either end stands by itself: the digits of `%Y%m%d` are not part of a longer number.

    Raises:
        ValueError: it has other directives, or lacks the date.
    """
    expression, parts = directives_expression(text), _split(text)
    first, last = parts[:2] if len(parts) > 1 else ["", ""], parts[-2:]
    before = "" if first[0] or first[1] == "%%" else "(?<![0-9])"
    after = "" if last[1] or last[0] == "%%" else "(?![0-9])"
    return before + expression + after


def _split(text: str) -> list[str]:
    """Texts and directives in turn, a text first and last."""
    return re.split(r"(%.?)", text, flags=re.DOTALL)


def directives_expression(text: str) -> str:
    """The same, whatever stands beside it.

    Raises:
        ValueError: it has other directives, or lacks the date.
    """
    parts = _split(text)
    unknown = [part for part in parts[1::2] if part != "%%" and part[1:] not in _DIRECTIVES]
    if unknown:
        raise ValueError(
            f"has {', '.join(unknown)}; of strftime's directives it takes %Y, %m, %d, %H, %M and %S"
            " (and %% for a percent sign)"
        )
    if not {"%Y", "%m", "%d"} <= set(parts[1::2]):
        raise ValueError(
            f"must hold %Y, %m and %d, such as {_EXAMPLE}, or be a regular expression with the"
            " named groups year, month and day"
        )
    found: list[str] = []
    expressions: list[str] = []
    for part in parts:
        name, digits = _DIRECTIVES.get(part[1:], ("", "")) if part[:1] == "%" else ("", "")
        if not name:
            expressions.append(re.escape("%" if part == "%%" else part))
        elif name in found:  # dt=%Y-%m-%d/events_%Y%m%d.csv
            expressions.append(f"(?P={name})")
        else:
            found.append(name)
            expressions.append(f"(?P<{name}>{digits})")
    return "".join(expressions)
