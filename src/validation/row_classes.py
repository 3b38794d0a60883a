"""How the rows of one contract are told apart: valid, warned of, rejected, filtered out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from contracts.dataset import Dataset
from reading.reader import Reader
from reading_rules.casts import filtered_out
from tabular.sql import any_of, sql_identifier
from validation.checks import Check, cast_column, checks

BLANK: Final = "blank"
MALFORMED: Final = "malformed"
FILTERED: Final = "filtered"


@dataclass(frozen=True)
class Split:
    """A contract's checks as SQL.

    Attributes:
        query: the request's, if it is to be applied here.
    """

    dataset: Dataset
    query: str | None

    @cached_property
    def every(self) -> tuple[Check, ...]:
        """The contract's checks; a check's code is its position here."""
        return tuple(checks(self.dataset))

    @property
    def names(self) -> str:
        return ", ".join(sql_identifier(column.name) for column in self.dataset.columns)

    @property
    def warns(self) -> bool:
        return any(not check.rejects for check in self.every if check.broken is not None)

    @property
    def looks_at_sets(self) -> bool:
        """Whether a check needs the other rows, too."""
        return any(check.broken is None for check in self.every)

    def typed(self, relation: str) -> str:
        values = ", ".join(
            f"{cast_column(c)} AS {sql_identifier(c.name)}" for c in self.dataset.columns
        )
        return f"(SELECT *, {values} FROM {relation})"

    def suspect(self, reader: Reader) -> str:
        """True for a record that is more, or less, than a valid row."""
        touched = [reader.touched] if reader.touched else []
        return any_of([*self._passed_over(reader).values(), *touched, *self._broken().values()])

    def unfit(self, reader: Reader) -> str:
        """True for a record that is no valid row."""
        rejecting = (sql for n, sql in self._broken().items() if self.every[n].rejects)
        return any_of([*self._passed_over(reader).values(), *rejecting])

    def told(self, reader: Reader) -> str:
        """True for a record whose fields are evidence."""
        passed = self._passed_over(reader)
        return f"({any_of([sql for word, sql in passed.items() if word != MALFORMED])}) IS NOT TRUE"

    def state(self, reader: Reader) -> str:
        """What a suspect is: one of the words above, or the codes of what it breaks."""
        cases = "".join(
            f" WHEN {sql} THEN '{word}'" for word, sql in self._passed_over(reader).items()
        )
        codes = ", ".join(f"CASE WHEN {sql} THEN '{n}' END" for n, sql in self._broken().items())
        return f"CASE{cases} WHEN true THEN concat_ws(',', NULL, {codes or 'NULL'}) END"

    def _passed_over(self, reader: Reader) -> dict[str, str]:
        words = {BLANK: reader.blank, MALFORMED: reader.malformed, FILTERED: self._filter}
        return {word: sql for word, sql in words.items() if sql}

    def _broken(self) -> dict[int, str]:
        """The checks that a row by itself can break, by code."""
        return {n: check.broken for n, check in enumerate(self.every) if check.broken is not None}

    @property
    def _filter(self) -> str | None:
        """True for a row that the query leaves out: one all of whose values have their types."""
        if self.query is None:
            return None
        types = {column.name: column.type for column in self.dataset.columns}
        return filtered_out(types, self.query)
