"""How long ago something was, in one unit: `42 s`, `7 min`, `3 h`, `12 d`."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def age_text(seconds: float) -> str:
    """The age, rounded down to its largest unit; of days, only from two on."""
    for size, unit in _UNITS:
        if seconds >= size * (2 if unit == "d" else 1):
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"
