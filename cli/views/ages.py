"""How long something has taken, or ago it was."""

from __future__ import annotations


def age(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`; nothing is younger than `0 s`."""
    whole = max(int(seconds), 0)  # two clocks may differ
    minutes, hours = whole // 60, whole // 3600
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{whole} s"
