"""Make moto's conditional writes atomic, as DynamoDB's are.

moto reads the item, compares, and writes: of two threads with the same condition both can win.
"""

from __future__ import annotations

import functools
import threading
from typing import Any, Final

from moto.dynamodb.models import DynamoDBBackend

_ONE_AT_A_TIME: Final = threading.RLock()  # a transaction writes by the other methods


def _atomic(method: Any) -> Any:
    @functools.wraps(method)
    def alone(*args: Any, **kwargs: Any) -> Any:
        with _ONE_AT_A_TIME:
            return method(*args, **kwargs)

    return alone


for _name in ("put_item", "update_item", "delete_item", "transact_write_items"):
    setattr(DynamoDBBackend, _name, _atomic(getattr(DynamoDBBackend, _name)))
