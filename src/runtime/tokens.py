"""The unique part of ids that we draw."""

from __future__ import annotations

import secrets
from collections.abc import Callable

Tokens = Callable[[], str]


def random_token() -> str:
    """8 hex digits."""
    return secrets.token_hex(4)
