"""Docstrings of contract types as descriptions in their JSON Schema."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

from pydantic import BaseModel

from contracts.base import Contract

_ATTRIBUTE: Final = re.compile(r"^(\w+(?:, \w+)*):(?: (.*)|)$")


def describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Put what the type's docstring says into its schema: of itself and of each field."""
    summary = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:")[0]
    schema["description"] = " ".join(summary.split())
    described: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if issubclass(ancestor, Contract):
            described |= described_fields(ancestor)
    for name, field in model.model_fields.items():
        if name in described:
            schema["properties"][field.alias or name]["description"] = described[name]


def described_fields(model: type[BaseModel]) -> dict[str, str]:
    """What a type's docstring says of its fields, by their names in Python."""
    _, _, attributes = inspect.cleandoc(model.__doc__ or "").partition("\nAttributes:\n")
    described: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(attributes).splitlines():
        begun = _ATTRIBUTE.match(line)
        if begun:
            names = begun[1].split(", ")
        for name in names:
            text = begun[2] if begun else line.strip()
            described[name] = f"{described.get(name, '')} {text}".strip()
    return described
