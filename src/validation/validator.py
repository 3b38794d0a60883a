"""Splits a unit's rows into valid ones (typed, Parquet) and rejected ones (with reasons).

Nothing is dropped: what the job or this step cannot take lies in the quarantine, and the counts of
the two must agree with the rows that were read. What rules of severity `warn` say is counted, too.
"""

from __future__ import annotations

from contextlib import closing

from contracts.messages import Validate, Validated
from sources import frozen
from tabular import workspace
from tabular.capacity import Capacity
from tabular.workspace import Workspace
from validation import job_output
from validation.row_classes import Split
from validation.unit_input import UnitInput, open_input, refuse_too_large
from validation.unit_outputs import write_outputs
from validation.unit_split import UnitRows, split_parquet, split_text


def validate_unit(message: Validate, data_bucket: str, capacity: Capacity) -> Validated:
    """Check every row of a unit against the contract.

    Raises:
        InvalidData: the object is unreadable, too large or not what the job reported; too many rows
            are rejected; a rule of severity `fail` is broken.
    """
    snapshot = frozen.read_snapshot(data_bucket, message.run_id)
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    refuse_too_large(entry, snapshot.dataset, capacity.disk)
    with workspace.workspace(capacity.memory) as space:
        found = open_input(space, message, entry, snapshot.dataset, capacity.disk)
        split = Split(found.dataset, None if message.input_url else snapshot.query)
        rows = _split(space, found, split, workspace.processors(capacity.memory))
        if found.job and message.input_url:
            job_output.hold_against_report(
                found.job, message.input_url, rows.records, rows.malformed
            )
            job_output.refuse_lost_items(found.job.report, message.input_url, entry.items)
        return write_outputs(space, message, data_bucket, snapshot, entry, found, rows)


def _split(space: Workspace, found: UnitInput, split: Split, processors: int) -> UnitRows:
    if found.text is None:
        return split_parquet(space, found.files, split, found.url, processors)
    with closing(found.text) as text:
        return split_text(space, text, split, found.url, processors)
