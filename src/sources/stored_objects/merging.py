"""Merges the files of many runs into one, so that there are never many to read.

Several may merge at once: the index is replaced by a conditional write, and who loses it removes
what it has written. Broken off anywhere, the files of runs are still there, or the index names the
merged one; the next merge removes what is left over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from contracts.errors import Conflict, NotFound
from sources.stored_objects.files import BrokenIndex, Found, Index, MergedFile, StoredFiles
from sources.stored_objects.records import RECORD_BYTES, merged

MERGE_AT: Final = 32  # files of runs
AT_ONCE_BYTES: Final = 64 * 1024 * 1024  # of files that are merged, and so in memory
FULL_RECORDS: Final = 1_000_000  # 22 MB; a merged file with as many is merged no more
_DIGEST: Final = 32
_TRIES: Final = 5


def merge_runs(files: StoredFiles, merge_at: int = MERGE_AT) -> int:
    """Merge files of runs, if there are so many; returns how many.

    Raises:
        InvalidData, NotFound: a file is broken or missing; says how to make all anew.
    """
    runs = files.runs()
    if len(runs) < merge_at:
        return 0
    leftovers = [found.key for found in files.merged()]  # before the index, see `_replace`
    index, etag = files.index()
    if etag is None:
        files.replace_index(index, None)  # whoever is first
        index, etag = files.index()
    chosen = _as_many_as_fit(runs)
    open_files = [file for file in index.merged if file.records < FULL_RECORDS]
    contents = [files.read(key) for key in (*chosen, *(file.key for file in open_files))]
    full = [file for file in index.merged if file not in open_files]
    written = _write(files, contents, [*chosen, *(file.key for file in open_files), str(etag)])
    if not _replace(files, Index(merged=(*full, *written)), etag, leftovers):
        return 0
    for key in chosen:
        files.remove(key)
    return len(chosen)


def leave_out_unreadable(files: StoredFiles) -> list[str]:
    """Take what is broken or missing out of the files that count; returns its keys.

    For a rebuild, which writes the files of all runs anew. Where the index is broken or missing,
    every merged file that can be read counts: all of them hold what was stored.

    Raises:
        Conflict: others keep merging meanwhile; call it again.
    """
    for _ in range(_TRIES):
        broken = [found.key for found in files.runs() if found.size % RECORD_BYTES]
        for key in broken:
            files.remove(key)
        sizes = {found.key: found.size for found in files.merged()}
        lost = False
        try:
            index, etag = files.index()
        except (BrokenIndex, NotFound) as error:
            index = Index(merged=tuple(MergedFile(key=key, records=0) for key in sizes))
            etag = error.etag if isinstance(error, BrokenIndex) else None
            lost = True
        good = tuple(
            MergedFile(key=file.key, records=sizes[file.key] // RECORD_BYTES)
            for file in index.merged
            if file.key in sizes and not sizes[file.key] % RECORD_BYTES
        )
        broken += sorted(index.keys - {file.key for file in good})
        if good == index.merged and not lost:
            return broken
        if files.replace_index(Index(merged=good), etag):
            return broken
    raise Conflict(f"the files below {files.prefix} change again and again")


def _as_many_as_fit(runs: Sequence[Found]) -> list[str]:
    chosen: list[str] = []
    left = AT_ONCE_BYTES
    for found in runs:
        left -= found.size
        if left < 0 and len(chosen) > 1:
            break
        chosen.append(found.key)
    return chosen


def _write(files: StoredFiles, contents: Iterable[bytes], of: Sequence[str]) -> list[MergedFile]:
    """The merged files, named by what they are made of."""
    digest = hashlib.sha256("\n".join(of).encode()).hexdigest()[:_DIGEST]
    written: list[MergedFile] = []
    records = merged(contents)
    while content := b"".join(islice(records, FULL_RECORDS)):
        key = f"{files.prefix}merged/{digest}-{len(written):03d}"
        files.write(key, content)
        written.append(MergedFile(key=key, records=len(content) // RECORD_BYTES))
    return written


def _replace(files: StoredFiles, index: Index, etag: str | None, leftovers: Iterable[str]) -> bool:
    """Make an index count, then remove the merged files that none names any more.

    Args:
        leftovers: merged files that were there before the index was read. Whoever wrote them
            without having replaced it can no longer do so, as it has changed.
    """
    if files.replace_index(index, etag):
        for key in sorted(set(leftovers) - index.keys):
            files.remove(key)
        return True
    now = files.index()[0].keys  # another has merged; or our own first try did, unnoticed
    for key in sorted(index.keys - now - set(leftovers)):
        files.remove(key)
    return False
