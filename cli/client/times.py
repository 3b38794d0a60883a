"""Instants as people type them: how long ago, or when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from cli.exit_codes import REFUSED, CommandFailed
from contracts.run_request import parse_timestamp

_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST: Final = timedelta(days=5 * 366)  # each day of a list is asked for by itself


def since(text: str, now: datetime, option: str = "--since") -> datetime:
    """`90m`, `24h`, `7d` or `2w` before now, or an ISO 8601 date or time, in UTC.

    Raises:
        CommandFailed: it is none, in the future, or longer ago than LONGEST.
    """
    match = _AGO.fullmatch(text.strip())
    if match:
        at = now - min(timedelta(**{_UNITS[match[2]]: int(match[1])}), 2 * LONGEST)
    else:
        try:
            at = parse_timestamp(text.strip())
        except ValueError:
            raise CommandFailed(
                f"{option} {text} is no time",
                REFUSED,
                "write how long ago (90m, 24h, 7d, 2w), a day (2026-11-01) or an instant"
                " (2026-11-01T06:30:00Z)",
            ) from None
    if at > now:
        raise CommandFailed(f"{option} {text} is in the future", REFUSED, "name a time before now")
    if now - at > LONGEST:
        raise CommandFailed(
            f"{option} {text} is more than {LONGEST.days} days ago", REFUSED, "name a later time"
        )
    return at.astimezone(UTC)
