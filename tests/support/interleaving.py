"""Functions that run at once, in an order that a seed draws: each waits at every outside call.

All threads but one stand still at any time, so that a run of them is the same each time. Time is
virtual: it passes between calls, and while nothing is under way it jumps to what is planned next.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Final

from job_fakes import Killed

from runtime.service_time import ServiceClock

BEGIN: Final = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
# A request takes no longer, whatever else is going on: clients have timeouts.
LONGEST_REQUEST: Final = 20.0
NEVER: Final = float("inf")


@dataclass
class Invocation:
    """One call of a function, in a sandbox of its own.

    Attributes:
        clock: as the function reads it.
        seconds: its function's timeout.
        dead: killed; none of its threads gets any further than its next outside call.
    """

    name: str
    clock: ServiceClock
    started: float
    seconds: float = NEVER
    dead: bool = False
    calls: int = 0


@dataclass
class _Waiting:
    number: int
    since: float
    may_go_on: Callable[[], bool]
    opened: threading.Event = field(default_factory=threading.Event)


# What befalls a call: killed before or after it took effect, its response lost, or repeated by
# the client because the first response was lost. None: nothing.
Fate = Callable[[Invocation, str], str | None]


class Interleaving:
    """Runs invocations, one step at a time.

    Attributes:
        fate: decides what befalls a call.
        stalls: for how many seconds a call is under way before it takes effect.
        step_seconds: how long a call takes, one of these.
        seen: the calls so far, by name.
        befallen: what befell calls so far.
    """

    def __init__(self, seed: int, fate: Fate = lambda _invocation, _call: None) -> None:
        self.random = Random(seed)  # noqa: S311
        self.stalls: Callable[[str], float] = lambda _call: 0.0
        self.fate = fate
        self.now = 0.0
        self.step_seconds = (0.0, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0, 4.0)
        self.seen: Counter[str] = Counter()
        self.befallen: Counter[tuple[str, str]] = Counter()
        self.problems: list[BaseException] = []
        self._state = threading.Condition()
        self._running = 0
        self._waiting: dict[int, _Waiting] = {}
        self._numbers, self._order = count(), count()
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._local = threading.local()

    @property
    def current(self) -> Invocation:
        """Whose thread this is."""
        invocation: Invocation = self._local.invocation
        return invocation

    def clock(self) -> datetime:
        """The time by the clock of the sandbox that asks."""
        return self.current.clock()

    def true_time(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now)

    def clock_ahead(self, seconds: float) -> ServiceClock:
        """A sandbox's clock that is wrong by so much, until a response corrects it."""
        return ServiceClock(lambda: self.true_time() + timedelta(seconds=seconds))

    def stopwatch(self) -> float:
        return self.now

    def plan(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this so many seconds from now; it must not wait."""
        heapq.heappush(self._planned, (self.now + seconds, next(self._order), action))

    def invoke(
        self,
        invocation: Invocation,
        function: Callable[[], Any],
        then: Callable[[Any, BaseException | None], None] = lambda _result, _error: None,
    ) -> None:
        """Begin to run a function; `then` gets its result or what it raised."""

        def run() -> None:
            result, error = None, None
            try:
                result = function()
            except (Exception, Killed) as raised:
                error = raised
            then(result, error)

        self.thread(invocation, run)

    def call(
        self,
        name: str,
        run: Callable[[], Any],
        lost: Callable[[str], Exception],
        *,
        repeats: bool = True,
        has_date: bool = False,
    ) -> Any:
        """An outside call.

        Args:
            lost: the error that a client raises when there was no response.
            repeats: whether the client sends the request again by itself.
            has_date: whether the client corrects the clock by responses.
        """
        self.pause()
        invocation = self.current
        self._stall(self.stalls(name))
        invocation.dead |= self.now - invocation.started > invocation.seconds
        if invocation.dead:
            raise Killed
        self.seen[name] += 1
        if has_date:
            invocation.clock.heard(self.true_time().replace(microsecond=0), 0.01)
        invocation.calls += 1
        fate = self.fate(invocation, name)
        if fate == "repeated" and not repeats:
            fate = None
        if fate is not None:
            self.befallen[name, fate] += 1
        if fate == "before":
            invocation.dead = True
            raise Killed
        try:
            result = run()
            if fate == "repeated":
                result = run()
        finally:
            if fate == "after":
                invocation.dead = True
        if fate == "after":
            raise Killed
        if fate == "lost":
            raise lost(name)
        return result

    def _stall(self, seconds: float) -> None:
        if seconds > 0:
            until = self.now + seconds
            self.plan(seconds, lambda: None)
            self.pause(lambda: self.now >= until)

    def pause(self, until: Callable[[], bool] = lambda: True) -> None:
        """Let others go on, at least until this holds."""
        with self._state:
            waiting = self._wait(until)
            self._running -= 1
            self._state.notify_all()
        waiting.opened.wait()

    def run(self, until: float) -> None:
        """Go on until this time."""
        while True:
            with self._state:
                self._state.wait_for(lambda: self._running == 0)
            if self.problems:
                raise self.problems[0]
            while self._planned and self._planned[0][0] <= self.now:
                heapq.heappop(self._planned)[2]()
            with self._state:
                ready = [waiting for waiting in self._waiting.values() if waiting.may_go_on()]
                if ready:
                    self._open(self._next(ready))
                    continue
            if not self._planned or self._planned[0][0] > until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, self._planned[0][0])

    def executor(self, _at_once: int) -> Executor:
        """Threads of the current invocation."""
        return _Threads(self)

    def _next(self, ready: list[_Waiting]) -> _Waiting:
        oldest = min(ready, key=lambda waiting: (waiting.since, waiting.number))
        overdue = self.now - oldest.since > LONGEST_REQUEST - 5
        self.now += self.random.choice(self.step_seconds)
        return oldest if overdue else self.random.choice(ready)

    def _wait(self, until: Callable[[], bool] = lambda: True) -> _Waiting:
        waiting = _Waiting(next(self._numbers), self.now, until)
        self._waiting[waiting.number] = waiting
        return waiting

    def _open(self, waiting: _Waiting) -> None:
        del self._waiting[waiting.number]
        self._running += 1
        waiting.opened.set()

    def thread(self, invocation: Invocation, run: Callable[[], None]) -> None:
        """Another thread of the invocation, which begins when it is drawn."""
        with self._state:
            waiting = self._wait()

        def body() -> None:
            waiting.opened.wait()
            self._local.invocation = invocation
            try:
                run()
            except BaseException as error:
                self.problems.append(error)
            finally:
                with self._state:
                    self._running -= 1
                    self._state.notify_all()

        threading.Thread(target=body, name=invocation.name, daemon=True).start()


class _Threads(Executor):
    """Threads of one invocation, as many as are wanted."""

    def __init__(self, interleaving: Interleaving) -> None:
        self._interleaving, self._going = interleaving, 0

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future = _Result(self._interleaving)
        self._going += 1

        def run() -> None:
            try:
                future.set_result(fn(*arguments, **named))
            except BaseException as error:
                future.set_exception(error)
            finally:
                self._going -= 1

        self._interleaving.thread(self._interleaving.current, run)
        return future

    def shutdown(self, wait: bool = True, **_: Any) -> None:
        if wait:
            self._interleaving.pause(lambda: self._going == 0)


class _Result(Future[Any]):
    def __init__(self, interleaving: Interleaving) -> None:
        super().__init__()
        self._interleaving = interleaving

    def result(self, timeout: float | None = None) -> Any:
        self._interleaving.pause(self.done)
        return super().result(timeout)
