"""A CSV of web-shop orders of any size: the same size and seed give the same bytes.

The columns are those of `datasets/orders.yaml`. Order numbers are unique and come in no order.
About one row in a hundred is dirty, in every way that the contract knows.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import duckdb

from tabular.workspace import connect

HEADER: Final = (
    "order_id,customer_id,ordered_at,shipped_on,status,country,items,amount,currency,gift,note"
)
COLUMNS: Final = HEADER.split(",")
STATES: Final = ["placed", "paid", "shipped", "delivered", "cancelled"]
COUNTRIES: Final = ["AT", "BE", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IT"]
COUNTRIES += ["NL", "NO", "PL", "PT", "SE"]
CURRENCIES: Final = ["EUR", "GBP", "CHF", "SEK"]
ROW_BYTES: Final = 94  # measured; sizes are near enough with it
LARGEST_ROWS: Final = 100_000_000  # as many as there are order numbers
# By remainder of 1000 rows: what is wrong with the row that has it.
DIRT: Final = {
    "a column short": (0,),
    "a column too many": (1,),
    "amount that is no number": (2, 3),
    "day that is none": (4,),
    "unknown country": (5, 6),
    "negative amount": (7,),
    "no customer": (8,),
    "shipped before it was ordered": (9,),
}
_ROWS: Final = """
SELECT
  i,
  (hash(i, {seed}, 1) % 1000)::INTEGER AS luck,
  printf('ORD-%08d', (i * 38196601 + {seed}) % 100000000) AS order_id,
  printf('C%06d', (hash(i, {seed}, 2) % 1000000)::INTEGER) AS customer_id,
  TIMESTAMP '2024-01-01' + to_seconds((hash(i, {seed}, 3) % 63072000)::BIGINT) AS ordered_at,
  ['placed', 'paid', 'shipped', 'delivered', 'cancelled'][1 + (hash(i, {seed}, 4) % 5)::INTEGER]
    AS status,
  ['AT', 'BE', 'CH', 'DE', 'FR', 'GB', 'IT', 'SE'][1 + (hash(i, {seed}, 5) % 8)::INTEGER]
    AS country,
  1 + (hash(i, {seed}, 6) % 40)::INTEGER AS items,
  printf('%d.%02d', (hash(i, {seed}, 7) % 2000)::INTEGER, (hash(i, {seed}, 8) % 100)::INTEGER)
    AS amount,
  ['EUR', 'GBP', 'CHF', 'SEK'][1 + (hash(i, {seed}, 9) % 4)::INTEGER] AS currency,
  ['true', 'false', ''][1 + (hash(i, {seed}, 10) % 3)::INTEGER] AS gift,
  CASE (hash(i, {seed}, 11) % 4)::INTEGER
    WHEN 0 THEN ''
    WHEN 1 THEN printf('"ring, then ""wait"" %d"', (hash(i, {seed}, 12) % 900)::INTEGER)
    WHEN 2 THEN printf('leave at door %d', (hash(i, {seed}, 12) % 90000)::INTEGER)
    ELSE 'für die Übergabe im Hof' END AS note
FROM range({first}, {last}) AS numbers(i)
"""
_LINES: Final = """
SELECT
  order_id || ',' || CASE WHEN luck = 8 THEN '' ELSE customer_id END
  || ',' || strftime(ordered_at, '%Y-%m-%dT%H:%M:%SZ')
  || ',' || CASE
    WHEN luck = 4 THEN '2026-02-30'
    WHEN luck = 9 THEN '2023-12-31'
    WHEN status IN ('shipped', 'delivered')
      THEN strftime(ordered_at + to_days(1 + (hash(i, 13) % 5)::INTEGER), '%Y-%m-%d')
    ELSE '' END
  || ',' || status || ',' || CASE WHEN luck IN (5, 6) THEN 'XX' ELSE country END
  || CASE WHEN luck = 0 THEN '' ELSE ',' || items END
  || ',' || CASE WHEN luck IN (2, 3) THEN 'twelve' WHEN luck = 7 THEN '-' || amount || '9'
    ELSE amount END
  || ',' || currency || ',' || gift || ',' || note
  || CASE WHEN luck = 1 THEN ',surplus' ELSE '' END AS line
FROM ({rows}) ORDER BY i
"""
_BLOCK: Final = 1_000_000


def write(path: Path, megabytes: float, seed: int = 1) -> int:
    """Write the file anew and return its number of rows, dirty ones included.

    Raises:
        ValueError: there are not enough order numbers for so large a file.
    """
    rows = max(1, round(megabytes * 1024 * 1024 / ROW_BYTES))
    if rows > LARGEST_ROWS:
        raise ValueError(f"{megabytes} MB take {rows} rows; there are {LARGEST_ROWS} order numbers")
    with path.open("wb") as file, connect() as connection:
        file.write(f"{HEADER}\n".encode())
        for first in range(0, rows, _BLOCK):
            part = path.with_name(f"{path.name}.part")
            _write_block(connection, part, first, min(first + _BLOCK, rows), seed)
            with part.open("rb") as lines:
                while chunk := lines.read(8 * 1024 * 1024):
                    file.write(chunk)
            part.unlink()
    return rows


def convert(source: Path, target: Path) -> int:
    """The rows of such a file as Parquet or JSON lines, by the target's suffix; all values texts.

    Rows with too few or too many columns are left out. Returns the number of rows.
    """
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
    rows = (
        f"read_csv('{source}', auto_detect = false, header = true, delim = ',', quote = '\"',"
        f" escape = '\"', columns = {{{columns}}}, ignore_errors = true)"
    )
    form = "parquet" if target.suffix == ".parquet" else "json"
    with connect() as connection:
        found = connection.execute(f"COPY (FROM {rows}) TO '{target}' (FORMAT {form})").fetchone()
    return int(found[0]) if found else 0


def repeat(source: Path, target: Path) -> int:
    """The same file, for a contract that finds something in every row."""
    shutil.copyfile(source, target)
    with target.open("rb") as lines:
        return sum(1 for _ in lines) - 1


def shorten(source: Path, target: Path) -> int:
    """The same rows, but of each ten all but one have only their first three columns."""
    count = 0
    with source.open("rb") as lines, target.open("wb") as file:
        file.write(next(lines))
        for count, line in enumerate(lines, 1):
            file.write(line if count % 10 == 0 else b",".join(line.split(b",", 3)[:3]) + b"\n")
    return count


def _write_block(
    connection: duckdb.DuckDBPyConnection, path: Path, first: int, last: int, seed: int
) -> None:
    lines = _LINES.format(rows=_ROWS.format(first=first, last=last, seed=seed))
    connection.execute(
        f"COPY ({lines}) TO '{path}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '',"
        " DELIMITER '\x01')"
    )
