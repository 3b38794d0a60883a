"""When a partition may be read: `source.ready`."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, Strict, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.base import Contract
from contracts.source.strict import StrictContract, Whole

WAIT_SECONDS: Final = 24 * 3600
WAIT_SECONDS_AT_MOST: Final = 6 * 24 * 3600  # of the 7 days that a long run has unless configured
_Seconds = Annotated[int, Strict(), Field(ge=1, le=WAIT_SECONDS_AT_MOST), Whole]
_READY: Final[JsonDict] = {
    "if": {"properties": {"otherwise": {"enum": ["skip", "fail"]}}, "required": ["otherwise"]},
    "then": {"properties": {"waitSeconds": False}},
}


class Ready(StrictContract):
    """A partition is read only when its marker is there.

    Attributes:
        marker: the key of an object, below the partition, that whoever writes the partition puts
            there last, such as `_SUCCESS`. It is never read as data.
        otherwise: what becomes of a partition without it: `wait` until it is there, `skip` the
            partition and say so, `fail` the run.
        wait_seconds: how long a run waits, from when it first looked; then it fails. A day, unless
            said.
    """

    model_config = ConfigDict(json_schema_extra=_READY)

    marker: str = Field(pattern=r"^[^/]", min_length=1, max_length=256)
    otherwise: Literal["wait", "skip", "fail"] = "wait"
    wait_seconds: _Seconds | None = None

    @model_validator(mode="after")
    def _only_who_waits_says_how_long(self) -> Self:
        if self.otherwise != "wait" and self.wait_seconds is not None:
            raise PydanticCustomError(
                "ready",
                "waitSeconds goes with otherwise: wait; a run does not wait with"
                " otherwise: {otherwise}",
                {"otherwise": self.otherwise},
            )
        return self

    @property
    def patience_seconds(self) -> int:
        """How long a run waits for markers."""
        return WAIT_SECONDS if self.wait_seconds is None else self.wait_seconds


class NotReady(Contract):
    """Partitions of the range that a run left out, as their markers were not there.

    Attributes:
        count: how many.
        marker: what each lacked.
        partitions: their names, in order of time; of those that follow one another the first and
            the last: `dt=2026-11-03/ to dt=2026-11-09/`. The first ones, if there are many.
    """

    count: int
    marker: str
    partitions: tuple[str, ...]
