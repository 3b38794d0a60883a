"""Tables as they should be and as they are: what to add, and what a person must decide.

Pure: texts and catalog rows in, statements and problems out. A missing table is made and a missing
column is added, nullable. Nothing else is changed by itself: what would lose or recast values is a
problem that carries the DDL it needs.

Facts: r_ALTER_TABLE (one column at a time, no IF NOT EXISTS; types cannot be changed in place,
lengths of VARCHAR apart), SVV_COLUMNS in the Amazon Redshift Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.dataset import DatasetSnapshot, RedshiftTarget
from contracts.errors import Problem
from stores.redshift.load import LOCKED, TRACE_COLUMNS
from stores.redshift.sql import column_type, identifier, literal, quoted_table, table_name

_CREATE: Final = re.compile(r'CREATE TABLE IF NOT EXISTS "(\w+)"\."(\w+)" \(\n(.*)\n\)', re.DOTALL)
_COLUMN: Final = re.compile(r'  "(\w+)" ([A-Z][A-Z ]*?(?:\(\d+(?:, ?\d+)?\))?)( NOT NULL)?,?$')
# The catalog's names of types, where it has others than DDL.
_CATALOG_TYPES: Final = {
    "character varying": "VARCHAR",
    "numeric": "DECIMAL",
    "timestamp without time zone": "TIMESTAMP",
}


@dataclass(frozen=True)
class Column:
    """A column as it should be: `default` is a SQL literal for rows that are there already."""

    name: str
    kind: str
    default: str | None = None


@dataclass(frozen=True)
class Table:
    """A table as it should be.

    Attributes:
        name: `schema.table`.
        create: the statement that makes it, if it is not there.
    """

    name: str
    columns: tuple[Column, ...]
    create: str


@dataclass(frozen=True)
class FoundColumn:
    """A column as the catalog has it; `kind` as DDL writes it."""

    name: str
    kind: str
    nullable: bool
    has_default: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> FoundColumn:
        """Of a row of SVV_COLUMNS, by column name."""
        kind = str(row["data_type"]).lower()
        kind = _CATALOG_TYPES.get(kind, kind.upper())
        if kind == "VARCHAR":
            kind = f"VARCHAR({row['character_maximum_length']})"
        if kind == "DECIMAL":
            kind = f"DECIMAL({row['numeric_precision']},{row['numeric_scale']})"
        nullable = str(row["is_nullable"]).upper() in ("YES", "TRUE", "T", "1")
        return cls(str(row["column_name"]), kind, nullable, row["column_default"] is not None)


def parse_table(sql: str, file: str) -> Table:
    """The table of a file in `sql/`.

    Raises:
        ValueError: it is not one CREATE TABLE IF NOT EXISTS, a column a line, in double quotes.
    """
    statement = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    create = statement.strip().removesuffix(";")
    match = _CREATE.fullmatch(create)
    if match is None:
        raise ValueError(f'{file}: not one CREATE TABLE IF NOT EXISTS "schema"."table" (…)')
    columns = []
    for line in match[3].splitlines():
        if line.startswith("  PRIMARY KEY ("):
            continue
        column = _COLUMN.match(line)
        if column is None:
            raise ValueError(f"{file}: not a column: {line.strip()}")
        columns.append(Column(column[1], column[2]))
    return Table(f"{match[1]}.{match[2]}", tuple(columns), create)


def target_table(target: RedshiftTarget, snapshot: DatasetSnapshot) -> Table:
    """The table that a dataset's rows go to: the transform's columns and who wrote them."""
    name = table_name(target.table)
    # Rows from before these columns count as the dataset's own collection, of the oldest run.
    defaults = {"index": literal(snapshot.dataset.name), "version": literal("")}
    columns = (
        *(Column(column, column_type(kind)) for column, kind in snapshot.output_columns),
        *(Column(column, kind, defaults.get(column)) for column, kind in TRACE_COLUMNS),
    )
    lines = ", ".join(f"{identifier(column.name)} {column.kind}" for column in columns)
    create = f"CREATE TABLE IF NOT EXISTS {quoted_table(name)} ({lines})"
    return Table(name, columns, create)


def changes(
    table: Table, found: Sequence[FoundColumn], *, ours: bool
) -> tuple[list[str], list[Problem]]:
    """What makes the table as it should be; what nobody but a person may do.

    Args:
        found: its columns; none: there is no such table.
        ours: it is the pipeline's own: other columns in it are nobody's problem.
    """
    if not found:
        return [table.create], []
    there = {column.name: column for column in found}
    statements, problems = [], []
    for column in table.columns:
        if column.name not in there:
            statements.append(_add(table, column))
        elif not _holds(there[column.name].kind, column.kind):
            problems.append(_other_type(table, column, there[column.name]))
    wanted = {column.name for column in table.columns}
    for extra in found:
        if not ours and extra.name not in wanted and not (extra.nullable or extra.has_default):
            problems.append(_nobody_fills(table, extra))
    return statements, problems


def key_problem(target: RedshiftTarget, keys: Sequence[str]) -> Problem | None:
    """The table's rows were merged by another key so far: merging by the new one would be a guess.

    Args:
        keys: what the pipeline knows of the table's key; none: nothing.
    """
    wanted = ", ".join(target.key)
    if not keys or set(keys) == {wanted}:
        return None
    reported = " and by ".join(dict.fromkeys(keys))
    table = quoted_table(table_name(target.table))
    names = ", ".join(identifier(name) for name in target.key)
    return Problem(
        "targets.redshift.key",
        f"the rows of {target.table} are merged by {reported}, the contract says {wanted}; take"
        " another table, or see that this finds nothing:"
        f' SELECT "index", {names}, COUNT(*) FROM {table} GROUP BY "index", {names}'
        " HAVING COUNT(*) > 1; and then run:"
        f' UPDATE {LOCKED} SET "key_columns" = {literal(wanted)}'
        f' WHERE "table_name" = {literal(table_name(target.table))};',
    )


def register(target: RedshiftTarget, dataset_name: str) -> str:
    """Record the table's key, unless one is recorded."""
    name = literal(table_name(target.table))
    key = literal(", ".join(target.key))
    return (
        f'INSERT INTO {LOCKED} ("table_name", "dataset_name", "key_columns", "updated_at")'
        f" SELECT {name}, {literal(dataset_name)}, {key}, GETDATE() WHERE NOT EXISTS"
        f' (SELECT 1 FROM {LOCKED} WHERE "table_name" = {name})'
    )


