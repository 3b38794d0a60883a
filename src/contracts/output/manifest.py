"""What a run has published as files in the output bucket, and which files count (docs/stores.md).

`<prefix>/_runs/<run id>.json` names the files of one run. Several of them count at once, so readers
take `current_files` of all of them together.

* A **range** is what a run was asked for. Runs over equal ranges replace each other.
* A **generation** is one reading of a range: a run, the runs that retried it, and those over its
  corrected rows. Its text sorts by the start of the first of them.
* A generation is **complete** once one of its manifests is: no more units failed than were
  tolerated. Only a complete one replaces another.
* A run that took new objects only **adds** to what counts of its range: it replaces nothing, and
  counts until a complete generation that began later has read the range anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from contracts.base import Contract, canonical_json
from contracts.output.files import FileRecord, partition_path
from contracts.run import UnitTotals
from contracts.run_request import RunRequest

_ASKED: Final = ("startDateTime", "endDateTime", "inputUrl", "query")


class PublishedFile(FileRecord):
    """One file of a run.

    Attributes:
        source: the S3 object (or the batch of items) that its rows come from.
    """

    unit_id: str
    source: str


class OutputManifest(Contract):
    """The files of one run; written last, and again when the run or what is known of it changes.

    Attributes:
        index: the collection that the results are stored under.
        started_at: of the run, as its versions have it.
        version: start and id of the run; sorts by the start.
        generation: `version` of the run that this one adds to, or its own.
        adds_to: the first run of the generation; absent: this one.
        range: the same for runs that replace each other (`range_id`).
        asked: the run's request.
        complete: it has stored what was asked for, so its generation replaces older ones.
        adds: its generation began with a run that took new objects only (`onlyNew`).
        replace: of the contract's target.
        units: of the run, by outcome; only those that are stored have files here.
        file_count, rows, bytes: of all files together.
        partitions: each that the files are in, once.
        supersedes: runs over the same range, of older generations, that were published before.
        superseded_by: a run of a newer, complete generation that was published before.
        files: in the order of their units.
    """

    run_id: str
    dataset_name: str
    dataset_version: str
    index: str
    run_attempt: int
    started_at: str
    version: str
    generation: str
    adds_to: str | None = None
    range: str
    asked: dict[str, Any] = {}
    complete: bool
    adds: bool = False
    replace: str = "none"
    units: UnitTotals
    file_count: int
    rows: int
    bytes: int
    partitions: tuple[dict[str, str | None], ...] = ()
    supersedes: tuple[str, ...] = ()
    superseded_by: str | None = None
    files: tuple[PublishedFile, ...] = ()


def range_id(bucket: str, prefix: str, request: RunRequest) -> str:
    """What runs have in common that replace each other, as a short digest.

    Dataset, place, index, query, and the range or object as it was asked for: two runs without
    endDateTime ask for the same, and the later one reads all that the earlier one did.
    """
    asked = {name: value for name, value in request.to_json().items() if name in _ASKED}
    what = [bucket, prefix, request.dataset_name, request.collection, asked]
    return sha256(canonical_json(what).encode()).hexdigest()[:16]


def current_files(manifests: Iterable[OutputManifest]) -> list[PublishedFile]:
    """The files that count, of all manifests below one prefix; no row is in two of them.

    1. Of each range, the newest complete generation counts; where none is complete, the newest; and
       with it those that add to the range and are newer than the newest complete one.
    2. Of one range, a source counts in the newest of these runs that name it.
    3. With `replace: partition`, a partition counts as the newest complete generation of the same
       dataset and index has written it: neither older files (which may be gone) nor those of a
       newer generation that is not complete.
    """
    found = list(manifests)
    complete = {manifest.generation for manifest in found if manifest.complete}
    chosen = _chosen(found, complete)
    counting = [each for each in found if _counts(each, chosen.get(each.range, ""), complete)]
    newest: dict[tuple[str, str], str] = {}
    for manifest in counting:
        for source in {file.source for file in manifest.files}:
            key = (manifest.range, source)
            newest[key] = max(newest.get(key, ""), manifest.version)
    replaced = _replaced(found, complete)
    return [
        file
        for manifest in counting
        for file in manifest.files
        if newest[manifest.range, file.source] == manifest.version
        and _stands(manifest, replaced.get(_place(manifest, file.partition)), complete)
    ]


def _stands(manifest: OutputManifest, replaced_by: str | None, complete: set[str]) -> bool:
    """Whether a file stands beside what replaced its partition, if anything did."""
    if replaced_by is None or manifest.generation == replaced_by:
        return True
    newer = manifest.generation > replaced_by
    return newer and (manifest.replace != "partition" or manifest.generation in complete)


def _counts(manifest: OutputManifest, chosen: str, complete: set[str]) -> bool:
    if manifest.adds:
        return chosen not in complete or manifest.generation > chosen
    return manifest.generation == chosen


def _chosen(manifests: Sequence[OutputManifest], complete: set[str]) -> dict[str, str]:
    """The generation of each range that replaces the others."""
    chosen: dict[str, str] = {}
    for manifest in manifests:
        if manifest.adds:
            continue
        known = chosen.get(manifest.range, "")
        rank = (manifest.generation in complete, manifest.generation)
        if rank > (known in complete, known):
            chosen[manifest.range] = manifest.generation
    return chosen


def _replaced(
    manifests: Sequence[OutputManifest], complete: set[str]
) -> dict[tuple[str, str, str], str]:
    """The newest generation that replaced each partition.

    Superseded ones too: what they replaced stays replaced, as its files may be gone.
    """
    replaced: dict[tuple[str, str, str], str] = {}
    for manifest in manifests:
        if manifest.replace == "partition" and manifest.generation in complete:
            for partition in manifest.partitions:
                place = _place(manifest, partition)
                replaced[place] = max(replaced.get(place, ""), manifest.generation)
    return replaced


def _place(manifest: OutputManifest, partition: dict[str, str | None]) -> tuple[str, str, str]:
    return manifest.dataset_name, manifest.index, partition_path(partition)
