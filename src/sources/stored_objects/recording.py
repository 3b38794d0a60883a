"""Records what a run has stored, when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from contracts.ledger_items import UnitItem
from contracts.run import UnitStatus
from contracts.run_request import RunRequest
from ledger.runs import find_run
from ledger.table import Ledger
from ledger.units import units_of
from runtime import clients
from sources.groups.stored import stored_objects
from sources.stored_objects.files import StoredFiles
from sources.stored_objects.hold import has_ended
from sources.stored_objects.records import StoredDigests


@dataclass(frozen=True)
class StoredByRun:
    """The objects that units of a run have stored, as its units go by.

    Attributes:
        data_bucket: where the outcomes of single objects lie.
        digests: 22 bytes for each.
    """

    data_bucket: str
    digests: StoredDigests = field(default_factory=StoredDigests)

    def passing(self, units: Iterable[UnitItem]) -> Iterator[UnitItem]:
        """The same units; those that are stored are noted.

        Batches of an array's items are no objects: no listing finds them. Units of the releases
        that wrote no ETag are left out: `rebuild-stored` reads it in the manifest. Of one that
        holds several objects each counts that it has stored.
        """
        for unit in units:
            stored = unit.status is UnitStatus.STORED and unit.items is None
            if unit.objects is not None:
                for one in stored_objects(self.data_bucket, unit):
                    self.digests.add(one.url, one.etag, unit.dataset_version)
            elif stored and unit.source_url and unit.source_etag:
                self.digests.add(unit.source_url, unit.source_etag, unit.dataset_version)
            yield unit

    def write(self, request: RunRequest, run_attempt: int) -> None:
        """Write the run's file: the same again, however often the run is recorded."""
        files = StoredFiles.of(clients.client("s3"), self.data_bucket, request.scope)
        files.add(request.run_id, run_attempt, self.digests.packed())


def write_of_retried(data_bucket: str, request: RunRequest, ledger: Ledger) -> None:
    """Write the files of the runs that this one retries and whose ends nobody has recorded yet.

    They are the same that the reaper writes when it comes for them. Others may take new objects
    before that, once this run has ended.
    """
    retried = request.retry_of
    while retried is not None:
        run = find_run(ledger, retried)
        if run is None or has_ended(run):
            return
        stored = StoredByRun(data_bucket)
        for _ in stored.passing(units_of(ledger, retried)):
            continue
        stored.write(run.requested, run.run_attempt)
        retried = run.requested.retry_of
