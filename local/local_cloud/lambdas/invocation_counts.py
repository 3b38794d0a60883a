"""How often functions ran and failed: what the metrics of AWS/Lambda would say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_BUCKET_SECONDS: Final = 1
_RETENTION_SECONDS: Final = 3600  # longer than any alarm of the template looks back


@dataclass
class _Bucket:
    invocations: int = 0
    errors: int = 0


@dataclass
class InvocationCounts:
    """Counts by function and second, for an hour; safe to share between threads.

    Attributes:
        clock: epoch seconds.
    """

    clock: Callable[[], float] = time.time
    _buckets: dict[str, dict[int, _Bucket]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, function: str, *, failed: bool) -> None:
        """Count an invocation that has just ended."""
        now = int(self.clock() // _BUCKET_SECONDS)
        with self._lock:
            buckets = self._buckets.setdefault(function, {})
            bucket = buckets.setdefault(now, _Bucket())
            bucket.invocations += 1
            bucket.errors += failed
            for old in [at for at in buckets if at < now - _RETENTION_SECONDS]:
                del buckets[old]

    def within(self, function: str, start: float, end: float) -> tuple[int, int] | None:
        """Invocations and errors of a time, in epoch seconds; None if it did not run."""
        with self._lock:
            found = [
                bucket
                for at, bucket in self._buckets.get(function, {}).items()
                if start <= at * _BUCKET_SECONDS < end
            ]
        if not found:
            return None
        return sum(one.invocations for one in found), sum(one.errors for one in found)
