"""A result as Parquet files of about the same size, each handed on as soon as it is written.

DuckDB's own splitting (`FILE_SIZE_BYTES`) puts rows into files as threads come by. Here a file is a
range of row numbers of the Parquet file that the rows come from, so that a repeat puts the same
rows into the same files, in the same order, and only two of them are on the disk at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tabular.parts import part_name
from tabular.sql import STORED, sql_identifier, sql_literal
from tabular.workspace import Workspace

SAMPLE_ROWS: Final = 122_880  # one row group: what the size of files is estimated by
NUMBER: Final = '"row-number"'  # the hyphen keeps it apart from every column
TOLERATED: Final = 2  # a file may become so many times as large as wanted; above, it is split


@dataclass(frozen=True)
class RowFiles:
    """Parquet files of the same columns, taken as one.

    Attributes:
        counts: how many rows each holds.
    """

    paths: tuple[Path, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, space: Workspace, paths: Sequence[Path]) -> RowFiles:
        counts = (
            space.number(f"SELECT count(*) FROM read_parquet({sql_literal(path)})")
            for path in paths
        )
        return cls(tuple(paths), tuple(counts))

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(path.stat().st_size for path in self.paths)

    @property
    def relation(self) -> str:
        return f"read_parquet([{', '.join(sql_literal(path) for path in self.paths)}])"

    def unlink(self) -> None:
        for path in self.paths:
            path.unlink()


@dataclass(frozen=True)
class Rows:
    """Rows of Parquet files, and what is made of each of them.

    Attributes:
        files: what is cut into ranges.
        relation: name of the view of the files that `select` reads.
        select: a query that looks at single rows of the relation; absent: the files hold the result
            as it is.
    """

    files: RowFiles
    relation: str
    select: str | None = None

    @property
    def count(self) -> int:
        """How many rows the files hold."""
        return self.files.count

    @property
    def query(self) -> str:
        return self.select or f"SELECT * FROM {sql_identifier(self.relation)}"

    def show(self, space: Workspace, first: int = 0, last: int | None = None) -> None:
        """Let the relation be the rows from `first` on, up to `last` without that one.

        All rows are shown without a condition: DuckDB 2.0.0 fails over one on row numbers where it
        computes `row_number() OVER (…) = 1`.
        """
        query = f"SELECT * FROM {self.files.relation}"
        if last is not None and (first > 0 or last < self.count):
            query = _range(space, self.files, first, last)
        space.connection.execute(
            f"CREATE OR REPLACE VIEW {sql_identifier(self.relation)} AS {query}"
        )


def numbered(space: Workspace, files: RowFiles) -> str:
    """A query for all rows of Parquet files, each with its `NUMBER` in front, from 0."""
    columns, shown = _renamed(space, files)
    queries = []
    before = 0
    for path, count in zip(files.paths, files.counts, strict=True):
        queries.append(
            f"SELECT {before} + file.file_row_number AS {NUMBER}, {shown}"
            f" FROM read_parquet({sql_literal(path)}) AS file({columns})"
        )
        before += count
    return " UNION ALL ".join(queries)


def _range(space: Workspace, files: RowFiles, first: int, last: int) -> str:
    """A query for some rows, in their order; without conditions on files that it takes whole."""
    columns, shown = _renamed(space, files)
    queries: list[str] = []
    whole: list[str] = []

    def take_whole() -> None:
        if whole:
            queries.append(f"SELECT * FROM read_parquet([{', '.join(whole)}])")
            whole.clear()

    before = 0
    for path, count in zip(files.paths, files.counts, strict=True):
        begin, end = max(0, first - before), min(count, last - before)
        before += count
        if (begin, end) == (0, count) and count:
            whole.append(sql_literal(path))
        elif begin < end:
            take_whole()
            queries.append(
                f"SELECT {shown} FROM read_parquet({sql_literal(path)}) AS file({columns})"
                f" WHERE file.file_row_number >= {begin} AND file.file_row_number < {end}"
            )
    take_whole()
    return " UNION ALL ".join(queries) or f"SELECT * FROM {files.relation} WHERE false"


def _renamed(space: Workspace, files: RowFiles) -> tuple[str, str]:
    """Other names for the columns, and SQL that gives them their own.

    As a column of the rows may be called file_row_number itself.
    """
    found = space.connection.execute(f"DESCRIBE FROM {files.relation}").fetchall()
    columns = ", ".join(f"c{i}" for i in range(len(found)))
    return columns, ", ".join(f"c{i} AS {sql_identifier(row[0])}" for i, row in enumerate(found))


def write_parts(
    space: Workspace, rows: Rows, part_bytes: int, keep: Callable[[Path, str], object]
) -> int:
    """Write all rows, in their order.

    Args:
        part_bytes: how large a file should become, about; none of several rows becomes more than
            twice that.
        keep: is given each file and its name when it is whole, one at a time, while the next one is
            written; after that the file goes.

    Returns:
        How many files there are: at least one, which is empty when there are no rows.
    """
    if rows.select is None and len(rows.files.paths) == 1 and rows.files.size <= part_bytes:
        keep(rows.files.paths[0], part_name(0))
        return 1
    part, files = space.path("part.parquet"), 0
    waiting = cut(0, rows.count, _estimated_size(space, rows, part, part_bytes), part_bytes)
    with ThreadPoolExecutor(1) as pool:
        handed_on: Future[None] | None = None
        while waiting:
            first, last = waiting.pop(0)
            written = _write(space, rows, part, first, last)
            size = part.stat().st_size
            if size > TOLERATED * part_bytes and last - first > 1:
                waiting = cut(first, last, size, part_bytes) + waiting
            elif written or (not files and not waiting):
                if handed_on is not None:
                    handed_on.result()
                whole = part.rename(space.path(f"whole-{part_name(files)}"))
                handed_on = pool.submit(_keep, keep, whole, part_name(files))
                files += 1
        if handed_on is not None:
            handed_on.result()
    return files


def _keep(keep: Callable[[Path, str], object], part: Path, name: str) -> None:
    keep(part, name)
    part.unlink()


def _estimated_size(space: Workspace, rows: Rows, part: Path, part_bytes: int) -> int:
    """About how many bytes all rows take together; of few rows, 0: a file too large is split."""
    size = rows.files.size
    if rows.select is None:
        return size
    if rows.count <= SAMPLE_ROWS or size <= part_bytes // 2:
        return 0
    _write(space, rows, part, 0, SAMPLE_ROWS)
    return part.stat().st_size * rows.count // SAMPLE_ROWS


def cut(first: int, last: int, size: int, part_bytes: int) -> list[tuple[int, int]]:
    """Ranges of equal length, as many as there should be files; `size` in bytes."""
    parts = max(1, -(-size // part_bytes))
    length = max(1, -(-(last - first) // parts))
    return [(start, min(start + length, last)) for start in range(first, last, length)] or [(0, 0)]


def _write(space: Workspace, rows: Rows, part: Path, first: int, last: int) -> int:
    rows.show(space, first, last)
    return space.number(f"COPY ({rows.query}\n) TO {sql_literal(part)} {STORED}")
