"""Chooses the new objects of a listing, for a run that takes these only (`onlyNew`)."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import Conflict
from contracts.ledger_items import NewObjectsItem
from contracts.manifest import ManifestSummary
from contracts.run_request import RunRequest
from contracts.source.only_new import NewObjects
from ledger.table import Ledger
from runtime import clients
from sources.objects.columns import Objects
from sources.stored_objects.files import StoredFiles
from sources.stored_objects.hold import take
from sources.stored_objects.records import OBJECT_BYTES, object_digest, unpacked, version_bytes

TAKEN_ELSEWHERE: Final = "takes the new objects of"  # in reasons of runs that are skipped


@dataclass
class Chosen:
    """The objects that a run takes.

    Attributes:
        objects: read once.
        already_stored: how many others were left out, once the objects have been read; None: the
            run takes all, new or not.
    """

    objects: Iterable[Objects]
    already_stored: int | None = None


def choose_new(
    request: RunRequest,
    objects: Iterable[Objects],
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
        return Chosen(objects)
    listed = _Spooled(objects)  # all of them, before the files of stored objects are read
    other = take(ledger, request.scope, request.run_id, run_attempt, now)
    if other is not None:
        return f"{_beside(request, other)}; what it does not store is new to the next run"
    files = StoredFiles.of(clients.client("s3"), data_bucket, request.scope)
    new = new_objects(listed, files.records(), request.only_new, snapshot.version)
    chosen = Chosen((), already_stored=0)
    chosen.objects = _counting(listed, new, chosen)
    return chosen


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


class _Spooled:
    """Objects on disk, which are read as often as they are wanted."""

    def __init__(self, objects: Iterable[Objects]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when this object goes
        weakref.finalize(self, self._file.close)
        for some in objects:
            pickle.dump(some, self._file)

    def __iter__(self) -> Iterator[Objects]:
        self._file.seek(0)
        while True:
            try:
                some: Objects = pickle.load(self._file)  # noqa: S301 - written above
            except EOFError:
                return
            yield some


def _digests(objects: Objects) -> list[bytes]:
    url = f"s3://{objects.bucket}/"
    pairs = zip(objects.keys, objects.etags, strict=True)
    return [object_digest(url + key, etag) for key, etag in pairs]


def _counting(
    objects: Iterable[Objects], new: frozenset[bytes] | set[bytes], chosen: Chosen
) -> Iterator[Objects]:
    """Those whose digest is among the new ones; the others are counted."""
    for some in objects:
        wanted = [digest in new for digest in _digests(some)]
        chosen.already_stored = (chosen.already_stored or 0) + wanted.count(False)
        yield some.only(wanted)


def new_objects(
    objects: Iterable[Objects], stored: Iterable[bytes], asked: NewObjects, version: str
) -> set[bytes]:
    """Digests of those of the objects that no unit has stored yet.

    In memory are the digests of the listing (about 0.1 KB for each object of it), never the files,
    whatever the dataset has stored in all.

    Args:
        stored: the files of stored objects, in chunks of whole records.
        version: of the contract that the run reads.
    """
    new = {digest for some in objects for digest in _digests(some)}
    own = version_bytes(version)
    for chunk in stored:
        for record in unpacked(chunk):
            if not asked.per_version or record[OBJECT_BYTES:] == own:
                new.discard(record[:OBJECT_BYTES])
    return new


def _beside(request: RunRequest, other: NewObjectsItem) -> str:
    under = "" if request.collection == request.dataset_name else f", index {request.collection}"
    under += ", with this query" if request.query else ""
    return (
        f"run {other.taken_by} {TAKEN_ELSEWHERE} {request.dataset_name}{under}, since"
        f" {other.taken_at}"
    )
