"""Draws the run ids of messages with `runId: auto`, once per message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from contracts.errors import Conflict
from contracts.ids import timestamped_id
from contracts.ledger_items import DrawnItem
from contracts.run_request import format_timestamp
from ledger.table import Ledger
from runtime.tokens import Tokens, random_token

# A queue holds a message for 14 days at most (MessageRetentionPeriod, SQS API Reference).
RETENTION: Final = timedelta(days=90)


def drawn_run_id(
    drawn_for: str, ledger: Ledger, now: datetime, tokens: Tokens = random_token
) -> str:
    """The run id of a message or execution: the one that is noted, or a new one, noted first.

    An id is in the ledger before anything else happens under it, so a repeated claim finds the same
    id after any failure.

    Args:
        drawn_for: the SQS message id, or the execution's ARN.

    Raises:
        Conflict: the note was removed meanwhile; the same call decides anew.
    """
    noted = ledger.get_item(*DrawnItem.key_of(drawn_for))
    if noted is None:
        drawn = DrawnItem(
            run_id=drawn_for,
            drawn_run_id=timestamped_id(now, tokens()),
            drawn_at=format_timestamp(now),
            expires_at=int((now + RETENTION).timestamp()),
        )
        # Another call may have been faster, and a request that the client sent twice looks refused.
        noted = ledger.put_if_absent(drawn.to_item()).item
    if noted is None:
        raise Conflict(f"the run id that was drawn for {drawn_for} was removed meanwhile")
    return DrawnItem.from_item(noted).drawn_run_id
