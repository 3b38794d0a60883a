"""Chooses the new objects of a listing, for a run that takes these only (`onlyNew`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import Conflict
from contracts.ledger_items import NewObjectsItem
from contracts.manifest import ManifestEntry, ManifestSummary
from contracts.run_request import RunRequest
from contracts.source.only_new import NewObjects
from ledger.table import Ledger
from runtime import clients
from sources.stored_objects.files import StoredFiles
from sources.stored_objects.hold import take
from sources.stored_objects.records import OBJECT_BYTES, object_digest, unpacked, version_bytes

TAKEN_ELSEWHERE: Final = "takes the new objects of"  # in reasons of runs that are skipped


@dataclass(frozen=True)
class Chosen:
    """The objects that a run takes.

    Attributes:
        already_stored: how many others were left out; None: the run takes all, new or not.
    """

    entries: Sequence[ManifestEntry]
    already_stored: int | None = None


def choose_new(
    request: RunRequest,
    entries: Sequence[ManifestEntry],
    snapshot: DatasetSnapshot,
    data_bucket: str,
    ledger: Ledger,
    now: datetime,
    run_attempt: int,
) -> Chosen | str:
    """Of the objects those that the request takes; or why the run is not to take place.

    Raises:
        NotFound, InvalidData: files of stored objects are missing or broken.
        Conflict: who takes them changed just now.
        OwnershipLost: a later attempt of the run takes them.
    """
    if request.only_new is None:
        return Chosen(entries)
    other = take(ledger, request.scope, request.run_id, run_attempt, now)
    if other is not None:
        return f"{_beside(request, other)}; what it does not store is new to the next run"
    files = StoredFiles.of(clients.client("s3"), data_bucket, request.scope)
    new = new_objects(entries, files.records(), request.only_new, snapshot.version)
    return Chosen(new, already_stored=len(entries) - len(new))


def refuse_beside_another(
    request: RunRequest, ledger: Ledger, now: datetime, run_attempt: int
) -> None:
    """Raise while another run takes new objects, for an attempt whose manifest is frozen.

    Its run has failed and begins anew, and has objects left that the other may have taken, too. It
    is not skipped, as they would be lost if the other does not store them.

    Raises:
        Conflict: the attempt fails, and the run's message comes again.
    """
    other = None
    if request.only_new is not None:
        other = take(ledger, request.scope, request.run_id, run_attempt, now)
    if other is not None:
        raise Conflict(f"{_beside(request, other)}; this run goes on when that has ended")


def skipped_summary(data_bucket: str, run_id: str, why: str) -> ManifestSummary:
    """The response for a run that is not to take place; nothing is frozen."""
    return ManifestSummary(
        manifest_url=layout.s3_url(data_bucket, layout.manifest_summary_key(run_id)),
        objects=0,
        total_bytes=0,
        shard_sizes=(),
        pending=(),
        skipped=why,
    )


def new_objects(
    entries: Sequence[ManifestEntry], stored: Iterable[bytes], asked: NewObjects, version: str
) -> list[ManifestEntry]:
    """Those of the objects that no unit has stored yet, in their order.

    In memory are the digests of the listing (about 0.1 KB for each object of it), never the files,
    whatever the dataset has stored in all.

    Args:
        stored: the files of stored objects, in chunks of whole records.
        version: of the contract that the run reads.
    """
    digests = [object_digest(entry.url, entry.etag) for entry in entries]
    wanted = frozenset(digests)
    own = version_bytes(version)
    known: set[bytes] = set()
    for chunk in stored:
        for record in unpacked(chunk):
            digest = record[:OBJECT_BYTES]
            if digest in wanted and (not asked.per_version or record[OBJECT_BYTES:] == own):
                known.add(digest)
    return [entry for entry, digest in zip(entries, digests, strict=True) if digest not in known]


def _beside(request: RunRequest, other: NewObjectsItem) -> str:
    under = "" if request.collection == request.dataset_name else f", index {request.collection}"
    under += ", with this query" if request.query else ""
    return (
        f"run {other.taken_by} {TAKEN_ELSEWHERE} {request.dataset_name}{under}, since"
        f" {other.taken_at}"
    )
