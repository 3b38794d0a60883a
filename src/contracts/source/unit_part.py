"""Some objects of a unit that holds several: what one job reads when a job of all has failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_STAGE: Final = re.compile(r"([^.]+)\.([0-9]{4})-([0-9]{4})")


@dataclass(frozen=True)
class UnitPart:
    """Consecutive objects: places `first` to `last` in the unit, both included, from 0.

    A job of a part has the stage `clean.0000-0099` in its key. So its record in the ledger, its
    output and its tries are its own, and whoever knows keys of jobs knows these.
    """

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def halves(self) -> tuple[UnitPart, UnitPart]:
        """Both, the first no larger; of a part of at least two objects."""
        middle = self.first + len(self) // 2
        return UnitPart(self.first, middle - 1), UnitPart(middle, self.last)

    def stage(self, of_chain: str) -> str:
        """The stage of this part's job."""
        return f"{of_chain}.{self.first:04d}-{self.last:04d}"


def stage_and_part(stage: str) -> tuple[str, UnitPart | None]:
    """The stage of the chain, and which part of the unit a job is of; None: all of it."""
    found = _STAGE.fullmatch(stage)
    if found is None:
        return stage, None
    return found[1], UnitPart(int(found[2]), int(found[3]))
