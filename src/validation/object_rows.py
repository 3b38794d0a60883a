"""Reads, splits and checks the rows of one object, whether its unit holds others or not."""

from __future__ import annotations

from contextlib import closing

from contracts.dataset import DatasetSnapshot
from contracts.manifest import ManifestEntry
from contracts.messages import Validate
from tabular import workspace
from tabular.capacity import Capacity
from tabular.workspace import Workspace
from validation import job_output
from validation.row_classes import RowClassifier
from validation.unit_input import UnitInput, open_input, refuse_too_large, texts_given
from validation.unit_outputs import Judged, judge
from validation.unit_split import SplitResult, split_parquet, split_text


def judge_object(
    space: Workspace,
    message: Validate,
    data_bucket: str,
    capacity: Capacity,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry,
) -> Judged:
    """Split an object's rows by the contract, and check it as a whole; its files are in `space`.

    Raises:
        InvalidData: it is unreadable, too large or not what the job reported.
        NotFound: it is gone.
    """
    refuse_too_large(entry, snapshot.dataset, capacity.disk)
    found = open_input(space, message, entry, snapshot.dataset, capacity.disk)
    query = None if message.input_url else snapshot.query
    classifier = RowClassifier(found.dataset, query, texts_given(snapshot, entry, data_bucket))
    rows = _split(space, found, classifier, workspace.processors(capacity.memory))
    if found.job and message.input_url:
        job_output.reconcile_with_report(found.job, message.input_url, rows.records, rows.malformed)
        job_output.refuse_lost_items(found.job.report, message.input_url, entry.items)
    return judge(space, snapshot, entry, found, rows)


def _split(
    space: Workspace, found: UnitInput, classifier: RowClassifier, processors: int
) -> SplitResult:
    if found.text is None:
        return split_parquet(space, found.files, classifier, found.url, processors)
    with closing(found.text) as text, closing(found.lines) as lines:
        return split_text(space, text, classifier, found.url, processors, lines=lines)
