"""`onlyNew`: a run takes only objects that no unit has stored yet. Pure."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final

from pydantic import (
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from contracts.base import Contract, canonical_json

SCOPE_CHARACTERS: Final = 16
_WHAT_IT_MAY_BE: Final = 'must be true, false or {"perVersion": true}'
_JSON_SCHEMA: Final = {
    "anyOf": [
        {"type": "boolean"},
        {
            "type": "object",
            "properties": {"perVersion": {"type": "boolean"}},
            "required": ["perVersion"],
            "additionalProperties": False,
        },
    ]
}


class NewObjects(Contract):
    """Which objects are new.

    Attributes:
        per_version: an object is new, too, if it was stored only under other versions of the
            contract. Otherwise a changed contract makes nothing new.
    """

    model_config = ConfigDict(extra="forbid")

    per_version: StrictBool


def _parsed(value: Any) -> NewObjects | None:
    if isinstance(value, NewObjects) or value is None:
        return value
    if isinstance(value, bool):
        return NewObjects(per_version=False) if value else None
    try:
        return NewObjects.model_validate(value)
    except ValidationError:
        raise PydanticCustomError("only_new", _WHAT_IT_MAY_BE) from None


def _written(value: NewObjects | None) -> Any:
    """The shortest spelling, so that equal requests are equal texts; false is left out."""
    if value is None or value.per_version:
        return None if value is None else value.to_json()
    return True


OnlyNew = Annotated[
    NewObjects,
    PlainValidator(_parsed),
    PlainSerializer(_written),
    WithJsonSchema(_JSON_SCHEMA),
]


class Scope(Contract):
    """What objects are stored under: an object that was stored in one is new in another.

    Attributes:
        dataset_name: of the contract.
        index: the collection, or its default.
        query: of the request; rows that it leaves out are not stored.
    """

    dataset_name: str
    index: str
    query: str | None = None

    @property
    def name(self) -> str:
        """A part of keys that stands for index and query."""
        text = canonical_json([self.index, self.query])
        return hashlib.sha256(text.encode()).hexdigest()[:SCOPE_CHARACTERS]
