"""Splits a unit's rows into valid ones (typed, Parquet) and rejected ones (with reasons).

No row is dropped: those that the job or this step cannot take go to the quarantine, and the counts
must agree with the rows that were read. Rows that break a rule of severity `warn` are counted, too.
"""

from __future__ import annotations

from contracts.errors import InvalidData
from contracts.messages import Validate, Validated
from reading_rules.no_data import advice_for
from sources import frozen
from tabular import workspace
from tabular.capacity import Capacity
from validation.group import validate_group
from validation.job_output import Written
from validation.object_rows import judge_object
from validation.unit_outputs import write_outputs


def validate_unit(message: Validate, data_bucket: str, capacity: Capacity) -> Validated:
    """Check every row of a unit against the contract.

    Raises:
        InvalidData: the object is unreadable, too large or not what the job reported; too many rows
            are rejected; a rule of severity `fail` is broken. Of a unit that holds several objects:
            this is so of all, or of one where the contract says `badObject: fail`.
    """
    snapshot = frozen.read_snapshot(data_bucket, message.run_id)
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    if entry.objects is not None:
        return validate_group(message, data_bucket, capacity, snapshot, entry)
    try:
        with workspace.workspace(capacity.memory) as space:
            written = Written(message.input_url) if message.input_url else None
            judged = judge_object(space, written, data_bucket, capacity, snapshot, entry)
            return write_outputs(message, data_bucket, snapshot, judged)
    except InvalidData as error:
        advice = advice_for(entry.key)
        if not advice:
            raise
        raise InvalidData(f"{error}{advice}") from error
