"""Reads the warehouse's load errors, and how long the texts of a table may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.dataset import DatasetSnapshot
from contracts.errors import PipelineError
from runtime.handler import logger
from stores.redshift.client import WarehouseClient
from stores.redshift.sql import LONGEST_TEXT, literal, table_name

FINDINGS: Final = 3  # that are shown


@dataclass(frozen=True)
class LoadError:
    """A load error, as the warehouse records it. `row` counts from 1, where it is known."""

    file: str
    row: int | None
    column: str
    message: str


def ask_warehouse(
    client: WarehouseClient, snapshot: DatasetSnapshot, prefix: str
) -> tuple[list[LoadError], dict[str, int]]:
    """Load errors of the unit's files, and how many bytes the target's texts may have.

    A warehouse that does not respond leaves the files to be looked at.
    """
    lengths = {name: LONGEST_TEXT for name, kind in snapshot.output_columns if kind == "string"}
    try:
        return _load_errors(client, prefix), lengths | _text_lengths(client, snapshot)
    except PipelineError as error:
        logger.warning("the warehouse does not explain", extra={"error": repr(error)})
        return [], lengths


def _load_errors(client: WarehouseClient, prefix: str) -> list[LoadError]:
    # The underscore of a run id is no placeholder here: compared by its beginning, without LIKE.
    rows = client.rows(
        "SELECT TRIM(file_name) AS file_name, line_number, TRIM(column_name) AS column_name,"
        " TRIM(error_message) AS error_message FROM sys_load_error_detail"
        f" WHERE LEFT(file_name, {len(prefix)}) = {literal(prefix)}"
        f" ORDER BY start_time DESC LIMIT {FINDINGS}"
    )
    found = []
    for row in rows:
        line = int(row["line_number"] or 0)
        known = line if line > 0 else None  # -1 and 0: of columnar files it is not known
        found.append(
            LoadError(row["file_name"], known, row["column_name"] or "", row["error_message"])
        )
    return list(dict.fromkeys(found))


def _text_lengths(client: WarehouseClient, snapshot: DatasetSnapshot) -> dict[str, int]:
    target = snapshot.dataset.targets.redshift
    if target is None:
        return {}
    schema, _, name = table_name(target.table).partition(".")
    rows = client.rows(
        "SELECT column_name, character_maximum_length AS most FROM svv_columns"
        f" WHERE table_schema = {literal(schema)} AND table_name = {literal(name)}"
    )
    return {row["column_name"]: int(row["most"]) for row in rows if row["most"] is not None}
