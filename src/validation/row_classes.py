"""How rows are classified: valid, flagged by a warning, rejected, or filtered out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from contracts.dataset import Dataset
from validation.checks import RowChecks


@dataclass(frozen=True)
class RowClassifier:
    """A contract's checks, and a request's query.

    Attributes:
        query: absent where it is not to be applied, or was applied before.
    """

    dataset: Dataset
    query: str | None

    @cached_property
    def checks(self) -> RowChecks:
        return RowChecks.of(self.dataset)
