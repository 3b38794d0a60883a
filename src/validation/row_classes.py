"""How rows are classified: valid, flagged by a warning, rejected, or filtered out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from contracts.dataset import Dataset
from validation.checks import RowChecks


@dataclass(frozen=True)
class RowClassifier:
    """A contract's checks, and a request's query.

    Attributes:
        given: texts of the columns that are not in the source, by name.
        query: absent where it is not to be applied, or was applied before.
    """

    dataset: Dataset
    query: str | None
    given: Mapping[str, str | None] = field(default_factory=dict)

    @cached_property
    def checks(self) -> RowChecks:
        return RowChecks.of(self.dataset)
