"""Names a run's files in its output manifest, once all of its units have ended.

Files count for readers from then on (`contracts.output.manifest`, docs/stores.md). The manifest is
written last, after the files, and before the run is recorded. What it replaces is removed after it.
Every effect repeats to the same end. A run of many units takes several calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from typing import Final

from contracts.errors import Conflict, NotConfigured, OwnershipLost
from contracts.messages import PublishedFiles, PublishFiles, PublishProgress
from contracts.output.files import FilesTotals
from contracts.output.manifest import OutputManifest
from ledger.runs import find_run, owned_run
from ledger.table import Ledger
from publishing.lineage import PublishedRun, lineage_of
from publishing.manifest import (
    RESERVED_SECONDS,
    Pages,
    manifest_file,
    manifest_of,
    partitions_of,
    read_units,
)
from publishing.place import Head, OutputPlace
from publishing.ranges import leave_mark, with_neighbors
from publishing.replaced import Replacing
from runs.units import IN_MEMORY_BYTES
from runtime.handler import RemainingTime, logger
from sources import frozen
from sources.manifest import read_summary

RESTARTS: Final = 5


def publish_run(
    message: PublishFiles,
    data_bucket: str,
    output_bucket: str,
    ledger: Ledger,
    remaining: RemainingTime,
) -> PublishedFiles:
    """Publish the runs that this one adds to and that are not published, then this one.

    Args:
        remaining: seconds until the invocation ends.

    Returns:
        The totals; or, shortly before the time is up, the progress to call again with.

    Raises:
        OwnershipLost: another execution or a later attempt holds the run.
        NotConfigured: the contract has no target `files`, or the output bucket cannot be written.
        NotFound: a stored unit has no record of its files.
        InvalidData: a unit's files hold other rows than it has stored.
        Conflict: a manifest changed again and again while it was being made.
    """
    run_id = message.request.run_id
    owned_run(ledger, message.request.run_id, message.run_attempt, message.execution_arn)
    snapshot = frozen.read_snapshot(data_bucket, run_id)
    target = snapshot.dataset.targets.files
    if target is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target files")
    place = OutputPlace(output_bucket, target.prefix)
    lineage = lineage_of(message.request, message.run_attempt, place, data_bucket, ledger)
    publishing = _Publishing(message, place, data_bucket, ledger, remaining)
    progress = message.progress
    if not progress.written:
        for run in (*lineage.unpublished, lineage.own):
            unfinished = publishing.write_manifest(run)
            if unfinished is not None:
                return PublishedFiles(progress=unfinished)
        progress = PublishProgress(written=True)
        if remaining() < RESERVED_SECONDS:
            return PublishedFiles(progress=progress)
    heads = [head for each in (*lineage.earlier, run_id) if (head := place.head(each))]
    if target.replace == "partition" and heads:
        progress, done = publishing.remove_replaced(heads, progress)
        if not done:
            return PublishedFiles(progress=progress)
    return PublishedFiles(
        totals=_totals(place, heads[-1].run_id, progress.removed) if heads else None
    )


def _totals(place: OutputPlace, run_id: str, removed: int) -> FilesTotals:
    manifest = place.read_without_files(run_id)
    return FilesTotals(
        manifest_url=place.url(run_id),
        files=manifest.file_count,
        rows=manifest.rows,
        bytes=manifest.bytes,
        supersedes=len(manifest.supersedes),
        superseded_by=manifest.superseded_by,
        removed=removed,
    )


@dataclass(frozen=True)
class _Publishing:
    """One call of the function.

    Attributes:
        message: with what an earlier call came to.
    """

    message: PublishFiles
    place: OutputPlace
    bucket: str
    ledger: Ledger
    remaining: RemainingTime

    def write_manifest(self, run: PublishedRun) -> PublishProgress | None:
        """Write a run's manifest, unless it has no units; None once it is done.

        Returns:
            Where to go on: the time is nearly up, or the manifest has changed meanwhile.
        """
        run_id = run.request.run_id
        summary = read_summary(self.bucket, run_id)
        if summary is None or not summary.objects:
            return None
        progress = self.message.progress
        if progress.run != run_id:
            progress = self._begun(run, restarts=0)
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
            progress, all_read = read_units(
                run, summary, progress, self.ledger, self.bucket, self.remaining, file
            )
            pages = Pages(
                self.bucket, self.message.request.run_id, self.message.run_attempt, run_id
            )
            if not all_read:
                file.seek(0)
                pages.write(progress.pages, file)
                return progress.model_copy(update={"pages": progress.pages + 1})
            partitions = partitions_of(pages.lines(progress.pages, file))
            current = find_run(self.ledger, run_id)
            stopped = current is not None and current.stopping
            manifest = manifest_of(run, summary, progress, partitions, stopped=stopped)
            if not self._write(manifest, pages.lines(progress.pages, file), progress.etag):
                return self._begun(run, progress.restarts + 1)
        leave_mark(self.bucket, manifest)
        logger.info("files published", extra={"of_run": run_id, "files": manifest.file_count})
        return None

    def _begun(self, run: PublishedRun, restarts: int) -> PublishProgress:
        """Nothing is read yet. The manifest's ETag comes first: a write on it loses nothing."""
        if restarts > RESTARTS:
            raise Conflict(f"{self.place.url(run.request.run_id)} changed again and again")
        head = self.place.head(run.request.run_id)
        if head is not None and head.run_attempt > run.run_attempt:
            raise OwnershipLost(
                f"{self.place.url(head.run_id)} is of attempt {head.run_attempt} of the run"
            )
        etag = None if head is None else head.etag
        return PublishProgress(run=run.request.run_id, etag=etag, restarts=restarts)

    def _write(self, manifest: OutputManifest, lines: Iterator[bytes], etag: str | None) -> bool:
        """False, and nothing is written, if the manifest has changed meanwhile."""
        head = self.place.head(manifest.run_id)
        if (None if head is None else head.etag) != etag:
            return False
        if head is not None and head.complete:  # what it has replaced stays replaced
            manifest = manifest.model_copy(update={"complete": True})
        manifest = with_neighbors(manifest, self.place, self.bucket)
        with manifest_file(manifest, lines) as file:
            return self.place.write(manifest, file, etag)

    def remove_replaced(
        self, heads: Sequence[Head], progress: PublishProgress
    ) -> tuple[PublishProgress, bool]:
        """Remove older files, partition by partition, at least of one.

        Args:
            heads: of the manifests of a generation, as far as it led to this run.

        Returns:
            The progress, and whether that was the last partition.
        """
        own = replace(heads[-1], complete=any(head.complete for head in heads))
        replacing = Replacing(self.place, own)
        folders = frozenset[str]().union(*(self.place.folders(head.run_id) for head in heads))
        left = sorted(folder for folder in folders if folder > (progress.folder or ""))
        for number, folder in enumerate(left):
            if number and self.remaining() < RESERVED_SECONDS:
                return progress, False
            removed = progress.removed + replacing.clear(folder)
            progress = progress.model_copy(update={"folder": folder, "removed": removed})
        return progress, True
