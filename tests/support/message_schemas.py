"""How everything that crosses a function boundary is written, as data that can be compared.

Run as a program it prints the schemas of the `contracts` that it finds on PYTHONPATH.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import Any

import contracts
from contracts.base import Contract

Json = dict[str, Any]
_SAID_ONLY = ("title", "description", "default")  # to people, or when a field is absent


def schemas() -> Json:
    """By class name: its fields as they are written, which are required, and which may be null.

    The values of enumerations stand beside the classes.
    """
    for module in pkgutil.walk_packages(contracts.__path__, "contracts."):
        importlib.import_module(module.name)
    found: Json = {}
    for kind in _subclasses(Contract):
        schema = kind.model_json_schema(by_alias=True)
        if "properties" not in schema and "$defs" in schema:  # it refers to itself
            schema = {**schema["$defs"].get(kind.__name__, {}), "$defs": schema["$defs"]}
        found[kind.__name__] = {
            "fields": {name: _plain(field) for name, field in schema.get("properties", {}).items()},
            "required": sorted(schema.get("required", [])),
            "omitted": sorted(
                field.alias or name
                for name, field in kind.model_fields.items()
                if not field.is_required() and field.get_default(call_default_factory=True) is None
            ),
        }
        for name, part in schema.get("$defs", {}).items():
            if "enum" in part:
                found[name] = {"enum": sorted(part["enum"])}
    return found


def _subclasses(kind: type[Contract]) -> list[type[Contract]]:
    return [one for sub in kind.__subclasses__() for one in (sub, *_subclasses(sub))]


def _plain(schema: Any) -> Any:
    """A field's schema without what is only said to people."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.rpartition("/")[2] if key == "$ref" else _plain(value)
        for key, value in schema.items()
        if key not in _SAID_ONLY
    }


if __name__ == "__main__":
    lines = (
        f"{json.dumps(name)}: {json.dumps(one, sort_keys=True)}"
        for name, one in sorted(schemas().items())
    )
    print("{\n" + ",\n".join(lines) + "\n}")
