"""Reads, splits and checks the rows of one object, whether its unit holds others or not."""

from __future__ import annotations

from contextlib import closing

from contracts.dataset import DatasetSnapshot
from contracts.manifest import ManifestEntry
from tabular import workspace
from tabular.capacity import Capacity
from tabular.workspace import Workspace
from validation import job_output
from validation.job_output import Written
from validation.row_classes import RowClassifier
from validation.unit_input import UnitInput, open_input, refuse_too_large, texts_given
from validation.unit_outputs import Judged, judge
from validation.unit_split import SplitResult, split_parquet, split_text


def judge_object(
    space: Workspace,
    written: Written | None,
    data_bucket: str,
    capacity: Capacity,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry,
) -> Judged:
    """Split an object's rows by the contract, and check it as a whole; its files are in `space`.

    Args:
        written: what the unit's last job wrote of the object; absent: there is no job.

    Raises:
        InvalidData: it is unreadable, too large or not what the job reported.
        NotFound: it is gone.
    """
    refuse_too_large(entry, snapshot.dataset, capacity.disk)
    found = open_input(space, written, entry, snapshot.dataset, capacity.disk)
    query = None if written else snapshot.query
    classifier = RowClassifier(found.dataset, query, texts_given(snapshot, entry, data_bucket))
    rows = _split(space, found, classifier, workspace.processors(capacity.memory))
    if found.job and written:
        job_output.reconcile_with_report(found.job, written.url, rows.records, rows.malformed)
        job_output.refuse_lost_items(found.job.report, written.url, entry.items)
    return judge(space, snapshot, entry, found, rows)


def _split(
    space: Workspace, found: UnitInput, classifier: RowClassifier, processors: int
) -> SplitResult:
    if found.text is None:
        return split_parquet(space, found.files, classifier, found.url, processors)
    with closing(found.text) as text, closing(found.lines) as lines:
        return split_text(space, text, classifier, found.url, processors, lines=lines)
