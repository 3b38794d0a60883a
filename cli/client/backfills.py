"""What a backfill would do: its windows, their objects, what is stored already."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from botocore.exceptions import ClientError

from cli.client.backfill_request import Asked, request_of
from cli.client.contracts import read_contract
from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView
from cli.client.run_list import RunList, Wanted
from cli.client.window_objects import Objects, objects_by_window
from contracts.costs.figures import CostEstimate, PastCost
from contracts.dataset import Dataset
from contracts.ledger_items import BackfillItem, RunItem
from contracts.times.backfill import (
    BackfillRequest,
    Only,
    WindowState,
)
from contracts.times.windows import Window
from costs.estimate import estimated
from runs.backfills.coverage import Coverage, claimed_since

_READERS: Final = 8


@dataclass(frozen=True)
class PlannedWindow:
    """A window, and what a backfill would do with it.

    Attributes:
        state: LEFT: it would be run; STORED_BEFORE, NOT_CHOSEN: it would be passed over.
        objects: that its run would find now; None: the source may not be listed from here.
    """

    number: int
    window: Window
    state: WindowState
    run_id: str
    objects: Objects | None


@dataclass(frozen=True)
class Plan:
    """What a backfill would do now.

    Attributes:
        existing: the backfill of this id, which has been started before.
        unlisted: why nothing is known of objects.
        past: what the dataset's last runs have cost.
    """

    request: BackfillRequest
    windows: tuple[PlannedWindow, ...]
    existing: BackfillItem | None = None
    unlisted: str | None = None
    past: tuple[PastCost, ...] = ()

    @property
    def estimate(self) -> CostEstimate | None:
        """What the chosen windows are going to cost; None where nothing says that."""
        counts = [each.objects.objects for each in self.chosen if each.objects is not None]
        if not any(each.units for each in self.past) or len(counts) < len(self.chosen):
            return None
        runs = sum(count > 0 for count in counts)
        return estimated(sum(counts), self.past, 0, runs)

    @property
    def chosen(self) -> list[PlannedWindow]:
        """The windows that would be run."""
        return [each for each in self.windows if each.state is WindowState.LEFT]


def plan(
    deployment: Deployment, asked: Asked, now: datetime | None = None, *, objects: bool = True
) -> Plan:
    """What the backfill would do now; nothing is changed.

    Args:
        objects: whether the source is listed, which takes a while for many.

    Raises:
        CommandFailed: as `request_of` does.
    """
    now = now or datetime.now(UTC)
    request = request_of(deployment, asked, now)
    windows = request.windows()
    coverage = Coverage()
    if request.only is not Only.ALL:
        coverage = Coverage.of(_claimed_runs(deployment, request, now), request)
    found: list[Objects] | None = None
    unlisted = None
    if objects:
        found, unlisted = _listed(deployment, read_contract(deployment, asked.dataset), windows)
    return Plan(
        request=request,
        windows=tuple(
            PlannedWindow(
                number,
                window,
                coverage.state_of(window, request.only),
                request.run_id(window),
                found[number] if found else None,
            )
            for number, window in enumerate(windows)
        ),
        existing=ledger_of(deployment).backfill(request.backfill_id),
        unlisted=unlisted,
        past=ledger_of(deployment).past_costs(request.dataset_name),
    )


def ledger_of(deployment: Deployment) -> LedgerView:
    """The ledger of the deployment."""
    return LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))


# -- what is there


def _claimed_runs(
    deployment: Deployment, request: BackfillRequest, now: datetime
) -> Iterable[RunItem]:
    """Runs of the dataset that may have stored its windows: days side by side."""
    runs = RunList(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    since = claimed_since(request, now)
    step = (now - since) / _READERS
    spans = [(since + step * number, since + step * (number + 1)) for number in range(_READERS)]
    wanted = Wanted(dataset=request.dataset_name, expired=True)
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(lambda span: list(runs.runs(span[0], span[1], wanted)), spans)
        return [run.item for part in found for run in part]


def _listed(
    deployment: Deployment, contract: Dataset, windows: list[Window]
) -> tuple[list[Objects] | None, str | None]:
    bucket = contract.source.bucket or deployment.output("DataBucketName")
    try:
        return objects_by_window(deployment.client("s3"), bucket, contract.source, windows), None
    except ClientError as error:
        return None, f"s3://{bucket}/{contract.source.prefix} cannot be listed: {error}"
