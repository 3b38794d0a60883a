"""Manifests are written in packs while objects are listed, and read as those of before are."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Any

import pytest
from control_fakes import NOW
from hypothesis import given
from hypothesis import strategies as st
from manifests import put_manifest

from contracts import layout
from contracts.dataset import Source
from contracts.errors import InvalidData
from contracts.manifest import PACK_OBJECTS, ManifestEntry, ManifestPack, shard_sizes
from sources import frozen
from sources.listing import list_source
from sources.manifest import freeze, write_packs
from sources.objects.ahead import AHEAD, THREADS, in_order
from sources.objects.columns import Listing, Objects


def entry(number: int, **fields: Any) -> ManifestEntry:
    described = {"bucket": "b", "size": number, "etag": f"e{number}", "last_modified": NOW}
    return ManifestEntry(**{**described, "key": f'in/"{number:05d}"ü\n.csv', **fields})


def frozen_run(cloud: Any, entries: list[ManifestEntry], per_shard: int, **options: Any) -> Any:
    packs = write_packs(Objects.of(entries), "r1", cloud.data_bucket, 1)
    return freeze(packs, Listing(), "r1", per_shard, cloud.data_bucket, 1, **options)


def test_every_shard_reads_its_own_objects_whatever_packs_they_lie_in(cloud: Any) -> None:
    entries = [entry(number) for number in range(2 * PACK_OBJECTS + 300)]
    summary = frozen_run(cloud, entries, 290)

    assert (summary.objects, summary.total_bytes) == (2300, sum(range(2300)))
    assert len(cloud.keys("runs/r1/manifest/objects-")) == 3
    parts = [frozen.read_manifest_part(cloud.data_bucket, "r1", shard) for shard in range(8)]
    assert [len(part.entries) for part in parts] == list(summary.shard_sizes) == [290] * 7 + [270]
    assert [one for part in parts for one in part.entries] == entries
    assert frozen.read_unit(cloud.data_bucket, "r1", "00003-131") == entries[3 * 290 + 131]
    assert frozen.read_manifest_part(cloud.data_bucket, "r1", 8).entries == ()


def test_a_pack_is_what_its_contract_says(cloud: Any) -> None:
    summary = frozen_run(cloud, [entry(0, items=7), entry(1, items=3)], 290, of_items=True)

    (key,) = cloud.keys("runs/r1/manifest/objects-")
    pack = ManifestPack.from_json(cloud.read_json(key))
    assert (pack.run_id, pack.pack, pack.bucket) == ("r1", 0, "b")
    assert [one.items for one in pack.entries] == [7, 3]
    assert summary.items == 10


def test_manifests_of_before_are_read(cloud: Any) -> None:
    entries = tuple(entry(number) for number in range(3))
    put_manifest(cloud.put, "r1", entries)

    assert cloud.keys("runs/r1/manifest/") == [
        "runs/r1/manifest/part-00000.json",
        "runs/r1/manifest/summary.json",
    ]
    assert frozen.read_manifest_part(cloud.data_bucket, "r1", 0).entries == entries


def test_objects_of_two_buckets_are_no_manifest(cloud: Any) -> None:
    with pytest.raises(ValueError, match="objects of b and of c"):
        write_packs(
            Objects.of([entry(0), entry(1, bucket="c")]), "r1", cloud.data_bucket, run_attempt=1
        )


def test_packs_are_written_while_objects_are_listed(cloud: Any) -> None:
    """The first lies there before the listing has ended, so that it is not in memory."""
    seen: list[list[str]] = []

    def listed() -> Iterator[Objects]:
        for number in range(40):
            yield Objects(
                "b",
                ["k"] * PACK_OBJECTS,
                [1] * PACK_OBJECTS,
                ["e"] * PACK_OBJECTS,
                ["2026"] * PACK_OBJECTS,
            )
            seen.append(cloud.keys("runs/r1/manifest/objects-")) if number == 30 else None

    assert write_packs(listed(), "r1", cloud.data_bucket, 1).objects == 40 * PACK_OBJECTS
    assert len(seen[0]) >= 13  # 31, but for those that wait


def test_what_an_attempt_wrote_before_it_was_refused_does_not_count(cloud: Any) -> None:
    def listed() -> Iterator[Objects]:
        yield from Objects.of([entry(number) for number in range(PACK_OBJECTS + 1)])
        raise InvalidData("too large")

    with pytest.raises(InvalidData):
        write_packs(listed(), "r1", cloud.data_bucket, 1)
    assert cloud.keys(layout.manifest_summary_key("r1")) == []


class TestPartitionsSideBySide:
    def test_their_objects_come_in_the_order_of_keys(self, cloud: Any) -> None:
        """Whatever the order of time: days of the month come first in these names."""
        for day, month in (("02", "11"), ("01", "12"), ("30", "11")):
            cloud.put(f"in/{day}-{month}-2026/a.csv")
        source = Source(prefix="in/", partition="%d-%m-%Y/")

        november = NOW.replace(year=2026, month=11, day=1)
        found = list_source(source, "data-bucket", november, november.replace(month=12, day=5), 10)

        assert [one.key for one in found.entries] == sorted(one.key for one in found.entries)
        assert len(found.entries) == 3

    def test_walks_are_given_out_in_their_order(self) -> None:
        def walk(number: int) -> Iterator[int]:
            time.sleep(0.002 * (number % 3))
            yield from (number * 10, number * 10 + 1)

        found = list(in_order([partial(walk, number) for number in range(40)]))
        assert found == sorted(found)
        assert len(found) == 80
        assert list(in_order([])) == []

    def test_few_are_ahead_of_what_is_taken(self) -> None:
        read, lock, before = [0] * 100, threading.Lock(), set(threading.enumerate())

        def walk(number: int) -> Iterator[int]:
            for item in range(50):
                with lock:
                    read[number] += 1
                yield item

        found = in_order([partial(walk, number) for number in range(100)])
        next(found)
        time.sleep(0.3)  # for all that would be read
        assert sum(1 for count in read if count) <= THREADS
        assert max(read) <= AHEAD + 2
        found.close()
        assert set(threading.enumerate()) <= before

    def test_an_error_comes_where_the_next_item_would(self) -> None:
        def broken() -> Iterator[int]:
            yield 2
            raise KeyError("here")

        found = in_order([lambda: iter((0, 1)), broken, lambda: iter((3,))])
        assert [next(found) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(KeyError, match="here"):
            next(found)


class TestSizesOfShards:
    def test_one_after_another_they_are_as_large_as_they_may_be(self) -> None:
        assert shard_sizes([7] * 700, 300) == (300, 300, 100)
        assert shard_sizes([], 300) == ()

    @pytest.mark.parametrize("objects", [1, 39, 40, 41, 1000, 20_000])
    @pytest.mark.parametrize("at_once", [2, 3, 25])
    def test_side_by_side_there_are_enough_of_them(self, objects: int, at_once: int) -> None:
        sizes = shard_sizes([1000] * objects, 193, at_once)
        assert sum(sizes) == objects
        assert max(sizes) <= 193
        assert len(sizes) >= min(at_once, -(-objects // 40))

    def test_side_by_side_they_are_of_about_as_many_bytes(self) -> None:
        """Where one of equal numbers had nearly all of the bytes."""
        objects = [1] * 400 + [1000] * 400
        sizes = shard_sizes(objects, 200, 4)
        ends = list(accumulate(sizes))
        of_each = [sum(objects[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
        assert max(of_each) <= sum(objects) / 4 + 1000
        assert len(sizes) <= 3 * 4

    @given(st.lists(st.integers(0, 10**6), max_size=100), st.integers(1, 50), st.integers(1, 25))
    def test_whatever_the_objects_are(self, objects: list[int], most: int, at_once: int) -> None:
        sizes = shard_sizes(objects, most, at_once)
        assert sum(sizes) == len(objects)
        assert all(1 <= size <= most for size in sizes)
        least = max(-(-len(objects) // most), min(at_once, -(-len(objects) // 40)))
        assert len(sizes) <= 3 * least + 1


def test_texts_are_json() -> None:
    (objects,) = Objects.of([entry(1), entry(2, items=4)])
    assert [json.loads(text) for text in objects.texts()] == [
        {"key": 'in/"00001"ü\n.csv', "size": 1, "etag": "e1", "lastModified": objects.modified[0]},
        {
            "key": 'in/"00002"ü\n.csv',
            "size": 2,
            "etag": "e2",
            "lastModified": objects.modified[1],
            "items": 4,
        },
    ]
    assert list(objects.entries()) == [entry(1), entry(2, items=4)]
