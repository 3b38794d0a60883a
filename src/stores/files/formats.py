"""How rows are written as CSV, JSON lines or Parquet (targets.files), so that they read back alike.

csv: RFC 4180, UTF-8, lines end with a line feed. No value is an empty field, an empty text is `""`.
A file of one column has `""` for both: readers pass over empty lines.
jsonl: one object a line. Decimals are numbers with all their digits; a double that is no number
(NaN, Infinity), which JSON lacks, is a text.
parquet: the contract's types.

In csv and jsonl timestamps are ISO 8601 in UTC (`2026-03-30T12:00:00Z`), which every one has: the
transform makes no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.dataset import FilesTarget
from tabular.sql import sql_identifier, sql_literal

_PARQUET: Final = {"none": "uncompressed"}  # what DuckDB calls it


@dataclass(frozen=True)
class FileFormat:
    """What a target makes of rows.

    Attributes:
        columns: name and contract type of the columns that files hold.
    """

    target: FilesTarget
    columns: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, target: FilesTarget, output_columns: Sequence[tuple[str, str]]) -> FileFormat:
        """Of a transform's result; the columns that keys name are left out."""
        return cls(target, tuple(c for c in output_columns if c[0] not in target.partition_by))

    @property
    def select(self) -> str:
        """SQL of the columns, as the format has them."""
        return ", ".join(
            f"{self._written(sql_identifier(name), kind)} AS {sql_identifier(name)}"
            for name, kind in self.columns
        )

    @property
    def options(self) -> str:
        """Of DuckDB's COPY."""
        target = self.target
        compression = target.effective_compression
        if target.format == "parquet":
            return f"(FORMAT parquet, COMPRESSION {_PARQUET.get(compression, compression)})"
        if target.format == "jsonl":
            return f"(FORMAT json, COMPRESSION {compression})"
        header = "false" if target.header is False else "true"
        return (
            f"(FORMAT csv, HEADER {header}, DELIMITER {sql_literal(target.delimiter or ',')},"
            f" QUOTE '\"', ESCAPE '\"', NULLSTR '', COMPRESSION {compression})"
        )

    def _written(self, column: str, kind: str) -> str:
        form = self.target.format
        if form != "parquet" and kind == "timestamp":
            column = _timestamp(column)
        if form == "jsonl" and kind == "double":
            return (
                f"CASE WHEN isfinite({column}) THEN to_json({column}) ELSE {_no_number(column)} END"
            )
        if form == "csv" and len(self.columns) == 1:
            return f"coalesce(CAST({column} AS VARCHAR), '')"
        return column


def _timestamp(column: str) -> str:
    return f"replace(CAST({column} AS VARCHAR), ' ', 'T') || 'Z'"


def _no_number(column: str) -> str:
    """JSON's text for a double that is no number; NULL stays NULL."""
    return (
        f"to_json(CASE WHEN isnan({column}) THEN 'NaN'"
        f" WHEN {column} > 0 THEN 'Infinity' WHEN {column} < 0 THEN '-Infinity' END)"
    )
