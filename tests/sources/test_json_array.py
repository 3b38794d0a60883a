"""The items of an array come out one by one, wherever the blocks of its text are cut."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.errors import InvalidData
from reading_rules.json import values as json_values
from sources.arrays.json_array import array_items

ITEMS: list[Any] = [
    {"id": 1, "name": 'a "quoted" ] name, with } and \\', "deep": [[1, {"x": [None, True]}]]},
    {"id": 2, "text": "line\nbreak and tab\t", "umlaut": "Grüße 🌍"},
    {},
    [],
    "text, with [brackets]",
    -12.5e3,
    1234567890,
    None,
    {"id": 3},
]


def items_of(text: str | bytes, size: int = 7) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    return list(array_items(blocks, "s3://b/items.json"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_item_comes_out_whole_and_on_one_line(size: int, indent: int | None) -> None:
    found = items_of(json.dumps(ITEMS, indent=indent, ensure_ascii=False), size)

    assert [json.loads(item) for item in found] == ITEMS
    assert not any("\n" in item for item in found)


def test_digits_stay_as_they_are_written() -> None:
    text = '[{"a": 1.10, "b": 0.1000000000000000055511151231257827, "c": 1e400}, 1.0]'

    assert items_of(text) == [
        '{"a": 1.10, "b": 0.1000000000000000055511151231257827, "c": 1e400}',
        "1.0",
    ]
    assert items_of(f"[{'9' * 10_000}]") == ["9" * 10_000]


@pytest.mark.parametrize("text", ["[]", " [ ] \n", "\ufeff[]"])
def test_an_empty_array_has_no_items(text: str) -> None:
    assert items_of(text) == []


def test_windows_line_ends_are_no_line_ends_of_an_item() -> None:
    assert items_of('[{"a":\r\n1},\r\n{"b": 2}]') == ['{"a":  1}', '{"b": 2}']


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1, item 0: is not a JSON array: it begins with nothing"),
        ('{"a": 1}\n{"a": 2}', r"begins with '\{' instead of '\['"),
        ('[{"a": 1}\n {"a": 2}]', r"line 2, item 1: has '\{' where ',' or '\]' belongs"),
        ('[{"a": 1},\n\n{"a": }]', "line 3, item 1: is not JSON: Expecting value"),
        ('[{"a": 1},', "item 1: is cut off"),
        ('[{"a": 1}', r"item 1: has the end of the object where"),
        ('[{"a": 1}, {"a": "no end', "item 1: is cut off"),
        ('[{"a": 1}] [', "has something behind the array's end"),
        ("[{'a': 1}]", "item 0: is not JSON"),
        ("[NaN]", "NaN is no number"),
        ("[1,]", "item 1: is not JSON"),
        ('["\x01"]', "item 0: is not JSON: Invalid control character"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_array_is_reported_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(InvalidData, match=rf"s3://b/items\.json, line .*{reason}|{reason}"):
        items_of(text, size=64 * 1024)


def test_bytes_that_are_not_utf_8_stay_in_their_item() -> None:
    items = items_of(b'[{"a": "x\xff"}, {"a": "y"}]')
    assert [item.encode("utf-8", "surrogateescape") for item in items] == [
        b'{"a": "x\xff"}',
        b'{"a": "y"}',
    ]


def test_items_before_a_broken_one_come_out_first() -> None:
    items = array_items([b'[{"a": 1}, {"b": 2}, oops]'], "s3://b/x.json")

    assert [next(items), next(items)] == ['{"a": 1}', '{"b": 2}']
    with pytest.raises(InvalidData, match="item 2"):
        next(items)


def test_a_broken_item_is_reported_at_once_and_where() -> None:
    def blocks() -> Iterator[bytes]:
        yield b'[{"a": 1},\n {"b":\n oops}, ' + b'{"c": 3}, ' * 100
        raise AssertionError("read on")

    with pytest.raises(InvalidData, match="line 3, item 1: is not JSON: Expecting value"):
        list(array_items(blocks(), "s3://b/x.json"))


def test_an_item_that_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "ITEM_CHARACTERS", 50)
    large = json.dumps([{"a": 1}, {"b": "x" * 60}])

    for size in (8, 1000):
        with pytest.raises(InvalidData, match="item 1: .*larger than 50 characters"):
            items_of(large, size)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_array() -> None:
    """64 MB of items, of which a few are held at a time."""
    block = b'{"id": 1, "text": "' + b"x" * 1000 + b'"},' * 1

    def blocks() -> Iterator[bytes]:
        yield b"["
        for _ in range(1000):
            yield block * 64
        yield b"{}]"

    tracemalloc.start()
    count = sum(1 for _ in array_items(blocks(), "s3://b/x.json"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 64_001
    assert peak < 4 * 1024 * 1024


def test_random_arrays_cut_at_random_places() -> None:
    chance = random.Random(4)  # noqa: S311 -- not for secrets

    def value(depth: int) -> Any:
        kind = chance.randrange(6 if depth else 4)
        if kind == 4:
            return [value(depth - 1) for _ in range(chance.randrange(4))]
        if kind == 5:
            return {str(n): value(depth - 1) for n in range(chance.randrange(4))}
        text = "".join(chance.choice('a"\\[]{},: \n\u00e9\u4e16') for _ in range(5))
        return [chance.randrange(-99, 99), chance.random(), None, text][kind]

    for _ in range(200):
        items = [value(3) for _ in range(chance.randrange(8))]
        text = json.dumps(items, indent=chance.choice([None, 1]), ensure_ascii=False)
        found = items_of(text, size=chance.randrange(1, 40))
        assert [json.loads(item) for item in found] == items
