"""The run in the ledger, as far as listing its objects needs and changes it."""

from __future__ import annotations

from datetime import datetime

from boto3.dynamodb.conditions import Attr

from contracts.dataset import DatasetSnapshot
from contracts.errors import NotFound, OwnershipLost
from contracts.manifest import ManifestSummary
from contracts.messages import ListUrls
from contracts.run import RunStatus
from contracts.run_request import format_timestamp
from ledger.table import RUN, Ledger


def check_ownership(message: ListUrls, ledger: Ledger) -> None:
    """Hold the attempt of the message against the run's.

    Raises:
        NotFound: the run is not in the ledger.
        OwnershipLost: a later attempt holds it.
    """
    run_id = message.request.run_id
    run = ledger.get_item(run_id, RUN)
    if run is None:
        raise NotFound(f"run {run_id} is not in the ledger")
    if run["run_attempt"] != message.run_attempt:
        raise OwnershipLost(
            f"run {run_id} is at attempt {run['run_attempt']}, not {message.run_attempt}"
        )


def mark_running(
    message: ListUrls,
    snapshot: DatasetSnapshot,
    manifest: ManifestSummary,
    ledger: Ledger,
    now: datetime,
) -> None:
    """CLAIMED becomes RUNNING; a run that is at this attempt and further on stays as it is."""
    changes = {
        "status": RunStatus.RUNNING.value,
        "dataset_version": snapshot.version,
        "units": {"total": manifest.objects},
        **({} if manifest.items is None else {"items": {"total": manifest.items}}),
        "updated_at": format_timestamp(now),
    }
    claimed = Attr("run_attempt").eq(message.run_attempt) & Attr("status").eq(RunStatus.CLAIMED)
    if not ledger.update(message.request.run_id, RUN, changes, condition=claimed):
        check_ownership(message, ledger)
