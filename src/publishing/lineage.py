"""Which runs belong together: a run, those that it retries, and those whose rows it corrects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import NotFound
from contracts.output.manifest import range_id
from contracts.run_request import RunRequest
from ledger.runs import find_run
from ledger.table import Ledger
from publishing.place import Head, OutputPlace
from sources import frozen
from sources.manifest import read_summary
from stores.versions import run_version


@dataclass(frozen=True)
class PublishedRun:
    """One run whose manifest is to be written.

    Attributes:
        adds: its generation takes new objects only, and so adds to others of the range.
        whole: its units and those of the runs before it are all that was asked for.
    """

    request: RunRequest
    run_attempt: int
    snapshot: DatasetSnapshot
    generation: str
    range: str
    adds: bool = False
    whole: bool = True

    @property
    def version(self) -> str:
        return run_version(self.snapshot)

    @property
    def adds_to(self) -> str | None:
        """The first run of its generation, unless it is this one."""
        return None if self.generation == self.version else self.generation.partition("#")[2]


@dataclass
class Lineage:
    """A run's generation, as far as it led to this run.

    Attributes:
        unpublished: runs before this one whose stored units no manifest names, the first one first:
            they ended before they could be published, or went on afterwards.
        earlier: ids of all runs before this one.
    """

    own: PublishedRun
    unpublished: list[PublishedRun] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Recorded:
    """A run as ledger and snapshot have it."""

    request: RunRequest
    run_attempt: int
    snapshot: DatasetSnapshot


@dataclass(frozen=True)
class _Ancestor:
    """A run that another one adds to.

    Attributes:
        head: of its manifest; None: it has none here.
        recorded: None: it never listed its objects, or its files have expired.
    """

    run_id: str
    head: Head | None
    recorded: _Recorded | None


def lineage_of(
    request: RunRequest, run_attempt: int, place: OutputPlace, data_bucket: str, ledger: Ledger
) -> Lineage:
    """Follow a run back to the first one of its generation.

    A retry of a run that never listed its objects is a first run, as it lists them itself.

    Raises:
        NotFound: the run has frozen no contract.
    """
    snapshot = frozen.read_snapshot(data_bucket, request.run_id)
    unpublished = [(0, _Recorded(request, run_attempt, snapshot))]
    requests = [request]
    earlier: list[str] = []
    known: tuple[str, str, bool] | None = None  # generation, range, whether it adds
    whole = True
    for ancestor in _ancestors(request, place, data_bucket, ledger):
        run, head = ancestor.recorded, ancestor.head
        if head is None and (run is None or not _stores_at(run, place)):
            # What it has stored, if anything, is not here.
            whole = whole and run is None
            break
        earlier.append(ancestor.run_id)
        if known is None and run is not None and _is_behind(head, run):
            unpublished.append((len(requests), run))
        if known is None and head is not None:
            known = head.generation, head.range, head.adds
        requests += [run.request] if run is not None else []
    first = unpublished[-1][1]
    generation, range_, adds = known or (
        run_version(first.snapshot),
        range_id(place.bucket, place.prefix, first.request),
        first.request.only_new is not None,
    )
    own, *before = [
        PublishedRun(
            run.request,
            run.run_attempt,
            run.snapshot,
            generation,
            range_,
            adds=adds,
            whole=whole and not any(_corrects(each, data_bucket) for each in requests[number:]),
        )
        for number, run in unpublished
    ]
    return Lineage(own, before[::-1], earlier[::-1])


def _ancestors(
    request: RunRequest, place: OutputPlace, data_bucket: str, ledger: Ledger
) -> Iterator[_Ancestor]:
    """From the run that this one adds to back to the first one, as far as they are on record."""
    parent = _parent_of(request, data_bucket)
    while parent is not None:
        recorded = _recorded(parent, data_bucket, ledger)
        yield _Ancestor(parent, place.head(parent), recorded)
        parent = None if recorded is None else _parent_of(recorded.request, data_bucket)


def _parent_of(request: RunRequest, data_bucket: str) -> str | None:
    return request.retry_of or layout.resent_from(data_bucket, request.input_url or "")


def _corrects(request: RunRequest, data_bucket: str) -> bool:
    """Whether the run is over corrected rows: they are but some of what was asked for."""
    return layout.resent_from(data_bucket, request.input_url or "") is not None


def _recorded(run_id: str, data_bucket: str, ledger: Ledger) -> _Recorded | None:
    run = find_run(ledger, run_id)
    if run is None or read_summary(data_bucket, run_id) is None:
        return None
    try:
        snapshot = frozen.read_snapshot(data_bucket, run_id)
    except NotFound:
        return None
    return _Recorded(run.requested, run.run_attempt, snapshot)


def _stores_at(run: _Recorded, place: OutputPlace) -> bool:
    target = run.snapshot.dataset.targets.files
    return target is not None and target.prefix == place.prefix


def _is_behind(head: Head | None, run: _Recorded) -> bool:
    """Whether a manifest lacks what a run has stored."""
    return head is None or head.run_attempt < run.run_attempt
