# ruff: noqa: S608 -- names are quoted by steps.duck; the transform was parsed with the contract
"""A result as Parquet files of about the same size, one after another, each kept when written.

DuckDB's own splitting (`FILE_SIZE_BYTES`) puts rows into files as threads come by. Here a file is a
range of row numbers of the Parquet file that the rows come from, so that a repeat puts the same
rows into the same files, in the same order, and only one of them is on the disk at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steps.duck import Workspace, quoted, text

SAMPLE_ROWS: Final = 122_880  # one row group: what the size of files is estimated by
TOLERATED: Final = 2  # a file may become so many times as large as wanted; above, it is split


@dataclass(frozen=True)
class Rows:
    """Rows of a Parquet file, and what is made of each of them.

    Attributes:
        file: what is cut into ranges.
        count: how many rows it holds.
        relation: name of the view of the file that `select` reads.
        select: a query that looks at single rows of the relation; absent: the file holds the result
            as it is.
    """

    file: Path
    count: int
    relation: str
    select: str | None = None

    @property
    def query(self) -> str:
        return self.select or f"SELECT * FROM {quoted(self.relation)}"

    def show(self, space: Workspace, first: int = 0, last: int | None = None) -> None:
        """Let the relation be the rows from `first` on, up to `last` without that one.

        All rows are shown without a condition: DuckDB 2.0.0 fails over one on row numbers where it
        computes `row_number() OVER (…) = 1`.
        """
        file = f"read_parquet({text(self.file)})"
        query = f"SELECT * FROM {file}"
        if last is not None:
            # By other names, as a column of the rows may be called file_row_number itself.
            found = space.connection.execute(f"DESCRIBE {query}").fetchall()
            names = [quoted(row[0]) for row in found]
            columns = ", ".join(f"c{i}" for i in range(len(names)))
            shown = ", ".join(f"c{i} AS {name}" for i, name in enumerate(names))
            query = (
                f"SELECT {shown} FROM {file} AS file({columns})"
                f" WHERE file.file_row_number >= {first} AND file.file_row_number < {last}"
            )
        space.connection.execute(f"CREATE OR REPLACE VIEW {quoted(self.relation)} AS {query}")


def write_parts(
    space: Workspace, rows: Rows, part_bytes: int, keep: Callable[[Path, str], object]
) -> int:
    """Write all rows, in their order.

    Args:
        part_bytes: how large a file should become, about; none of several rows becomes more than
            twice that.
        keep: is given each file and its name when it is whole; after that the file may go.

    Returns:
        How many files there are: at least one, which is empty when there are no rows.
    """
    if rows.select is None and rows.file.stat().st_size <= part_bytes:
        keep(rows.file, part_name(0))
        return 1
    part, files = space.path("part.parquet"), 0
    waiting = _cut(0, rows.count, _estimated_size(space, rows, part, part_bytes), part_bytes)
    while waiting:
        first, last = waiting.pop(0)
        written = _write(space, rows, part, first, last)
        size = part.stat().st_size
        if size > TOLERATED * part_bytes and last - first > 1:
            waiting = _cut(first, last, size, part_bytes) + waiting
        elif written or (not files and not waiting):
            keep(part, part_name(files))
            files += 1
    return files


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _estimated_size(space: Workspace, rows: Rows, part: Path, part_bytes: int) -> int:
    """About how many bytes all rows take together; of few rows, 0: a file too large is split."""
    size = rows.file.stat().st_size
    if rows.select is None:
        return size
    if rows.count <= SAMPLE_ROWS or size <= part_bytes // 2:
        return 0
    _write(space, rows, part, 0, SAMPLE_ROWS)
    return part.stat().st_size * rows.count // SAMPLE_ROWS


def _cut(first: int, last: int, size: int, part_bytes: int) -> list[tuple[int, int]]:
    """Ranges of equal length, as many as there should be files."""
    parts = max(1, -(-size // part_bytes))
    length = max(1, -(-(last - first) // parts))
    return [(start, min(start + length, last)) for start in range(first, last, length)] or [(0, 0)]


def _write(space: Workspace, rows: Rows, part: Path, first: int, last: int) -> int:
    rows.show(space, first, last)
    return space.number(
        f"COPY ({rows.query}\n) TO {text(part)} (FORMAT parquet, COMPRESSION snappy)"
    )
