"""What commands print with `--json`, checked against the schemas that ship in docs/json/."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import jsonschema

from cli.documents.catalogue import ERROR, schema_file

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "json"
# Values under these names have the names of the dataset's own columns.
_OF_THE_DATA: Final = {"attributes", "raw", "row", "result"}
_CAMEL: Final = re.compile(r"[a-z][a-zA-Z0-9]*")


def document(command: str, output: str) -> dict[str, Any]:
    """The one document in what a command printed; fails unless it is as its schema says."""
    schema = json.loads((FOLDER / schema_file(command)).read_text("utf-8"))
    found: dict[str, Any] = json.loads(output)
    jsonschema.Draft202012Validator(_closed(schema)).validate(found)
    assert not [name for name in _names(found) if not _CAMEL.fullmatch(name)]
    return found


def error_of(output: str) -> dict[str, Any]:
    """The error in what a command printed that failed."""
    error: dict[str, Any] = document(ERROR, output)["error"]
    return error


def _closed(schema: Any) -> Any:
    """The schema, with no field allowed that it does not name: readers see every field there."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def _names(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for each in value for name in _names(each)]
    if not isinstance(value, dict):
        return []
    inner = (each for name, each in value.items() if name not in _OF_THE_DATA)
    return [*value, *(name for each in inner for name in _names(each))]
