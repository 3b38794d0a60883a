"""Reads and changes the run in the ledger, for listing its objects."""

from __future__ import annotations

from datetime import datetime

from contracts.costs.figures import CostEstimate
from contracts.dataset import DatasetSnapshot
from contracts.ledger_items import RunItem
from contracts.manifest import ManifestSummary
from contracts.messages import ListUrls
from contracts.run import RunStatus
from ledger.conditions import RUN
from ledger.runs import change_run, owned_run, refuse_other_holder
from ledger.table import Ledger


def check_ownership(message: ListUrls, ledger: Ledger) -> None:
    """Refuse to go on for an attempt that does not hold the run (`ledger.runs.owned_run`)."""
    owned_run(ledger, message.request.run_id, message.run_attempt)


def mark_running(
    message: ListUrls,
    snapshot: DatasetSnapshot,
    manifest: ManifestSummary,
    ledger: Ledger,
    now: datetime,
    estimate: CostEstimate | None = None,
) -> None:
    """CLAIMED becomes RUNNING; a run that is at this attempt and further on stays as it is."""
    kinds = {"items": manifest.items, "objects": manifest.source_objects}
    totals = {name: {"total": total} for name, total in kinds.items() if total is not None}
    expected = {} if estimate is None else dict(estimate=estimate)
    marked, current = change_run(
        ledger,
        message.request.run_id,
        RUN.run_attempt.eq(message.run_attempt) & RUN.status.eq(RunStatus.CLAIMED),
        status=RunStatus.RUNNING,
        dataset_version=snapshot.version,
        units={"total": manifest.objects},
        already_stored=manifest.already_stored,
        updated_at=now,
        **dict.fromkeys(RunItem.OF_WAITING),
        **totals,
        **expected,
    )
    if current is None:
        check_ownership(message, ledger)
    elif not marked:
        refuse_other_holder(current, message.run_attempt)
