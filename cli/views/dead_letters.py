"""Dead letters for people: their list, and one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from cli.client.messages import DeadLetter
from cli.views.ages import age
from cli.views.records import Column, Records, prose
from contracts.run_request import format_timestamp

_BODY_SHOWN: Final = 200
_NO_REASON: Final = "delivered too often without success; the ledger has no run of it"


def dead_letters_table(letters: Iterable[DeadLetter], now: float) -> Records:
    """Messages on the dead-letter queue with their ages and reasons.

    Args:
        now: epoch seconds.
    """
    columns = (Column("message id"), Column("age", right=True), prose("reason"), prose("body"))
    return Records.of(columns, (_row(letter, now) for letter in letters))


def _row(letter: DeadLetter, now: float) -> tuple[str, str, str, str]:
    cut = len(letter.body) > _BODY_SHOWN
    body = letter.body[:_BODY_SHOWN] + "…" if cut else letter.body
    old = age(now - letter.sent_at_ms / 1000)
    return letter.message_id, old, letter.reason or _NO_REASON, body


def print_letter(console: Console, letter: DeadLetter, now: float, stack: str | None) -> None:
    """One letter whole, and the commands that end its stay on the queue."""
    sent = format_timestamp(datetime.fromtimestamp(letter.sent_at_ms / 1000, UTC))
    where = f" --stack {stack}" if stack else ""
    lines = [
        f"message  {letter.message_id}",
        f"run      {letter.run_id or 'none that it names'}",
        f"sent     {sent} ({age(now - letter.sent_at_ms / 1000)} ago)",
        f"reason   {letter.reason or _NO_REASON}",
        "",
        _readable(letter.body),
        "",
        "What next:",
        "  once the cause is fixed",
        f"    pipeline dead-letters replay {letter.message_id}{where}",
        "  if the message itself is wrong: correct it, send it, delete this one",
        f"    pipeline dead-letters show {letter.message_id} --body{where} > message.json",
        f"    pipeline run message.json{where}",
        f"    pipeline dead-letters delete {letter.message_id}{where}",
    ]
    if letter.body_changed:
        lines.insert(5, "the queue holds only a part of the body, as the whole did not fit it:")
    console.print("\n".join(lines), soft_wrap=True, markup=False)


def _readable(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
