"""Messages about the files that a run publishes in the output bucket."""

from __future__ import annotations

from contracts.base import Contract
from contracts.output.files import FilesTotals
from contracts.run import ItemTotals
from contracts.run_request import RunRequest
from contracts.source.object_totals import ObjectTotals


class PublishProgress(Contract):
    """How far publish_files has come; what it goes on from when it is called again.

    Attributes:
        run: whose manifest is in the making; absent: none is.
        etag: of the run's manifest when its units began to be read; absent: there was none.
        after: the last unit that was read; absent: none yet.
        pages: how many pages of lines were written.
        files, rows, bytes, stored, failed, items, objects: what was counted so far.
        restarts: how often the manifest had changed meanwhile.
        written: the run's own manifest is there; older files are to be removed.
        folder: the last partition whose older files were removed.
        removed: how many files were.
    """

    run: str | None = None
    etag: str | None = None
    after: str | None = None
    pages: int = 0
    files: int = 0
    rows: int = 0
    bytes: int = 0
    stored: int = 0
    failed: int = 0
    not_started: int = 0
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    restarts: int = 0
    written: bool = False
    folder: str | None = None
    removed: int = 0


class PublishFiles(Contract):
    """publish_files: write the run's output manifest, then remove what it replaces.

    Returns PublishedFiles.
    """

    request: RunRequest
    run_attempt: int
    execution_arn: str
    progress: PublishProgress = PublishProgress()


class PublishedFiles(Contract):
    """Response of publish_files.

    Attributes:
        totals: of the run's manifest; of a run without units, of the one that it retries.
        progress: the function's time was nearly up: call again with this; absent: all is done.
    """

    totals: FilesTotals | None = None
    progress: PublishProgress | None = None
