"""Live updates: one stream of server-sent events for all that a tab shows.

A browser opens six connections to a host at most, whatever the number of tabs: so a tab has one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from cli.exit_codes import CommandFailed
from cli.page.problems import problem_of
from cli.page.source import Source

EVENTS: Final = "text/event-stream"
KEEP_ALIVE_SECONDS: Final = 15.0
# Where nothing changes, the pauses grow up to so many times.
_SLOWEST: Final = 5.0
_SLOWER: Final = 1.25


@dataclass
class Look:
    """Something that is followed.

    Attributes:
        on: its address, by which the page knows what an event is about.
        read: its document now.
        sent: digest of what was sent last.
    """

    on: str
    read: Callable[[], dict[str, Any]]
    sent: bytes = b""


async def follow(request: Request, looks: Sequence[Look], source: Source) -> AsyncIterator[str]:
    """Each document at first, and again whenever it has changed.

    A look that takes long makes the pause longer, so that a page left open never takes a large
    share of what the services grant.
    """
    slower, said_at = 1.0, time.monotonic()
    while not await request.is_disconnected():
        began, news = time.monotonic(), False
        for look in looks:
            event = await run_in_threadpool(_event, look, source)
            if event is not None:
                news, said_at = True, time.monotonic()
                yield event
        now = time.monotonic()
        if now - said_at >= KEEP_ALIVE_SECONDS:
            said_at = now
            yield ": nothing new\n\n"
        slower = 1.0 if news else min(slower * _SLOWER, _SLOWEST)
        await asyncio.sleep(max(source.pause * slower, 3 * (now - began)))


def _event(look: Look, source: Source) -> str | None:
    """What has changed; a failure is an event, too, as the next look may succeed."""
    try:
        found = {"document": look.read()}
    except Exception as error:  # whatever it is, the page says so and looks again
        if not isinstance(error, CommandFailed | ClientError | BotoCoreError):
            traceback.print_exception(error)  # in the terminal, and nowhere else
        problem = problem_of(error)
        if problem.is_lost_deployment:
            source.lose()
        found = {"problem": problem.document.to_json()}
    text = json.dumps({"on": look.on, **found})
    digest = hashlib.sha256(text.encode()).digest()
    if digest == look.sent:
        return None
    look.sent = digest
    return f"data: {text}\n\n"
