"""result_parts: bounded files that hold the same rows in the same order at every try."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scratch_duckdb import connect

from tabular import workspace
from tabular.part_files import SAMPLE_ROWS, TOLERATED, RowFiles, Rows, write_parts
from tabular.workspace import Workspace

KILOBYTE = 1024


@pytest.fixture
def space() -> Iterator[Workspace]:
    with workspace.workspace(2048) as opened:
        yield opened


class Stored:
    """Files as an object store holds them."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.rows: list[list[Any]] = []

    def __call__(self, path: Path, name: str) -> None:
        self.sizes[name] = path.stat().st_size
        with connect() as connection:
            found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        self.rows.append([row[0] for row in found])


def rows_of(space: Workspace, query: str, select: str | None = "SELECT * FROM valid") -> Rows:
    path = space.path("rows.parquet")
    count = space.number(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return Rows(RowFiles((path,), (count,)), "valid", select)


def numbers(count: int) -> str:
    """Rows that do not compress: some 40 bytes each."""
    return f"SELECT i, md5(i::VARCHAR) AS noise FROM range({count}) AS numbers(i)"


def test_parts_hold_all_rows_in_their_order(space: Workspace) -> None:
    stored = Stored()
    files = write_parts(space, rows_of(space, numbers(20_000)), 200 * KILOBYTE, stored)
    assert list(stored.sizes) == [f"part-{number:05d}.parquet" for number in range(files)]
    assert files > 2
    assert [i for part in stored.rows for i in part] == list(range(20_000))


def test_a_result_that_is_small_enough_is_one_part(space: Workspace) -> None:
    stored = Stored()
    assert write_parts(space, rows_of(space, numbers(1000)), 200 * KILOBYTE, stored) == 1


def test_no_part_is_much_larger_than_wanted_though_the_first_rows_are_small(
    space: Workspace,
) -> None:
    noise = f"CASE WHEN i < {SAMPLE_ROWS} THEN '' ELSE noise END AS noise"
    query = f"SELECT * REPLACE ({noise}) FROM ({numbers(2 * SAMPLE_ROWS)})"
    stored = Stored()
    write_parts(space, rows_of(space, query), 1024 * KILOBYTE, stored)
    assert max(stored.sizes.values()) <= TOLERATED * 1024 * KILOBYTE
    assert [i for part in stored.rows for i in part] == list(range(2 * SAMPLE_ROWS))


def test_ranges_of_which_no_row_is_left_make_no_part(space: Workspace) -> None:
    select = "SELECT * FROM valid WHERE i < 100 OR i >= 19900"
    rows = rows_of(space, numbers(20_000), select)
    whole, cut = Stored(), Stored()
    write_parts(space, rows, 1000 * KILOBYTE, whole)
    files = write_parts(space, rows, 2 * KILOBYTE, cut)
    assert all(cut.rows)
    assert files == len(cut.rows) > 1
    assert [i for part in cut.rows for i in part] == whole.rows[0]


def test_no_rows_make_one_empty_part(space: Workspace) -> None:
    for select in ("SELECT * FROM valid", None):
        stored = Stored()
        assert write_parts(space, rows_of(space, numbers(0), select), KILOBYTE, stored) == 1
        assert stored.rows == [[]]


def test_a_file_that_is_the_result_already_is_stored_or_cut(space: Workspace) -> None:
    rows = rows_of(space, numbers(20_000), None)
    whole, cut = Stored(), Stored()
    assert write_parts(space, rows, 10_000 * KILOBYTE, whole) == 1
    assert write_parts(space, rows, 200 * KILOBYTE, cut) > 2
    assert [i for part in cut.rows for i in part] == whole.rows[0] == list(range(20_000))


def test_a_column_may_be_called_like_the_number_of_its_row(space: Workspace) -> None:
    named = f"SELECT 7 - i AS i, noise, i AS file_row_number FROM ({numbers(20_000)})"
    stored = Stored()
    assert write_parts(space, rows_of(space, named), 200 * KILOBYTE, stored) > 2
    assert [i for part in stored.rows for i in part] == list(range(7, 7 - 20_000, -1))


def test_one_row_larger_than_a_part_is_a_part(space: Workspace) -> None:
    query = "SELECT i, string_agg(md5(j::VARCHAR), '') FROM range(3) AS a(i), range(9999) AS b(j)"
    stored = Stored()
    rows = rows_of(space, f"{query} GROUP BY i ORDER BY i")
    assert write_parts(space, rows, 10 * KILOBYTE, stored) == 3
    assert stored.rows == [[0], [1], [2]]


@pytest.mark.slow
def test_a_repeat_makes_the_same_parts(space: Workspace) -> None:
    rows = rows_of(space, numbers(300_000))
    tries = []
    for _ in range(2):
        stored = Stored()
        write_parts(space, rows, 3000 * KILOBYTE, stored)
        tries.append(stored.rows)
    assert len(tries[0]) > 2
    assert tries[0] == tries[1]
