"""Old orchestrators call today's steps, and read what they return; files of old runs are read.

`messages_before.json` has the schemas of the tree that is deployed out there.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from message_schemas import schemas

BEFORE: dict[str, Any] = json.loads(Path(__file__).with_name("messages_before.json").read_text())
# Old class name: today's. The names of classes are not written anywhere.
RENAMED: dict[str, str] = {}
# "Class.field" or "Enum": why another type does no harm, in either direction.
CHANGED: dict[str, str] = {
    "Source.keyTime": "a text still; only contracts written for this release have directives in it",
    **dict.fromkeys(
        (
            *("CsvFormat.compression", "CsvFormat.delimiter", "CsvFormat.encoding"),
            *("JsonFormat.compression", "JsonLinesFormat.compression", "ItemArray.compression"),
        ),
        "has more values; only contracts written for this release have them, and old code says so",
    ),
    **dict.fromkeys(
        ("RunRequest.startDateTime", "RunRequest.endDateTime"),
        "may be relative in messages, which old orchestrators refuse; after its claim it never is",
    ),
    "Limits.objects": "may be more; only contracts written for this release say so",
    "FilesTarget.prefix": "may not begin with stored-objects/, which is the pipeline's own now",
    "UnitOutcome.status": "may be NOT_STARTED, too; no function sends it to another",
}


@cache
def today() -> dict[str, Any]:
    return schemas()


def broken(name: str, now: dict[str, Any]) -> list[str]:
    """What keeps one side from reading what the other has written.

    Args:
        name: of a class or enumeration of before.
        now: today's schemas.
    """
    old, new = BEFORE[name], now.get(RENAMED.get(name, name))
    if new is None:
        return [f"{name} is gone; if it has another name, say so in RENAMED"]
    if "enum" in old:
        same = old["enum"] == new.get("enum") or name in CHANGED
        return [] if same else [f"{name} has other values: one side does not know all"]
    problems = []
    for field, kind in old["fields"].items():
        where = f"{name}.{field}"
        if field not in new["fields"]:
            problems.append(f"{where} is lost: old code of a release may still read it")
        elif renamed(kind) != new["fields"][field] and where not in CHANGED:
            problems.append(f"{where} has another type: say in CHANGED why both sides read both")
    for field in set(new["required"]) - set(old["required"]):
        problems.append(f"{name}.{field} is required now: old code does not write it")
    for field in set(old["required"]) & set(new["omitted"]):
        problems.append(f"{name}.{field} may be left out now: old code requires it")
    return problems


def renamed(kind: Any) -> Any:
    if isinstance(kind, list):
        return [renamed(part) for part in kind]
    if not isinstance(kind, dict):
        return kind
    return {
        key: RENAMED.get(value, value) if key == "$ref" else renamed(value)
        for key, value in kind.items()
    }


@pytest.mark.parametrize("name", sorted(BEFORE))
def test_either_version_reads_what_the_other_writes(name: str) -> None:
    assert broken(name, today()) == []


def test_every_way_to_break_a_message_is_found() -> None:
    now = copy.deepcopy(today())
    del now["Claim"], now["ExplainLoad"]["fields"]["runId"]
    now["ClaimOutcome"]["enum"].append("LATER")
    now["Validate"]["required"].append("priority")
    now["Transform"]["required"].remove("runId")
    now["Transform"]["omitted"].append("runId")
    now["StartUnit"]["fields"]["runId"] = {"type": "integer"}
    found = {name: broken(name, now) for name in BEFORE if broken(name, now)}
    assert {name: len(problems) for name, problems in found.items()} == dict.fromkeys(
        ("Claim", "ClaimOutcome", "ExplainLoad", "Validate", "Transform", "StartUnit"), 1
    )


def test_a_new_field_with_a_default_is_no_problem() -> None:
    now = copy.deepcopy(today())
    now["Validate"]["fields"]["priority"] = {"type": "integer"}
    assert broken("Validate", now) == []
