"""How the records of JSON lie in a text."""

from __future__ import annotations

from typing import Any

import pytest

from cli.proposal.json_layout import layout_of


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"a": 1}\n{"a": 2}\n', {"type": "jsonl"}),
        ('{"a": 1}\n', {"type": "jsonl"}),
        ('{"a": \n', {"type": "jsonl"}),
        ('{"a": 1}{"a": 2}', {"type": "jsonl", "concatenated": True}),
        ('{"a": 1} {"a": 2}\n{"a": 3}', {"type": "jsonl", "concatenated": True}),
        ('{\n  "a": 1\n}\n{\n  "a": 2\n}\n', {"type": "jsonl", "concatenated": True}),
        ('{\n  "a": 1\n}\n', {"type": "jsonl", "concatenated": True}),
        (' [{"a": 1}]', {"type": "json"}),
        ('{"Records": [{"a": 1}]}', {"type": "json", "records": "$.Records"}),
        ('{\n"data": {"items": [{"a": 1}]}, "n": 1}', {"type": "json", "records": "$.data.items"}),
        ('{"lines": [{"a": 1}]}\n{"lines": [{"a": 2}]}', {"type": "jsonl"}),
        ('{"a": [{"x": 1}], "b": [{"y": 1}]}', {"type": "jsonl"}),
        ('{"a b": [{"x": 1}]}', {"type": "jsonl"}),
        ('{"a": [1, 2]}', {"type": "jsonl"}),
    ],
)
def test_it_is_seen_from_the_first_value(text: str, form: dict[str, Any]) -> None:
    assert layout_of(text) == form
