"""Splits of small sources: what the counts, files and numbers of rows are, however it was cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from data_run import dataset
from scratch_duckdb import connect

from contracts.errors import InvalidData
from tabular import workspace
from tabular.workspace import Workspace
from validation.flagged_rows import FlaggedRow, FlaggedRows
from validation.row_classes import RowClassifier
from validation.unit_split import PARQUET_ROWS, SplitResult, split_parquet, split_text

N: list[dict[str, Any]] = [{"name": "n", "type": "integer", "required": True, "minimum": 0}]
KEYS: list[dict[str, Any]] = [{"name": "id", "unique": True}, {"name": "n", "type": "integer"}]


@pytest.fixture
def space() -> Iterator[Workspace]:
    with workspace.workspace(512) as opened:
        yield opened


def rejects(rows: SplitResult) -> list[dict[str, Any]]:
    return [json.loads(line) for path in rows.rejects for line in path.read_text().splitlines()]


def lines(rows: SplitResult) -> list[int]:
    return [reject["line"] for reject in rejects(rows)]


def valid(rows: SplitResult) -> list[tuple[Any, ...]]:
    with connect() as connection:
        found: list[tuple[Any, ...]] = []
        for path in rows.parts:
            found += connection.execute(f"SELECT * FROM '{path}'").fetchall()
        return found


def counts(rows: SplitResult) -> tuple[int, ...]:
    return (rows.records, rows.valid, rows.rejected, rows.malformed, rows.filtered, rows.warned)


def split(
    space: Workspace,
    body: str,
    columns: list[dict[str, Any]] = N,
    query: str | None = None,
    **how: Any,
) -> SplitResult:
    """The split of a text that comes line by line, in chunks of one line each unless said."""
    contract = dataset(
        columns=columns, targets={"files": {"prefix": "out/"}}, **how.pop("contract", {})
    )
    blocks = [line.encode() for line in body.splitlines(keepends=True)]
    classifier = RowClassifier(contract, query)
    return split_text(space, blocks, classifier, "a.csv", **{"chunk_bytes": 1, **how})


def write(path: Path, query: str, group: int) -> Path:
    with connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {group})")
    return path


def of_parquet(
    space: Workspace, files: Sequence[Path], columns: list[dict[str, Any]] = N, processors: int = 1
) -> SplitResult:
    targets = {"files": {"prefix": "out/"}}
    contract = dataset(columns=columns, targets=targets, format={"type": "parquet"})
    return split_parquet(space, files, RowClassifier(contract, None), "a/", processors)


class TestTexts:
    BODY = "n\n1\nx\n2\n-1\n3\n1,2\n4\n"

    @pytest.mark.parametrize("processors", [1, 3])
    @pytest.mark.parametrize("chunk_bytes", [1, 6, None])
    def test_counts_rows_and_lines_are_those_of_the_text(
        self, space: Workspace, chunk_bytes: int | None, processors: int
    ) -> None:
        rows = split(space, self.BODY, chunk_bytes=chunk_bytes, processors=processors)
        assert counts(rows) == (7, 4, 3, 1, 0, 0)
        assert lines(rows) == [3, 5, 7]
        assert valid(rows) == [(1,), (2,), (3,), (4,)]
        assert (len(rows.parts) > 1) == (chunk_bytes is not None)

    def test_chunks_without_valid_rows_leave_no_file_but_one_where_all_are_so(
        self, space: Workspace
    ) -> None:
        some = split(space, "n\nx\n1\nx\n")
        assert (counts(some), len(some.parts), len(some.rejects)) == ((3, 1, 2, 0, 0, 0), 1, 2)
        none = split(space, "n\nx\nx\n")
        assert (counts(none), len(none.parts), valid(none)) == ((2, 0, 2, 0, 0, 0), 1, [])

    def test_filtered_rows_are_counted_as_read(self, space: Workspace) -> None:
        rows = split(space, "n\n1\n2\n3\n", query="n > 1")
        assert counts(rows) == (3, 2, 0, 0, 1, 0)
        assert valid(rows) == [(2,), (3,)]

    def test_rows_that_a_rule_warns_of_are_valid(self, space: Workspace) -> None:
        rules = {"rules": [{"name": "small", "check": "n < 2", "severity": "warn"}]}
        rows = split(space, "n\n1\n2\n3\n", N, contract=rules)
        assert counts(rows) == (3, 3, 0, 0, 0, 2)

    def test_of_warned_rows_all_are_counted_but_only_examples_leave_the_database(
        self, space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logged: list[FlaggedRow] = []
        original = FlaggedRows.read

        def read(flagged: FlaggedRows) -> list[FlaggedRow]:
            found = original(flagged)
            logged.extend(found)
            return found

        monkeypatch.setattr(FlaggedRows, "read", read)
        rules = [
            {"name": "small", "check": "n < 2", "severity": "warn"},
            {"name": "odd", "check": "n % 2 = 1 OR n < 9000", "severity": "warn"},
        ]
        body = "n\n1\n" + "".join(f"{n}\n" for n in range(2, 9_999)) + "x\n9999\n"
        rows = split(space, body, N, contract={"rules": rules}, chunk_bytes=None)
        assert counts(rows) == (10_000, 9_999, 1, 0, 0, 9_998)
        found = {rule.name: rule for rule in rows.rules.most_frequent()}
        assert (found["small"].rows, found["odd"].rows) == (9_998, 500)
        assert [one["line"] for one in found["small"].examples] == [3, 4, 5]
        assert [one["line"] for one in found["odd"].examples] == [9_001, 9_003, 9_005]
        assert len(logged) == 3 + 3 + 1

    @pytest.mark.parametrize("chunk_bytes", [None, 40])
    def test_warned_rows_may_take_several_lines(
        self, space: Workspace, chunk_bytes: int | None
    ) -> None:
        rules = {"rules": [{"name": "small", "check": "n < 2", "severity": "warn"}]}
        body = "id,n\n" + '"a\nb",2\n' * 9 + "c,x\n" + '"d\ne",3\nf,x\n'
        columns = [{"name": "id"}, {"name": "n", "type": "integer"}]
        rows = split(space, body, columns, contract=rules, chunk_bytes=chunk_bytes)
        assert counts(rows) == (12, 10, 2, 0, 0, 10)
        assert lines(rows) == [20, 23]
        (small,) = [rule for rule in rows.rules.most_frequent() if rule.name == "small"]
        assert [one["line"] for one in small.examples] == [2, 4, 6]

    def test_mixed_line_ends_are_made_equal_and_lines_stay(self, space: Workspace) -> None:
        rows = split(space, "n\n1\r\n2\nx\r\n3\n")
        assert counts(rows) == (4, 3, 1, 0, 0, 0)
        assert lines(rows) == [4]

    def test_a_text_that_is_cut_anew_leaves_the_files_of_the_last_cut_only(
        self, space: Workspace
    ) -> None:
        rows = split(space, "n\n1\nx\n2\nx\n3\n4\r\n5\n")
        made = {*space.directory.glob("valid-*"), *space.directory.glob("rejected-*")}
        assert {*rows.parts, *rows.rejects} <= made
        with connect() as connection:
            held = [
                connection.execute(f"SELECT count(*) FROM '{path}'").fetchone()
                for path in sorted(space.directory.glob("valid-*"))
            ]
        assert sum(row[0] for row in held if row) == rows.valid

    def test_a_text_that_is_cut_anew_leaves_no_rejected_rows_of_the_first_cut(
        self, space: Workspace
    ) -> None:
        rows = split(space, 'n,m\n""\n"a\na,"b\n', [{"name": "n"}, {"name": "m"}])
        assert lines(rows) == [2, 3]
        assert rows.rejects == tuple(space.directory.glob("rejected-*.jsonl"))
        assert rows.parts == tuple(space.directory.glob("valid-*.parquet"))

    def test_the_line_to_look_at_is_that_of_a_record_with_an_open_quote(
        self, space: Workspace
    ) -> None:
        body = 'n,m\nk,l,m\n"a\nb",c\n"x"y,z\na,b\n",w\n'
        with pytest.raises(InvalidData, match=r"1 of its 7 lines.*perhaps at line 5"):
            split(space, body, [{"name": "n"}, {"name": "m"}])

    def test_a_quote_that_is_never_closed_names_its_line(self, space: Workspace) -> None:
        with pytest.raises(InvalidData, match=r"a\.csv.*line 3"):
            split(space, 'n\n1\n"2\n3\n4\n')

    def test_a_rule_that_cannot_be_computed_names_the_source(self, space: Workspace) -> None:
        with pytest.raises(InvalidData, match=r"a\.csv"):
            split(space, "n\n1\n", query="no_such_column > 1")


class TestSets:
    def test_of_equal_values_in_different_chunks_the_first_stays(self, space: Workspace) -> None:
        rows = split(space, "id,n\na,1\nb,x\na,2\nc,3\nb,4\na,5\n", KEYS)
        assert counts(rows) == (6, 3, 3, 0, 0, 0)
        assert lines(rows) == [3, 4, 7]
        assert valid(rows) == [("a", 1), ("c", 3), ("b", 4)]
        assert [r["row"]["n"] for r in rejects(rows)] == ["x", "2", "5"]
        assert [r["raw"] for r in rejects(rows)] == ["b,x", "a,2", "a,5"]

    def test_a_chunk_without_its_repeated_values_takes_the_place_of_its_file(
        self, space: Workspace
    ) -> None:
        rows = split(space, "id,n\na,1\na,2\n", KEYS, chunk_bytes=1_000)
        assert valid(rows) == [("a", 1)]
        assert rows.parts == tuple(space.directory.glob("*.parquet"))

    def test_rows_behind_rejected_ones_of_their_chunk_keep_their_lines(
        self, space: Workspace
    ) -> None:
        body = "id,n\nx,x\ny,y\na,1\nz,z\na,2\nb,3\nw,w\nv,v\nb,4\n"
        rows = split(space, body, KEYS, chunk_bytes=None)
        assert lines(rows) == [2, 3, 5, 8, 9, 6, 10]
        assert [r["raw"] for r in rejects(rows)][-2:] == ["a,2", "b,4"]
        assert valid(rows) == [("a", 1), ("b", 3)]

    def test_a_value_of_several_lines_is_shown_whole(self, space: Workspace) -> None:
        body = 'id,n\n"a\nb",1\n"a\nb",2\nc,3\n'
        rows = split(space, body, KEYS, chunk_bytes=None)
        (reject,) = rejects(rows)
        assert (reject["line"], reject["raw"]) == (4, '"a\nb",2')

    def test_a_warning_of_a_row_that_is_rejected_for_its_set_counts_no_more(
        self, space: Workspace
    ) -> None:
        rules = {"rules": [{"name": "small", "check": "n < 2", "severity": "warn"}]}
        rows = split(space, "id,n\na,1\na,2\nb,3\n", KEYS, contract=rules)
        assert counts(rows) == (3, 2, 1, 0, 0, 1)

    def test_a_repeat_that_is_only_warned_of_stays_and_is_counted_once(
        self, space: Workspace
    ) -> None:
        rules = {"rules": [{"name": "small", "check": "n < 2", "severity": "warn"}]}
        columns = [{**KEYS[0], "severity": "warn"}, KEYS[1]]
        rows = split(space, "id,n\na,1\na,2\na,1\n", columns, contract=rules)
        assert counts(rows) == (3, 3, 0, 0, 0, 2)
        assert rows.rejects == ()

    def test_a_reference_may_be_to_a_row_that_is_itself_rejected(self, space: Workspace) -> None:
        columns = [{"name": "id"}, {"name": "n", "type": "integer"}]
        columns += [{"name": "parent", "references": "id"}]
        body = "id,n,parent\na,1,\nb,x,\nc,1,b\nd,1,a\ne,1,zz\nf,1,zz\n"
        rows = split(space, body, columns)
        assert lines(rows) == [3, 6, 7]
        assert [row[0] for row in valid(rows)] == ["a", "c", "d"]

    def test_of_values_that_refer_to_nothing_every_row_is_rejected(self, space: Workspace) -> None:
        columns = [{"name": "id"}, {"name": "parent", "references": "id"}]
        rows = split(space, "id,parent\na,x\nb,x\nc,a\n", columns, chunk_bytes=None)
        assert lines(rows) == [2, 3]
        assert counts(rows) == (3, 1, 2, 0, 0, 0)


class TestParquet:
    @pytest.mark.parametrize("processors", [1, 2])
    def test_rows_are_numbered_through_all_files_and_row_groups(
        self, space: Workspace, processors: int
    ) -> None:
        bad = "CASE WHEN i IN (0, 2047, 2048, 4999) THEN -1 ELSE i END AS n"
        query = f"SELECT {bad} FROM range(5000) AS t(i)"
        empty = write(space.path("b.parquet"), f"{query} WHERE false", 2048)
        files = [write(space.path(name), query, 2048) for name in ("a.parquet", "c.parquet")]
        rows = of_parquet(space, [files[0], empty, files[1]], processors=processors)
        assert counts(rows) == (10_000, 9_992, 8, 0, 0, 0)
        assert lines(rows) == [1, 2048, 2049, 5000, 5001, 7048, 7049, 10_000]
        good = [n for n in range(5000) if n not in (0, 2047, 2048, 4999)]
        assert [row[0] for row in valid(rows)] == good * 2

    def test_a_large_row_group_is_scanned_in_ranges(self, space: Workspace) -> None:
        size = 2 * PARQUET_ROWS + 7
        edges = [PARQUET_ROWS - 1, PARQUET_ROWS, 2 * PARQUET_ROWS, size - 1]
        query = f"SELECT CASE WHEN i IN {tuple(edges)} THEN -1 ELSE i END AS n"
        path = write(space.path("a.parquet"), f"{query} FROM range({size}) AS t(i)", size)
        rows = of_parquet(space, [path])
        assert counts(rows) == (size, size - 4, 4, 0, 0, 0)
        assert lines(rows) == [edge + 1 for edge in edges]
        assert len(rows.parts) == 3

    def test_no_rows_at_all_are_one_empty_file(self, space: Workspace) -> None:
        path = write(space.path("a.parquet"), "SELECT 1 AS n WHERE false", 2048)
        rows = of_parquet(space, [path])
        assert (counts(rows), len(rows.parts), valid(rows)) == ((0, 0, 0, 0, 0, 0), 1, [])

    def test_a_repeated_value_in_another_file_is_rejected(self, space: Workspace) -> None:
        files = [
            write(space.path(f"{name}.parquet"), f"SELECT * FROM (VALUES {values}) AS t(id, n)", 8)
            for name, values in (("a", "('a', 1), ('b', 2)"), ("b", "('c', 3), ('a', 4)"))
        ]
        rows = of_parquet(space, files, KEYS)
        assert lines(rows) == [4]
        assert valid(rows) == [("a", 1), ("b", 2), ("c", 3)]

    def test_what_is_no_parquet_is_refused_with_the_source(self, space: Workspace) -> None:
        path = space.path("a.parquet")
        path.write_bytes(b"PAR1 no")
        with pytest.raises(InvalidData, match="a/"):
            of_parquet(space, [path])


PAIRS: list[dict[str, Any]] = [{"name": "id"}, {"name": "n", "type": "integer"}]
JSON_LINES: dict[str, Any] = {"format": {"type": "jsonl"}}


@pytest.mark.parametrize("chunk_bytes", [1, 7, None])
class TestTextsThatAreHardToCut:
    """Each comes to the same in chunks of a line, of two lines, and as a whole."""

    @pytest.mark.parametrize(
        ("body", "ids", "rejected", "malformed"),
        [
            ("id,n\na,1\n\nb,2\n\n\nc,x\n", ["a", "b"], {7: "c,x"}, 0),
            ('id,n\n"a\nb",1\n\n"c\n\nd",x\ne,2\n', ["a\nb", "e"], {5: '"c\n\nd",x'}, 0),
            ('id,n\na,1\n"b"x,2\nc,3\nd,x\n', ["a", "c"], {3: '"b"x,2', 5: "d,x"}, 1),
            ('id,n\na,1\nb"c,2\n"d\ne",3\nf,x\n', ["a", 'b"c', "d\ne"], {6: "f,x"}, 0),
            ('id,n\na",1\nb,2\nc",3\nd,x\n', ['a"', "b", 'c"'], {5: "d,x"}, 0),
        ],
        ids=["empty-lines", "breaks", "bad-quote", "quote-within", "pair-over-lines"],
    )
    def test_lines_and_texts_of_rejected_rows_are_exact(
        self,
        space: Workspace,
        chunk_bytes: int | None,
        body: str,
        ids: list[str],
        rejected: dict[int, str],
        malformed: int,
    ) -> None:
        rows = split(space, body, PAIRS, chunk_bytes=chunk_bytes)
        assert [row[0] for row in valid(rows)] == ids
        assert {reject["line"]: reject["raw"] for reject in rejects(rows)} == rejected
        total = (len(ids) + len(rejected), len(ids), len(rejected), malformed, 0, 0)
        assert counts(rows) == total

    def test_of_json_lines_what_is_no_object_is_malformed(
        self, space: Workspace, chunk_bytes: int | None
    ) -> None:
        lines_of = ['{"id": "a", "n": 1}', "[1]", "no", '{"id": "b", "n": "x"}', "", '{"n": 2}']
        body = "\n".join(lines_of) + "\n"
        rows = split(space, body, PAIRS, chunk_bytes=chunk_bytes, contract=JSON_LINES)
        assert valid(rows) == [("a", 1), (None, 2)]
        found = {reject["line"]: reject["raw"] for reject in rejects(rows)}
        assert found == {number: lines_of[number - 1] for number in (2, 3, 4)}
        assert counts(rows) == (5, 2, 3, 2, 0, 0)

    def test_a_quote_left_open_loses_the_text_with_its_line(
        self, space: Workspace, chunk_bytes: int | None
    ) -> None:
        with pytest.raises(InvalidData, match=r"1 of its 4 lines.*perhaps at line 4"):
            split(space, 'id,n\na,1\nb,2\n"c,3', PAIRS, chunk_bytes=chunk_bytes)


def test_a_parquet_text_that_is_no_utf_8_costs_its_row_only(space: Workspace) -> None:
    query = "SELECT * FROM (VALUES ('a'::BLOB, 1), ('\\xFF'::BLOB, 2), ('c'::BLOB, 3)) AS t(id, n)"
    path = write(space.path("a.parquet"), query, 2048)
    rows = of_parquet(space, [path], PAIRS)
    assert [row[0] for row in valid(rows)] == ["a", "c"]
    assert lines(rows) == [2]
    assert [path.name for path in space.directory.glob("valid-*")] == [rows.parts[0].name]


def test_a_header_that_ends_otherwise_than_the_rows_is_a_header(space: Workspace) -> None:
    rows = split(space, "id,n\ra,1\nb,2\nc,x\n", PAIRS, chunk_bytes=None)
    assert valid(rows) == [("a", 1), ("b", 2)]
    assert lines(rows) == [4]


def test_line_ends_within_quotes_stay_as_they_are_where_others_are_made_equal(
    space: Workspace,
) -> None:
    blocks = [b'id,n\r\n"a\r\nb",1\n"c\rd",2\r\n']
    targets = {"files": {"prefix": "out/"}}
    classifier = RowClassifier(dataset(columns=PAIRS, targets=targets), None)
    rows = split_text(space, blocks, classifier, "a.csv", chunk_bytes=None)
    assert valid(rows) == [("a\r\nb", 1), ("c\rd", 2)]
