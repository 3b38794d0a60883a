"""The base of what a contract file says, and the types that its fields share."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Strict

from contracts.base import Contract


class StrictContract(Contract):
    """A contract file is written by people: an unknown field is a typing mistake.

    Types say by `json_schema_extra` what their validators refuse, as far as a schema can: so that
    editors and `pipeline dataset check` agree.
    """

    model_config = ConfigDict(extra="forbid")


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# As JSON Schema has them: no number is given as text, no truth as a number, and 5.0 is whole.
Whole: Final = BeforeValidator(_whole)
Integer = Annotated[int, Strict(), Whole]
Number = Annotated[float, Strict()]
Truth = Annotated[bool, Strict()]
# Context of validation: the contract was accepted before a run froze it.
FROZEN: Final = "frozen"
