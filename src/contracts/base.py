"""Base of the values that cross a function boundary: frozen, camelCase JSON, no nulls."""

from __future__ import annotations

import json
import math
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Contract(BaseModel):
    """Base of all shared types.

    Unknown fields are ignored: a running execution stays on the version it began on while the plain
    step functions it calls do not, so either side may know a field that the other does not.
    """

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    def to_json(self) -> dict[str, Any]:
        """The value as plain JSON types, camelCase keys, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse what `to_json` made.

        Raises:
            pydantic.ValidationError: a required field is missing or has the wrong type.
        """
        return cls.model_validate(value)


def canonical_json(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def whole_number(parameter: str) -> int:
    """The value of a template parameter that counts something; a fraction is rounded up.

    CloudFormation takes fractions for each parameter of type Number, and AllowedPattern is for
    texts only (CloudFormation User Guide, "Parameters").

    Raises:
        ValueError: it is no number.
    """
    return math.ceil(float(parameter))
