"""How far back a deployment knows its runs, where their records leave the ledger in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cli.client.deployment import Deployment
from contracts.ledger_items import tombstone_stays
from contracts.run_request import format_timestamp
from contracts.times.backfill import BackfillRequest, Only

_FILES_DAYS: Final = "90"  # of a stack that does not say


def known_from(deployment: Deployment, request: BackfillRequest, now: datetime) -> datetime | None:
    """From which end on runs are known that may have stored windows of a backfill.

    Returns:
        None: all of them are, or it does not matter to this backfill.
    """
    days = int(deployment.parameters.get("LedgerRetentionDays") or 0)
    if not days or request.only is Only.ALL:
        return None
    files_days = int(deployment.parameters.get("RunFilesRetentionDays") or _FILES_DAYS)
    known = now.replace(microsecond=0) - timedelta(days=days) - tombstone_stays(files_days)
    return known if request.start_date_time < known else None


def warning_of(known: datetime, only: Only) -> str:
    """What that means to windows that runs stored, or failed to store, before."""
    if only is Only.FAILED:
        effect = "windows over which they failed are passed over; --only missing runs them"
    else:
        effect = "windows that they stored look missing, and are run again"
    at = format_timestamp(known)
    return f"runs that ended before {at} may not be known (LedgerRetentionDays): {effect}"
