"""Why messages that the queue gave up on failed: the reason of each one's run, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cli.client.ledger import LedgerView, Run
from cli.client.messages import DeadLetter, id_is_drawn


def with_run_reasons(letters: Iterable[DeadLetter], ledger: LedgerView) -> list[DeadLetter]:
    """The letters; one without a reason of its own, as SQS moved it, gets its run and that reason.

    A letter whose run is not in the ledger stays as it is.
    """
    return [letter if letter.reason else _with_run(letter, ledger) for letter in letters]


def _with_run(letter: DeadLetter, ledger: LedgerView) -> DeadLetter:
    drawn = ledger.drawn_run_id(letter.message_id) if id_is_drawn(letter.body) else None
    run = ledger.run(letter.run_id or drawn or letter.message_id)
    if run is None:
        return letter
    return replace(letter, run_id=run.run_id, reason=_reason(run))


def _reason(run: Run) -> str:
    """Such as `delivered too often; run r1 is FAILED: 1 of 3 units failed …`."""
    why = f": {run.reason}" if run.reason else ""
    state = f"run {run.run_id} is {run.status} after attempt {run.run_attempt}"
    return f"delivered too often; {state}{why}"
