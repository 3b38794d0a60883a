"""The rows of a Parquet file with values that cannot be read, as validate reports them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import duckdb

from reading_rules.json.records import parted_fault
from reading_rules.malformed import VALUE_CHARACTERS
from reading_rules.parquet.select import ROW_FAULT
from reading_rules.sql import text_column


def write_faulty(
    connection: duckdb.DuckDBPyConnection, path: str, relation: str, names: Sequence[str], url: str
) -> int:
    """Write them with their texts; returns how many.

    Args:
        relation: SQL for the file's rows, in order.
        names: of the contract's columns.
        url: how the rejects name the object.
    """
    texts = ", ".join(map(text_column, names))
    rows = connection.cursor().execute(
        f"SELECT number, {ROW_FAULT}, {texts} FROM (SELECT *, row_number() OVER () AS number"
        f" FROM {relation}) WHERE {ROW_FAULT} IS NOT NULL"
    )
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        while True:
            batch = rows.fetchmany(1000)
            if not batch:
                return count
            for number, fault, *values in batch:
                column, reason = parted_fault(fault)
                row = dict(zip(names, values))
                reject = {
                    **{"source": url, "line": number, "rule": "malformed", "column": column},
                    "value": (row[column] or "")[:VALUE_CHARACTERS],
                    "reason": reason,
                    "raw": json.dumps(row, ensure_ascii=False),
                }
                file.write(json.dumps(reject, ensure_ascii=False) + "\n")
            count += len(batch)
