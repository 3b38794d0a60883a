"""One unit's load as one transaction: a batch of statements, which cannot branch.

    LOCK        one load after another; the snapshot is taken after it, so a load sees what the
                one before it did
    COPY        the files of a manifest into a temporary table of exactly their columns
    (count)     as many rows as transform has written, or the transaction fails
    INSERT      one row of each key, with run, unit, job and version, into a second one
    DELETE      from there: everything, if the load ledger knows this load; what the target holds
                from a newer run, or from a later unit of this one
    MERGE       what is left into the target, by index and natural key
    DELETE      the ledger's row of an earlier load of this unit, if it was one of other rows
    INSERT      the row of the load ledger, with the counts, unless it is there

So the same batch may be submitted at any time: a repeat finds its ledger row and changes nothing.
When a run is taken over and a job writes other rows than before, their load is another one (by the
digest of its files) and replaces the rows of the first, as DynamoDB's puts do. If the batch of the
first one comes late, it finds a later attempt's row.
The lock is on `pipeline_tables`, so that readers of the target never wait. Tables are made before,
by prepare-warehouse: a transaction that begins with a CREATE TABLE would have its snapshot from
before the lock.

Facts: r_MERGE (the source is a table, each target row matches one row of it at most), r_LOCK,
c_serial_isolation, copy-usage_notes-copy-from-columnar (columns by position, all of them),
loading-data-files-using-manifest (`content_length`) in the Amazon Redshift Developer Guide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts import layout
from contracts.dataset import DatasetSnapshot, RedshiftTarget
from contracts.warehouse_errors import ROWS_MISSING
from stores.redshift.sql import (
    column_type,
    copy,
    identifier,
    identifiers,
    literal,
    quoted_table,
    table_name,
)
from stores.versions import PLACE, PLACE_DIGITS, row_version, version_around_place
from tabular.parts import Part

LOCKED: Final = '"public"."pipeline_tables"'
LOADS: Final = '"public"."pipeline_loads"'
# Who wrote a row, and when: behind the transform's columns in every target table.
TRACE_COLUMNS: Final = (
    ("index", "VARCHAR(63)"),
    ("run_id", "VARCHAR(40)"),
    ("job_id", "VARCHAR(40)"),
    ("unit_id", "VARCHAR(16)"),
    ("version", "VARCHAR(96)"),
    ("loaded_at", "TIMESTAMP"),
)


_PLACE: Final = f'"{PLACE}"'  # as a column of the files' table


@dataclass(frozen=True)
class Load:
    """One unit's load.

    Attributes:
        job_id: the last job that made the rows, if there was one.
        manifest_url: names the Parquet files.
        rows: how many rows they hold; with 0 only the load itself is recorded.
        digest: of the files: a load of others is not a repeat.
        run_attempt: of the run; an earlier one's load comes too late where a later one's was.
        copy_role_arn: empty: the cluster's default role.
        places: of a unit that holds several objects: the files say the place of each row's object
            (`stores.versions.PLACE`), by which the row has its version, and the last one of a key
            is taken.
    """

    snapshot: DatasetSnapshot
    target: RedshiftTarget
    unit_id: str
    job_id: str | None
    manifest_url: str
    rows: int
    digest: str = ""
    run_attempt: int = 1
    copy_role_arn: str = ""
    places: bool = False

    @property
    def id(self) -> str:
        """What the load ledger knows it by."""
        return f"{self.snapshot.run_id}/{self.unit_id}"

    @property
    def version(self) -> str:
        return row_version(self.snapshot, self.unit_id, self.run_attempt)


def copy_manifest(bucket: str, parts: Sequence[Part]) -> dict[str, Any]:
    """The document that COPY reads; of columnar files it needs the length."""
    return {
        "entries": [
            {
                "url": layout.s3_url(bucket, part.key),
                "mandatory": True,
                "meta": {"content_length": part.size},
            }
            for part in parts
        ]
    }


def load_statements(load: Load) -> list[str]:
    """The transaction; the same load always has the same statements."""
    return _Statements(load).all()


class _Statements:
    """Writes a load's statements. `files` and `rows` are its temporary tables."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._columns = load.snapshot.output_columns
        self._name = table_name(load.target.table)
        self._table = quoted_table(self._name)
        unique = hashlib.sha256(load.id.encode()).hexdigest()[:16]
        self._files = identifier(f"load_files_{unique}")
        self._rows = identifier(f"load_rows_{unique}")
        # Of the load ledger's row: this very load was made, or a later attempt's.
        same, later = f'"digest" = {literal(load.digest)}', f'"run_attempt" > {load.run_attempt}'
        of_unit = f'{LOADS} WHERE "load_id" = {literal(load.id)}'
        self._known = f"SELECT 1 FROM {of_unit} AND ({same} OR {later})"
        self._outdated = f"{of_unit} AND ({same} OR {later}) IS NOT TRUE"

    def all(self) -> list[str]:
        files = ", ".join(f"{identifier(name)} {column_type(kind)}" for name, kind in self._columns)
        trace = ", ".join(f"{identifier(name)} {kind}" for name, kind in TRACE_COLUMNS)
        return [
            f"LOCK TABLE {LOCKED}",
            f"CREATE TEMP TABLE {self._files} ({files}{self._place_column()})",
            f"CREATE TEMP TABLE {self._rows} ({files}, {trace})",
            *([self._copy(), self._count()] if self._load.rows else []),
            self._one_row_of_each_key(),
            f"DELETE FROM {self._rows} WHERE EXISTS ({self._known})",
            f"DELETE FROM {self._rows} USING {self._table} WHERE {self._same_key(self._rows)}"
            f' AND {self._table}."version" > {self._rows}."version"',
            self._merge(),
            f"DELETE FROM {self._outdated}",
            self._ledger_row(),
            f"DROP TABLE {self._rows}",
            f"DROP TABLE {self._files}",
        ]

    def _copy(self) -> str:
        how = "FORMAT AS PARQUET MANIFEST"
        return copy(self._files, self._load.manifest_url, self._load.copy_role_arn, how)

    def _count(self) -> str:
        """Fails, with the number in the error, when rows are missing or too many."""
        rows = self._load.rows
        found = "CAST(COUNT(*) AS VARCHAR)"
        return (
            f"SELECT CASE WHEN COUNT(*) = {rows} THEN COUNT(*) ELSE CAST('{ROWS_MISSING}: {rows}"
            f" rows expected, the files hold ' || {found} AS BIGINT) END AS copied"
            f" FROM {self._files}"
        )

    def _one_row_of_each_key(self) -> str:
        names = identifiers([name for name, _ in self._columns])
        key = identifiers(self._load.target.key)
        load = self._load
        order = f"{_PLACE} DESC" if load.places else key
        of_each = f"ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {order})"
        traced = (
            load.snapshot.index,
            load.snapshot.run_id,
            load.job_id,
            load.unit_id,
        )
        values = ", ".join([*map(literal, traced), self._version()])
        trace = identifiers([name for name, _ in TRACE_COLUMNS])
        return (
            f"INSERT INTO {self._rows} ({names}, {trace}) SELECT {names}, {values}, GETDATE()"
            f" FROM (SELECT *, {of_each} AS nth_of_key FROM {self._files}) AS numbered"
            " WHERE nth_of_key = 1"
        )

    def _place_column(self) -> str:
        return f", {_PLACE} BIGINT" if self._load.places else ""

    def _version(self) -> str:
        """SQL of the version of a row of the files."""
        load = self._load
        if not load.places:
            return literal(load.version)
        before, after = version_around_place(load.snapshot, load.unit_id, load.run_attempt)
        place = f"LPAD(CAST({_PLACE} AS VARCHAR), {PLACE_DIGITS}, '0')"
        return f"{literal(before)} || {place} || {literal(after)}"

    def _same_key(self, rows: str) -> str:
        return " AND ".join(
            f"{self._table}.{identifier(key)} = {rows}.{identifier(key)}"
            for key in ("index", *self._load.target.key)
        )

    def _merge(self) -> str:
        names = [name for name, _ in (*self._columns, *TRACE_COLUMNS)]
        key = ("index", *self._load.target.key)
        # A short alias: with many columns, the statement comes near what the Data API takes.
        rows = "s" if self._name.rpartition(".")[2] != "s" else "r"
        changes = ", ".join(
            f"{identifier(name)} = {rows}.{identifier(name)}" for name in names if name not in key
        )
        values = ", ".join(f"{rows}.{identifier(name)}" for name in names)
        return (
            f"MERGE INTO {self._table} USING {self._rows} AS {rows} ON {self._same_key(rows)}"
            f" WHEN MATCHED THEN UPDATE SET {changes}"
            f" WHEN NOT MATCHED THEN INSERT ({identifiers(names)}) VALUES ({values})"
        )

    def _ledger_row(self) -> str:
        """Of rows that were left out, those of a key that came twice, and those of a newer run."""
        load = self._load
        given = (load.id, self._name, load.snapshot.run_id, load.unit_id, load.version)
        key = identifiers(load.target.key)
        keys = f"SELECT {key} FROM {self._files} GROUP BY {key}"
        names = (
            *("load_id", "table_name", "run_id", "unit_id", "version"),
            *("rows_copied", "rows_duplicate", "rows_older", "rows_merged", "loaded_at"),
            *("digest", "run_attempt"),
        )
        return (
            f"INSERT INTO {LOADS} ({identifiers(names)})"
            f" SELECT {', '.join(literal(value) for value in given)},"
            " copied.n, copied.n - keys.n, keys.n - merged.n, merged.n, GETDATE(),"
            f" {literal(load.digest)}, {load.run_attempt}"
            f" FROM (SELECT COUNT(*) AS n FROM {self._files}) AS copied"
            f" CROSS JOIN (SELECT COUNT(*) AS n FROM ({keys}) AS each_key) AS keys"
            f" CROSS JOIN (SELECT COUNT(*) AS n FROM {self._rows}) AS merged"
            f" WHERE NOT EXISTS ({self._known})"
        )
