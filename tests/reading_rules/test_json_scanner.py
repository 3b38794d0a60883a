"""JSON that is no array by itself, and why a text or a line of it is none."""

from __future__ import annotations

import json

import pytest

from reading_rules.json.reasons import why_no_object
from reading_rules.json.values import array_items, concatenated_values, enveloped_items
from reading_rules.text_error import TextError


def blocks(text: str, size: int) -> list[bytes]:
    data = text.encode()
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_values_in_a_row_come_out_one_by_one_with_their_lines(size: int) -> None:
    text = '{"a":\n1}{"a":"}{"} \n\n[5,\n6]\n7 8\n{"b": 1.50}'
    begins: list[int] = []
    found = list(concatenated_values(blocks(text, size), begins.append))
    assert found == ['{"a": 1}', '{"a":"}{"}', "[5, 6]", "7", "8", '{"b": 1.50}']
    assert begins == [1, 2, 4, 6, 6, 7]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a":1}\n{"a":', "line 2, record 1: is cut off"),
        ('{"a":1}\n{"a" 1}' + " " * 40, "line 2, record 1: is not JSON: Expecting ':' delimiter"),
        ('{"a":1},{"a":2}' + " " * 40, "line 1, record 1: is not JSON: Expecting value"),
        ("NaN", "line 1, record 0: is not JSON: NaN is no number"),
    ],
)
def test_what_is_no_json_says_where_and_why(text: str, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        list(concatenated_values(blocks(text, 7)))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_items_are_found_within_their_envelope(size: int) -> None:
    value = {"n": [1], "r": {"x": {"items": 3}, "items": [{"id": 1}, "],", []], "z": 1}, "y": {}}
    text = json.dumps(value, indent=1) + '\n{"r": {"items": []}}{"r":{"items":[7]}}'
    found = list(enveloped_items(blocks(text, size), ["r", "items"]))
    assert [json.loads(item) for item in found] == [{"id": 1}, "],", [], 7]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"count": 2}', r"line 1, item 0: has no \$.Records .*; its keys there are: count"),
        ("{}", "its keys there are: none"),
        ('{"Records": {}}', r"has no array at \$.Records \(format.records\): it begins '{'"),
        ('{"Records": [1],\n"Records": []}', r"line 2, item 1: has \$.Records twice"),
        ("[1]", "has '\\[' where the object around the array begins"),
        ('{"Records": [1]', "item 1: has the end of the object where ',' or '}' belongs"),
        ('{"Records": [1,', "item 1: is cut off"),
        ('{"Records": [1]} x', "has 'x' where the object around the array begins"),
        ("{Records: []}", "has 'R' where a key in quotes belongs"),
        ('{"Records" []}', r"has '\[' where ':' belongs"),
    ],
)
def test_an_envelope_without_its_array_is_refused(text: str, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        list(enveloped_items(blocks(text, 4), ["Records"]))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('{"a":1}\n{"a":2}\n', "instead of '[' (JSON lines need a contract of format jsonl)"),
        ('\n{"Records": [{"a":1}]}', "needs format.records, such as $.Records)"),
        ('{"Records": [' + "1, " * 600_000 + "1]}", "needs format.records, such as $.Records)"),
        ("id,n", "it begins with 'i' instead of '['"),
    ],
    ids=["lines", "envelope", "large envelope", "CSV"],
)
def test_an_object_where_an_array_is_due_says_which_format_it_may_be(
    text: str, advice: str
) -> None:
    with pytest.raises(TextError) as refused:
        list(array_items(blocks(text, 100_000)))
    assert str(refused.value).startswith(f"line {1 + text.startswith(chr(10))}, item 0: ")
    assert str(refused.value).endswith(advice)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "not a JSON object, but an array"),
        ("5", "not a JSON object, but a number"),
        ('"x"', "not a JSON object, but a text"),
        ("null", "not a JSON object, but null"),
        ("true", "not a JSON object, but true or false"),
        ('{"a":1}{"a":2} {"a":3}', "not a JSON object: 3 objects are in one line, and one is due"),
        ('{"a":1},', "not a JSON object: ',' follows it, at character 8"),
        ('{"a":1', "not a JSON object: it is cut off at the line's end (format.concatenated"),
        ("{", "not a JSON object: it is cut off at the line's end"),
        ("{'a':1}", "not a JSON object: expecting property name enclosed in double quotes"),
        ('{"a":NaN}', "not a JSON object: NaN is no number of JSON"),
        ("id,n", "not a JSON object: expecting value at character 1"),
        ("[" * 100_000, "not a JSON object: it is nested too deeply"),
    ],
)
def test_a_line_that_is_no_record_says_why(line: str, reason: str) -> None:
    assert why_no_object(line).startswith(reason)
