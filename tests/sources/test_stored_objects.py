"""The files of stored objects: written, merged, read; by several at once, and broken off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from job_fakes import Fate, Killed

from contracts.errors import InvalidData, NotFound, TransientFailure
from contracts.source.only_new import Scope
from sources.stored_objects import merging
from sources.stored_objects.files import Index, StoredFiles
from sources.stored_objects.merging import leave_out_unreadable, merge_runs
from sources.stored_objects.records import RECORD_BYTES, merged, packed, record, unpacked

SCOPE = Scope(dataset_name="orders", index="orders")
PREFIX = f"stored-objects/orders/{SCOPE.name}/"


def stored(number: int, version: str | None = "0123456789ab") -> bytes:
    return record(f"s3://data-bucket/landing/{number}.csv", f"etag{number}", version)


@pytest.fixture
def files(cloud: Any) -> StoredFiles:
    return StoredFiles.of(cloud.client("s3"), "data-bucket", SCOPE)


def known(files: StoredFiles) -> set[bytes]:
    return {each for chunk in files.records() for each in unpacked(chunk)}


def add(files: StoredFiles, run: int, *numbers: int) -> None:
    files.add(f"r{run}", 1, packed(map(stored, numbers)))


def test_a_record_is_22_bytes_and_differs_by_content_and_version() -> None:
    same_key = [record("s3://b/k", etag, "0123456789ab") for etag in ("e1", "e2")]
    other_version = record("s3://b/k", "e1", "ba9876543210")

    assert {len(each) for each in (*same_key, other_version)} == {RECORD_BYTES} == {22}
    assert same_key[0][:16] != same_key[1][:16]
    assert other_version[:16] == same_key[0][:16]
    assert other_version != same_key[0]


def test_files_are_merged_in_order_and_each_record_once() -> None:
    contents = [packed(map(stored, numbers)) for numbers in ((3, 1), (2, 1), ())]

    assert list(merged(contents)) == sorted(map(stored, (1, 2, 3)))


def test_scopes_of_another_index_or_query_are_others() -> None:
    scopes = [
        SCOPE,
        Scope(dataset_name="orders", index="late"),
        Scope(dataset_name="orders", index="orders", query="a > 1"),
    ]
    assert len({scope.name for scope in scopes}) == 3


def test_what_runs_have_stored_is_known_before_and_after_it_is_merged(files: StoredFiles) -> None:
    for run in range(4):
        add(files, run, run, run + 1)
    before = known(files)

    assert merge_runs(files, merge_at=5) == 0
    assert merge_runs(files, merge_at=4) == 4

    assert before == known(files) == set(map(stored, range(5)))
    assert files.runs() == []
    assert [each.key for each in files.merged()] == [each.key for each in files.index()[0].merged]


def test_a_run_that_is_recorded_again_writes_its_file_again(files: StoredFiles) -> None:
    add(files, 1, 1)
    add(files, 1, 1)
    assert len(files.runs()) == 1

    add(files, 1, 1, 2)
    assert len(files.runs()) == 2, "nobody may remove it as the smaller one that was merged"
    assert files.add("r2", 1, b"") is None


def test_merged_files_grow_until_they_are_full(
    files: StoredFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "FULL_RECORDS", 4)
    for run in range(6):
        add(files, run, 2 * run, 2 * run + 1)
        merge_runs(files, merge_at=1)

    sizes = [file.records for file in files.index()[0].merged]
    assert sizes == [4, 4, 4]
    assert known(files) == set(map(stored, range(12)))
    assert len(files.merged()) == 3


def test_so_many_files_are_merged_as_fit_into_memory(
    files: StoredFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "AT_ONCE_BYTES", 3 * RECORD_BYTES)
    for run in range(5):
        add(files, run, run)

    assert merge_runs(files, merge_at=2) == 3
    assert merge_runs(files, merge_at=2) == 2
    assert known(files) == set(map(stored, range(5)))


def test_a_file_of_several_chunks_is_read_in_whole_records(
    files: StoredFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.stored_objects.files._CHUNK", 30)
    add(files, 1, *range(50))

    assert known(files) == set(map(stored, range(50)))


class Meanwhile:
    """A client of S3 that lets something else happen before or after its n-th operation."""

    def __init__(self, client: Any, operation: str, act: Callable[[], object]) -> None:
        self._client, self._operation, self._act = client, operation, act
        self.acted = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)

        def call(**request: Any) -> Any:
            response = real(**request)
            if name == self._operation and not self.acted:
                self.acted = True
                self._act()
            return response

        return call


@pytest.mark.parametrize("operation", ["list_objects_v2", "get_object"])
def test_a_reader_misses_nothing_while_another_merges(
    cloud: Any, files: StoredFiles, operation: str
) -> None:
    for run in range(3):
        add(files, run, run)
    merge_runs(files, merge_at=3)
    for run in range(3, 6):
        add(files, run, run)
    busy = Meanwhile(cloud.client("s3"), operation, lambda: merge_runs(files, merge_at=2))

    assert known(StoredFiles.of(busy, "data-bucket", SCOPE)) == set(map(stored, range(6)))
    assert busy.acted


class Merging:
    """A client of S3 under which a run ends, and all is merged, after each look at the index."""

    def __init__(self, client: Any, files: StoredFiles, times: int) -> None:
        self._client, self._files, self._left = client, files, times
        self.read: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **request: Any) -> Any:
        response = self._client.get_object(**request)
        self.read.append(request["Key"].removeprefix(PREFIX))
        if self.read[-1] == "index.json" and self._left:
            add(self._files, 100 + self._left, 100 + self._left)
            merge_runs(self._files, merge_at=1)
            self._left -= 1
        return response


def test_a_reader_overtakes_those_who_merge_and_reads_no_file_twice(
    cloud: Any, files: StoredFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "FULL_RECORDS", 3)
    add(files, 1, 1, 2, 3)
    merge_runs(files, merge_at=1)
    add(files, 2, 4)
    busy = Merging(cloud.client("s3"), files, times=12)

    found = known(StoredFiles.of(busy, "data-bucket", SCOPE))

    assert set(map(stored, (1, 2, 3, 4))) <= found
    others = [key for key in busy.read if key != "index.json"]
    assert len(others) == len(set(others))
    assert busy.read.count("index.json") > 5


def test_a_reader_who_is_always_late_may_come_again(cloud: Any, files: StoredFiles) -> None:
    """It is nothing permanent, and nothing has to be made anew."""
    add(files, 1, 1)
    merge_runs(files, merge_at=1)
    busy = Merging(cloud.client("s3"), files, times=60)

    with pytest.raises(TransientFailure, match="are merged again and again"):
        known(StoredFiles.of(busy, "data-bucket", SCOPE))


@pytest.mark.parametrize("operation", ["list_objects_v2", "get_object", "put_object"])
def test_of_two_that_merge_at_once_one_does_and_nothing_is_lost(
    cloud: Any, files: StoredFiles, operation: str
) -> None:
    for run in range(4):
        add(files, run, run)

    def other() -> None:
        add(files, 9, 9)
        merge_runs(files, merge_at=2)

    busy = Meanwhile(cloud.client("s3"), operation, other)
    with suppress(NotFound):  # a run's file was merged between our look and our reading
        merge_runs(StoredFiles.of(busy, "data-bucket", SCOPE), merge_at=2)
    add(files, 10, 10)
    merge_runs(files, merge_at=1)

    assert busy.acted
    assert known(files) == set(map(stored, (0, 1, 2, 3, 9, 10)))
    assert {each.key for each in files.merged()} == files.index()[0].keys


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_outside_call_nothing_is_lost_and_the_next_merge_tidies(
    cloud: Any, files: StoredFiles, after: bool
) -> None:
    fate = Fate()
    doomed = StoredFiles.of(fate.over(cloud.client("s3")), "data-bucket", SCOPE)
    expected: set[bytes] = set()
    for position in range(30):
        for run in range(3):
            add(files, 10 * position + run, 10 * position + run)
            expected.add(stored(10 * position + run))
        fate.kill_at(position + 1, after=after)
        try:
            merge_runs(doomed, merge_at=3)
        except Killed:
            killed = True
        else:
            killed = False
        fate.spare()
        assert known(files) == expected
        merge_runs(files, merge_at=1)
        assert known(files) == expected
        assert files.runs() == []
        assert {each.key for each in files.merged()} == files.index()[0].keys
        if not killed:
            break
    assert 4 < position < 29


def test_a_missing_file_is_an_error_that_says_what_to_do(files: StoredFiles) -> None:
    add(files, 1, 1)
    merge_runs(files, merge_at=1)
    add(files, 2, 2)
    files.remove(files.merged()[0].key)

    with pytest.raises(NotFound, match="pipeline dataset rebuild-stored orders"):
        known(files)
    (left_out,) = leave_out_unreadable(files)
    assert "/merged/" in left_out
    assert known(files) == {stored(2)}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"merged": [{"key": 1}]}'])
def test_a_broken_index_is_an_error_until_it_is_made_anew(
    cloud: Any, files: StoredFiles, content: bytes
) -> None:
    add(files, 1, 1)
    merge_runs(files, merge_at=1)
    cloud.put(f"{PREFIX}index.json", content)

    with pytest.raises(InvalidData, match="pipeline dataset rebuild-stored orders"):
        known(files)
    leave_out_unreadable(files)
    assert known(files) == {stored(1)}
    assert files.index()[0].merged[0].records == 1


def test_a_lost_index_is_an_error_until_it_is_made_anew(files: StoredFiles) -> None:
    """Not taken for an empty one: the next merge would remove the merged files."""
    add(files, 1, 1)
    merge_runs(files, merge_at=1)
    add(files, 2, 2)
    files.remove(f"{PREFIX}index.json")

    with pytest.raises(NotFound, match="index.json is missing.*rebuild-stored orders"):
        known(files)
    with pytest.raises(NotFound, match="rebuild-stored orders"):
        merge_runs(files, merge_at=1)
    assert len(files.merged()) == 1

    assert leave_out_unreadable(files) == []
    assert known(files) == {stored(1), stored(2)}
    assert merge_runs(files, merge_at=1) == 1
    assert known(files) == {stored(1), stored(2)}


def test_an_index_that_names_nothing_may_be_lost_too(files: StoredFiles) -> None:
    files.write(f"{PREFIX}merged/stray", stored(1))
    assert leave_out_unreadable(files) == []
    assert known(files) == {stored(1)}


def test_a_broken_index_is_replaced_only_as_it_was_read(cloud: Any, files: StoredFiles) -> None:
    """Another rebuild has made it anew meanwhile, and more was merged since."""
    add(files, 1, 1)
    merge_runs(files, merge_at=1)
    cloud.put(f"{PREFIX}index.json", b"{")

    def other() -> None:
        leave_out_unreadable(files)
        add(files, 2, 2)
        merge_runs(files, merge_at=1)

    busy = Meanwhile(cloud.client("s3"), "get_object", other)
    leave_out_unreadable(StoredFiles.of(busy, "data-bucket", SCOPE))
    assert busy.acted
    assert known(files) == {stored(1), stored(2)}


def test_a_broken_file_is_an_error_until_it_is_left_out(cloud: Any, files: StoredFiles) -> None:
    add(files, 1, 1)
    cloud.put(f"{PREFIX}runs/r2-1-0", b"x" * 23)

    with pytest.raises(InvalidData, match="r2-1-0 is broken"):
        known(files)
    assert leave_out_unreadable(files) == [f"{PREFIX}runs/r2-1-0"]
    assert known(files) == {stored(1)}


def test_an_index_of_a_later_release_is_read() -> None:
    assert Index.from_json({"merged": [{"key": "k", "records": 2, "more": 1}], "at": 3}).keys == {
        "k"
    }
