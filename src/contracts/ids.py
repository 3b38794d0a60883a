"""Ids of our own making: they sort by time, and two of one second differ."""

from __future__ import annotations

from datetime import datetime


def timestamped_id(now: datetime, token: str) -> str:
    """`20261120T081500Z-3f9c2a1b`: a UTC timestamp and a unique part."""
    return f"{now:%Y%m%dT%H%M%SZ}-{token}"
