"""Walks that are read ahead side by side, and given out one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Full, Queue
from threading import Event
from typing import Final, Generic, TypeVar

THREADS: Final = 16  # within the client's connection pool
AHEAD: Final = 4  # what each walk may be ahead of what was given out
Item = TypeVar("Item")
_STOP_SECONDS: Final = 0.1  # within which a walk that waits notices that nobody reads on


def in_order(walks: Sequence[Callable[[], Iterator[Item]]]) -> Iterator[Item]:
    """What the walks give, in their order; up to `THREADS` of them are read ahead.

    In memory are at most `AHEAD` items of each of those, however much they give in all. A walk's
    error is raised where its next item would be.
    """
    stop = Event()
    ahead = [_Ahead(walk, stop) for walk in walks]
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for walk in ahead[:THREADS]:
                pool.submit(walk.read)
            for number, walk in enumerate(ahead):
                yield from walk.items()
                for following in ahead[number + THREADS : number + THREADS + 1]:
                    pool.submit(following.read)
        finally:
            stop.set()


class _Ahead(Generic[Item]):
    """One walk, read by a thread of its own."""

    def __init__(self, walk: Callable[[], Iterator[Item]], stop: Event) -> None:
        self._walk, self._stop = walk, stop
        self._found: Queue[Item | _End] = Queue(AHEAD)

    def read(self) -> None:
        try:
            for item in self._walk():
                self._put(item)
                if self._stop.is_set():
                    return
        except BaseException as error:  # raised to whoever takes the items
            self._put(_End(error))
        else:
            self._put(_End(None))

    def items(self) -> Iterator[Item]:
        while not isinstance(found := self._found.get(), _End):
            yield found
        if found.error is not None:
            raise found.error

    def _put(self, found: Item | _End) -> None:
        while not self._stop.is_set():
            with suppress(Full):
                self._found.put(found, timeout=_STOP_SECONDS)
                break


class _End:
    """After the last item: the walk's error, if it had one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
