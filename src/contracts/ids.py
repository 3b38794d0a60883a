"""Ids of our own making: they sort by time, and two of one second differ."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

RUN_ID_CHARACTERS: Final = 40
_NAME: Final = RUN_ID_CHARACTERS - len("-20261101T021500Z")
_DIGEST: Final = 8


def timestamped_id(now: datetime, token: str) -> str:
    """`20261120T081500Z-3f9c2a1b`: a UTC timestamp and a unique part."""
    return f"{now:%Y%m%dT%H%M%SZ}-{token}"


def dated_run_id(name: str, at: datetime) -> str:
    """The id of the run that somebody of this name starts for an instant: the same at every try."""
    return f"{_fitting(name)}-{at:%Y%m%dT%H%M%SZ}"


def _fitting(name: str) -> str:
    """What ids of `dated_run_id` begin with: the name, as far as there is room for it."""
    if len(name) <= _NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: _NAME - _DIGEST - 1]}-{digest}"
