"""Where an item of the result table comes from: object, execution, and two instants.

`source_key`: the object's key; of a JSON array's items, the array's. `execution_id`: ARN of the
durable execution that held the run. `processed_at`: when transform wrote the unit's rows.
`stored_at`: when the item was put; a repeat of the same attempt puts nothing, so it stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.manifest import ManifestEntry
from contracts.messages import StoreDynamodb, Transform
from ledger.runs import find_run
from ledger.table import Ledger
from sources import frozen
from tabular.parts import Part

Message = TypeVar("Message", Transform, StoreDynamodb)
STORED_AT: Final = "stored_at"
SOME_TIME: Final = datetime.min.replace(tzinfo=UTC)  # any has as many characters


@dataclass(frozen=True)
class Provenance:
    """What all items of a unit have in common.

    Attributes:
        execution_id: absent where it is no longer known.
    """

    source_key: str
    execution_id: str | None = None
    processed_at: datetime = SOME_TIME

    def attributes(self, columns: Collection[str]) -> dict[str, str]:
        """By name, without those that the row's own columns have."""
        found = {
            "source_key": self.source_key,
            "execution_id": self.execution_id,
            "processed_at": instant(self.processed_at),
        }
        return {name: value for name, value in found.items() if value and name not in columns}

    def processed_as(self, parts: Sequence[Part]) -> Provenance:
        """The same, of rows that lie in these files."""
        written = [part.last_modified for part in parts if part.last_modified is not None]
        return replace(self, processed_at=max(written)) if written else self


def provenance_of(
    message: Message,
    bucket: str,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry | None = None,
) -> Provenance | None:
    """Of the items of the message's unit; None where the contract does not want it.

    Args:
        bucket: the data bucket.
        entry: the object, of a unit that holds several.
    """
    target = snapshot.dataset.targets.dynamodb
    if target is None or not target.provenance:
        return None
    entry = entry or frozen.read_unit(bucket, message.run_id, message.unit_id)
    array = snapshot.input_url if entry.items is not None else None
    key = layout.split_s3_url(array)[1] if array else entry.key
    return Provenance(key, message.execution_arn)


def with_execution(message: Message, ledger: Ledger) -> Message:
    """The message with the execution that holds the run.

    Orchestrators of an earlier release do not send it, and their executions go on for long: then it
    is the ledger's, unless another attempt has the run by now.
    """
    if message.execution_arn is not None:
        return message
    run = find_run(ledger, message.run_id)
    attempt = message.run_attempt if isinstance(message, StoreDynamodb) else None
    if run is None or attempt not in (None, run.run_attempt):
        return message
    return message.model_copy(update={"execution_arn": run.holder})


def instant(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, such as `2026-11-01T06:30:00.250Z`: 24 characters."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
