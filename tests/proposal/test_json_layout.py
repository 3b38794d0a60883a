"""How the records of JSON lie in a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.proposal.contract import Origin
from cli.proposal.json_layout import layout_of
from cli.proposal.propose import propose
from dataset_loading.check import check_dataset


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


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("12345678901234567890.123", "decimal(38,3)"),
        ("123456789012345678901234567890", "decimal(38,0)"),
        ("1.23456789012345678e+16", "string"),
        ("0.1", "decimal(18,1)"),
        ("1.50", "decimal(18,2)"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_numbers_of_json_keep_their_digits(
    tmp_path: Path, name: str, value: str, kind: str
) -> None:
    file = tmp_path / name
    rows = [f'{{"id": "a", "x": {value}}}', f'{{"id": "b", "x": {value}}}']
    file.write_text("\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]")
    text = propose("sales", Origin(name), file, tmp_path, files=False)
    found = check_dataset(text, "sales").dataset
    assert found.column_types == {"id": "string", "x": kind}
    assert found.limits.rejected_percentage == 10
