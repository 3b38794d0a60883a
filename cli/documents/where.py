"""`pipeline where`."""

from __future__ import annotations

from typing import Any

from cli.client.origin import ObjectState, Origin
from cli.documents.base import Document


class WhereDocument(Document):
    """`pipeline where --json`: where a stored row comes from.

    Attributes:
        key: `pk` of its item in the result table.
        job_id: of the last job that worked on its object; null: none did.
        source_url: of its object; null: the run's list of objects has expired.
        object_state: SAME as the run read it; CHANGED since; GONE; UNKNOWN: cannot be compared.
        lines: lines of the object with this key, from 1; of Parquet rows, of arrays items.
        note: why there are none, or what they number.
        run_expired: the ledger holds nothing of its run any more.
        results_url: of that run's results document; null unless the run has expired, or where the
            document is gone, too.
        attributes: the item as it is stored.
    """

    key: str
    run_id: str
    unit_id: str
    job_id: str | None = None
    execution_arn: str | None = None
    processed_at: str | None = None
    stored_at: str | None = None
    source_url: str | None = None
    object_state: ObjectState
    lines: tuple[int, ...] = ()
    note: str | None = None
    run_expired: bool = False
    results_url: str | None = None
    attributes: dict[str, Any]


def where_document(origin: Origin) -> WhereDocument:
    """The document of what was found."""
    item = origin.item
    return WhereDocument(
        key=origin.key,
        run_id=item["run_id"],
        unit_id=item["unit_id"],
        job_id=item.get("job_id"),
        execution_arn=item.get("execution_id"),
        processed_at=item.get("processed_at"),
        stored_at=item.get("stored_at"),
        source_url=origin.url,
        object_state=origin.state,
        lines=origin.lines.numbers,
        note=origin.lines.note,
        run_expired=origin.run_expired,
        results_url=origin.results_url,
        attributes=item,
    )
