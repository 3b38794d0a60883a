"""The time of day, by the ledger's service, which sends it with every response.

Functions that submit jobs keep apart by times in the ledger. So their clocks must not differ much:
where a sandbox's clock is wrong, the `Date` of responses corrects it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

# A response that took longer does not say what time it is now.
QUICK_SECONDS: Final = 2.0
# The header counts whole seconds, so a clock that differs by less is better than it.
TOLERATED: Final = timedelta(seconds=4)
_HALF_A_SECOND: Final = timedelta(seconds=0.5)


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class ServiceClock:
    """A sandbox's clock, corrected by what services say."""

    def __init__(self, own: Callable[[], datetime] = _wall_clock) -> None:
        self._own = own
        self._behind = timedelta()

    def __call__(self) -> datetime:
        return self._own() + self._behind

    def heard(self, date: datetime, seconds: float) -> None:
        """A response has come that says so.

        Args:
            seconds: how long it took.
        """
        if seconds <= QUICK_SECONDS:
            behind = date + _HALF_A_SECOND - self._own()
            self._behind = behind if abs(behind) > TOLERATED else timedelta()


service_clock: Final = ServiceClock()


def keep_time_by(client: Any, clock: ServiceClock = service_clock) -> None:
    """Correct the clock by the responses to this client's requests."""

    def sent(context: dict[str, Any], **_: Any) -> None:
        context["sent_at"] = time.monotonic()

    def received(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        date = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date and "sent_at" in context:
            clock.heard(parsedate_to_datetime(date), time.monotonic() - context["sent_at"])

    client.meta.events.register("before-call", sent)
    client.meta.events.register("after-call", received)