def _add(table: Table, column: Column) -> str:
    default = "" if column.default is None else f" DEFAULT {column.default}"
    return (
        f"ALTER TABLE {quoted_table(table.name)} ADD COLUMN"
        f" {identifier(column.name)} {column.kind}{default}"
    )


def _holds(found: str, wanted: str) -> bool:
    """VARCHARs of any length match: a shorter one is intended, and a longer text fails its load."""
    if wanted.startswith("VARCHAR"):
        return found.startswith("VARCHAR")
    return found.replace(" ", "") == wanted.replace(" ", "")


def _other_type(table: Table, column: Column, found: FoundColumn) -> Problem:
    name, quoted = quoted_table(table.name), identifier(column.name)
    new = identifier(f"{column.name[:100]}_new")
    return Problem(
        f"{table.name}.{column.name}",
        f"the table has {found.kind} instead of {column.kind}; while nothing is loaded, run:"
        f" ALTER TABLE {name} ADD COLUMN {new} {column.kind};"
        f" UPDATE {name} SET {new} = CAST({quoted} AS {column.kind});"
        f" ALTER TABLE {name} DROP COLUMN {quoted};"
        f" ALTER TABLE {name} RENAME COLUMN {new} TO {quoted};",
    )


def _nobody_fills(table: Table, extra: FoundColumn) -> Problem:
    return Problem(
        f"{table.name}.{extra.name}",
        "the column is NOT NULL and the contract has it no more; give it back to the contract, or"
        f" run: ALTER TABLE {quoted_table(table.name)} DROP COLUMN {identifier(extra.name)};",
    )
