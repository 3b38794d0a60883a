"""Carry out one request to moto's DynamoDB at a time, as if it were atomic, which DynamoDB's are.

moto reads the item, compares, and writes: of two threads with the same condition both can win. Its
reads walk through dictionaries that a write of another thread may change meanwhile (RuntimeError).
"""

from __future__ import annotations

import threading
from typing import Any, Final

from moto.dynamodb.responses import DynamoHandler

_ONE_AT_A_TIME: Final = threading.RLock()
_call_action: Final = DynamoHandler.call_action


def _alone(handler: DynamoHandler) -> Any:
    with _ONE_AT_A_TIME:
        return _call_action(handler)


DynamoHandler.call_action = _alone  # type: ignore[method-assign]
