"""The memory and disk of a function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """Memory and disk (`/tmp`) of a function, both in MB."""

    memory: int
    disk: int
