"""Splits a unit's rows into valid ones (typed, Parquet) and rejected ones (with reasons).

No row is dropped: those that the job or this step cannot take go to the quarantine, and the counts
must agree with the rows that were read. Rows that break a rule of severity `warn` are counted, too.
"""

from __future__ import annotations

from contextlib import closing

from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from contracts.messages import Validate, Validated
from reading_rules.no_data import advice_for
from sources import frozen
from tabular import workspace
from tabular.capacity import Capacity
from tabular.workspace import Workspace
from validation import job_output
from validation.row_classes import RowClassifier
from validation.unit_input import UnitInput, open_input, refuse_too_large, texts_given
from validation.unit_outputs import write_outputs
from validation.unit_split import SplitResult, split_parquet, split_text


def validate_unit(message: Validate, data_bucket: str, capacity: Capacity) -> Validated:
    """Check every row of a unit against the contract.

    Raises:
        InvalidData: the object is unreadable, too large or not what the job reported; too many rows
            are rejected; a rule of severity `fail` is broken.
    """
    snapshot = frozen.read_snapshot(data_bucket, message.run_id)
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    try:
        return _validated(message, data_bucket, capacity, snapshot, entry)
    except InvalidData as error:
        advice = advice_for(entry.key)
        if not advice:
            raise
        raise InvalidData(f"{error}{advice}") from error


def _validated(
    message: Validate,
    data_bucket: str,
    capacity: Capacity,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry,
) -> Validated:
    refuse_too_large(entry, snapshot.dataset, capacity.disk)
    with workspace.workspace(capacity.memory) as space:
        found = open_input(space, message, entry, snapshot.dataset, capacity.disk)
        query = None if message.input_url else snapshot.query
        classifier = RowClassifier(found.dataset, query, texts_given(snapshot, entry, data_bucket))
        rows = _split(space, found, classifier, workspace.processors(capacity.memory))
        if found.job and message.input_url:
            job_output.reconcile_with_report(
                found.job, message.input_url, rows.records, rows.malformed
            )
            job_output.refuse_lost_items(found.job.report, message.input_url, entry.items)
        return write_outputs(space, message, data_bucket, snapshot, entry, found, rows)


def _split(
    space: Workspace, found: UnitInput, classifier: RowClassifier, processors: int
) -> SplitResult:
    if found.text is None:
        return split_parquet(space, found.files, classifier, found.url, processors)
    with closing(found.text) as text, closing(found.lines) as lines:
        return split_text(space, text, classifier, found.url, processors, lines=lines)
