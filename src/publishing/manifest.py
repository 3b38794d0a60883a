"""Makes a run's output manifest of its stored units, in as many goes as the time makes of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from contracts import layout
from contracts.errors import InvalidData
from contracts.manifest import ManifestSummary
from contracts.messages import PublishProgress
from contracts.output.files import UnitFiles, partition_path
from contracts.output.manifest import OutputManifest, PublishedFile
from contracts.run import ItemTotals, UnitOutcome, UnitState, UnitTotals
from contracts.run_request import format_timestamp, parse_timestamp
from contracts.source.object_totals import ObjectTotals
from ledger.table import Ledger
from ledger.units import units_of
from publishing.lineage import PublishedRun
from publishing.place import manifest_chunks
from runs.outcome import is_tolerated
from runs.units import IN_MEMORY_BYTES, OutputLocations, unit_outcomes
from runtime import clients, s3
from runtime.handler import RemainingTime

READERS: Final = 16
UNITS_AT_A_TIME: Final = 512
# Left for the units under way and for the page, or for the manifest, of up to some 100 MB.
RESERVED_SECONDS: Final = 240.0


@dataclass(frozen=True)
class Pages:
    """Lines of a manifest in the making: those of a go that ended are in S3.

    Attributes:
        run_id, run_attempt: of the run that makes it.
    """

    bucket: str
    run_id: str
    run_attempt: int
    of_run: str

    def write(self, number: int, file: IO[bytes]) -> None:
        s3.write_file(self.bucket, self._key(number), file)

    def lines(self, count: int, last: IO[bytes]) -> Iterator[bytes]:
        """Those of so many pages, then those that are in no page; without line ends."""
        for number in range(count):
            with clients.translated(f"reading s3://{self.bucket}/{self._key(number)}"):
                body = clients.client("s3").get_object(Bucket=self.bucket, Key=self._key(number))
                with body["Body"] as page:
                    yield from page.iter_lines(chunk_size=64 * 1024)
        last.seek(0)
        yield from (line.rstrip(b"\n") for line in last)

    def _key(self, number: int) -> str:
        return layout.publish_page_key(self.run_id, self.run_attempt, self.of_run, number)


def read_units(
    run: PublishedRun,
    summary: ManifestSummary,
    progress: PublishProgress,
    ledger: Ledger,
    bucket: str,
    remaining: RemainingTime,
    file: IO[bytes],
) -> tuple[PublishProgress, bool]:
    """Write a line for each file of the stored units, from where the progress says.

    Returns:
        The progress, and whether all units were read before the time was nearly up.

    Raises:
        InvalidData: a unit's files hold another number of rows than it has stored.
        NotFound: a stored unit has no record of its files.
    """
    run_id = run.request.run_id
    after = progress.after
    units = units_of(ledger, run_id, after)
    places = OutputLocations(bucket, run_id, run.request.dataset_name)
    found = (
        outcome
        for outcome in unit_outcomes(summary, units, places)
        if after is None or outcome.unit_id > after
    )
    clients.client("s3")  # made here: making clients is not thread-safe
    with ThreadPoolExecutor(READERS) as pool:
        while batch := list(islice(found, UNITS_AT_A_TIME)):
            stored = [each for each in batch if each.status is UnitState.STORED]
            records = pool.map(lambda each: _record(bucket, run_id, each), stored)
            for outcome, record in zip(stored, records, strict=True):
                progress = _add_files(progress, outcome, record, file)
            progress = _add_units(progress, batch)
            if remaining() < RESERVED_SECONDS:
                return progress, False
    return progress, True


def _record(bucket: str, run_id: str, outcome: UnitOutcome) -> UnitFiles:
    key = layout.files_record_key(run_id, outcome.unit_id)
    record = UnitFiles.from_json(s3.read_json(bucket, key))
    if record.rows != outcome.rows.stored:
        raise InvalidData(
            f"unit {outcome.unit_id} has stored {outcome.rows.stored} rows, and its files hold"
            f" {record.rows} (s3://{bucket}/{key})"
        )
    return record


def _add_files(
    progress: PublishProgress, outcome: UnitOutcome, record: UnitFiles, file: IO[bytes]
) -> PublishProgress:
    for each in record.files:
        line = PublishedFile(
            **each.model_dump(), unit_id=outcome.unit_id, source=outcome.source_url or ""
        )
        text = json.dumps(line.to_json(), sort_keys=True, ensure_ascii=False)
        file.write(text.encode() + b"\n")
    return progress.model_copy(
        update={
            "files": progress.files + len(record.files),
            "rows": progress.rows + record.rows,
            "bytes": progress.bytes + record.bytes,
        }
    )


def _add_units(progress: PublishProgress, batch: Sequence[UnitOutcome]) -> PublishProgress:
    items, objects = progress.items, progress.objects
    statuses = Counter(outcome.status for outcome in batch)
    for outcome in batch:
        if outcome.items is not None:
            items = (items or ItemTotals()) + outcome.items
        if outcome.objects is not None:
            objects = (objects or ObjectTotals()) + outcome.objects
    return progress.model_copy(
        update={
            "after": batch[-1].unit_id,
            "stored": progress.stored + statuses[UnitState.STORED],
            "failed": progress.failed + statuses[UnitState.FAILED],
            "not_started": progress.not_started + statuses[UnitState.NOT_STARTED],
            "items": items,
            "objects": objects,
        }
    )


def manifest_of(
    run: PublishedRun,
    summary: ManifestSummary,
    progress: PublishProgress,
    partitions: Iterable[dict[str, str | None]],
    *,
    stopped: bool,
) -> OutputManifest:
    """All of a manifest but its files and what it knows of other runs.

    Args:
        stopped: a person has decided to stop the run, so it is complete only with all its units.
    """
    units = UnitTotals(
        total=progress.stored + progress.failed + progress.not_started,
        stored=progress.stored,
        failed=progress.failed,
        not_started=progress.not_started,
    )
    target = run.snapshot.dataset.targets.files
    of_items = summary.items is not None
    tolerated = run.request.tolerance(of_items=of_items)
    parts = _items(summary, progress) or _objects(summary, progress)
    complete = is_tolerated(units, parts, tolerated)
    # A retry that left out what other runs have stored does not replace these either.
    partial = run.adds or bool(summary.already_stored)
    return OutputManifest(
        run_id=run.request.run_id,
        dataset_name=run.snapshot.dataset.name,
        dataset_version=run.snapshot.version,
        index=run.snapshot.index,
        run_attempt=run.run_attempt,
        started_at=format_timestamp(parse_timestamp(run.snapshot.run_started_at)),
        version=run.version,
        generation=run.generation,
        adds_to=run.adds_to,
        range=run.range,
        asked=run.request.to_json(),
        complete=run.whole
        and complete
        and not partial
        and not (stopped and units.stored < units.total),
        adds=run.adds,
        replace=target.replace if target else "none",
        units=units,
        file_count=progress.files,
        rows=progress.rows,
        bytes=progress.bytes,
        partitions=tuple(partitions),
    )


def _items(summary: ManifestSummary, progress: PublishProgress) -> ItemTotals | None:
    """Items of batches without an outcome count as failed, too."""
    if summary.items is None:
        return None
    known = progress.items or ItemTotals()
    missing = summary.items - known.total
    return known + ItemTotals(total=missing, failed=missing)


def _objects(summary: ManifestSummary, progress: PublishProgress) -> ObjectTotals | None:
    """Likewise objects of units that hold several."""
    if summary.source_objects is None:
        return None
    known = progress.objects or ObjectTotals()
    missing = summary.source_objects - known.total
    return known + ObjectTotals(total=missing, failed=missing)


def partitions_of(lines: Iterable[bytes]) -> list[dict[str, str | None]]:
    """Each partition once, sorted by its path; none without partitionBy."""
    found: dict[str, dict[str, str | None]] = {}
    for line in lines:
        partition = json.loads(line)["partition"]
        if partition:
            found[partition_path(partition)] = partition
    return [found[path] for path in sorted(found)]


def manifest_file(manifest: OutputManifest, lines: Iterator[bytes]) -> IO[bytes]:
    """The whole document; the caller closes it."""
    file: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  (the caller closes it)
    for chunk in manifest_chunks(manifest, lines):
        file.write(chunk)
    file.seek(0)
    return file
