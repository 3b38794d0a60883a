"""What was read and need not be read again at each look."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from cli.client.ledger import Run

_REMEMBERED: Final = 64
Found = TypeVar("Found")


class Memory:
    """Some things that were read, the latest used ones; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remembered: OrderedDict[tuple[str, ...], tuple[float, Any]] = OrderedDict()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._remembered.clear()

    def once(self, key: tuple[str, ...], run: Run, read: Callable[[], Found]) -> Found:
        """What is read of a run; of one that has ended, which changes no more, only once."""
        lasts = run.status.ended and not _just_ended(run)
        return self._read((*key, *_version(run)), float("inf") if lasts else 0.0, read)

    def recently(self, key: tuple[str, ...], seconds: float, read: Callable[[], Found]) -> Found:
        """What was read in these last seconds, or is read now."""
        return self._read(key, seconds, read)

    def _read(self, key: tuple[str, ...], seconds: float, read: Callable[[], Found]) -> Found:
        with self._lock:
            at, found = self._remembered.get(key, (float("-inf"), None))
            if time.monotonic() - at < seconds:
                self._remembered.move_to_end(key)
                remembered: Found = found
                return remembered
        read_now = read()
        if seconds > 0:
            with self._lock:
                self._remembered[key] = (time.monotonic(), read_now)
                self._remembered.move_to_end(key)
                while len(self._remembered) > _REMEMBERED:
                    self._remembered.popitem(last=False)
        return read_now


def _version(run: Run) -> tuple[str, ...]:
    return run.run_id, str(run.run_attempt), run.status, str(run.item.updated_at)


def _just_ended(run: Run) -> bool:
    """Its execution may still announce the end."""
    ended = run.item.ended_at
    if ended is None:
        return True
    return time.time() - datetime.fromisoformat(ended).timestamp() < 60
