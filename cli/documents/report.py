"""The report of a run that was followed: `pipeline demo --json`, and `report` of the documents of
commands that follow a run (`--wait`, `--follow`)."""

from __future__ import annotations

from typing import Any

from cli.documents.base import Document
from cli.documents.history import HistoryDocument
from cli.documents.ledger import RunDocument, UnitDocument
from cli.documents.rejected import RejectedRow
from contracts.run import RowCounts


class StoredItem(Document):
    """An item of the result table.

    Attributes:
        attributes: by the names of the dataset's own columns, and `pk`, the key.
    """

    attributes: dict[str, Any]


class RejectedRows(Document):
    """Where rejected rows lie.

    Attributes:
        urls: the quarantine objects.
        examples: rows, each rejected by another rule as far as there are.
    """

    urls: tuple[str, ...] = ()
    examples: tuple[RejectedRow, ...] = ()


class WarehouseQuery(Document):
    """What the warehouse returned.

    Attributes:
        sql: the query, with the parameter `:run_id`.
        failure: why there is no result.
        columns: names of the columns, in the order of each row's values.
    """

    sql: str
    failure: str | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()


class ReportDocument(Document):
    """A run as it stood when following it ended, and what it left behind.

    Attributes:
        status: of the run; REFUSED: its message was refused; UNKNOWN: there is no run (yet).
        exit_code: of the command.
        run: null where there is none.
        rows: of the stored units, added up here.
        adds_up: every stored unit's rows add up, and the units' to the run's.
        execution: the history of the durable execution that holds the run.
        stored_items: some items of the result table that the run stored.
        warehouse: the run's own row, and its rows per unit; empty without a warehouse.
        commands: AWS CLI commands with which to look further.
    """

    run_id: str
    status: str
    reason: str | None = None
    exit_code: int
    run: RunDocument | None = None
    units: tuple[UnitDocument, ...]
    rows: RowCounts
    adds_up: bool
    execution: HistoryDocument | None = None
    stored_items: tuple[StoredItem, ...] = ()
    rejected: RejectedRows
    warehouse: tuple[WarehouseQuery, ...] = ()
    commands: tuple[str, ...] = ()
