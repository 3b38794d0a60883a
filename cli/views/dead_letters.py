"""Dead letters for people: their list, and one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from cli.client.messages import DeadLetter
from cli.client.replay import Replayed, ReplayOutcome, is_refused_as_it_is
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
        *_what_next(letter, where),
    ]
    if letter.body_changed:
        lines.insert(5, "the queue holds only a part of the body, as the whole did not fit it:")
    console.print("\n".join(lines), soft_wrap=True, markup=False)


def _what_next(letter: DeadLetter, where: str) -> list[str]:
    """Each way out with its commands; only those that lead out of it."""
    dead_letters = "    pipeline dead-letters"
    wrong = is_refused_as_it_is(letter)
    as_it_is = [
        "  once the cause is fixed",
        f"{dead_letters} replay {letter.message_id}{where}",
    ]
    start = "  correct" if wrong else "  if the message itself is wrong: correct"
    return [
        "What next:",
        *([] if wrong else as_it_is),
        f"{start} it in a file, and send that in its place",
        f"{dead_letters} show {letter.message_id} --body{where} > message.json",
        f"{dead_letters} replay {letter.message_id} --corrected message.json{where}",
        "  if nobody wants it",
        f"{dead_letters} delete {letter.message_id}{where}",
    ]


def _readable(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def replayed_text(replayed: Sequence[Replayed], missing: Sequence[str]) -> str:
    """What became of letters, and the ids that are of none."""
    lines = [_line(each) for each in replayed]
    lines += [no_such_letter(each) for each in missing]
    return "\n".join(lines) or "the dead-letter queue is empty"


def no_such_letter(letter_id: str) -> str:
    """For an id that the queue does not have."""
    return f"{letter_id}: there is no such letter on the dead-letter queue"


def _line(replayed: Replayed) -> str:
    message = replayed.letter.message_id
    if replayed.outcome is ReplayOutcome.REPLAYED:
        follow = f"pipeline watch {replayed.run_id}"
        return f"{message}: sent as run {replayed.run_id}; follow it: {follow}"
    if replayed.outcome is ReplayOutcome.DELETED:
        return f"{message}: deleted, as {replayed.detail}"
    return f"{message}: not sent, and still on the queue: {replayed.detail}"
