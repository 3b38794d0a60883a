"""What the scan of one chunk has found."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from pathlib import Path

from reading.chunks import Chunk
from reading.line_numbers import LineNumbers
from validation.violations import BrokenRules


@dataclass
class Scanned:
    """The result of one chunk.

    Attributes:
        valid: rows in the file `path`.
        rejected: rows in the file `rejects`, malformed ones included; it is there if there are any.
        rules: what rejected and warned rows break.
        invalid: the numbers of the rows that are not valid.
        lines: at which line each row begins.
    """

    chunk: Chunk
    path: Path
    rejects: Path
    valid: int = 0
    malformed: int = 0
    rejected: int = 0
    filtered: int = 0
    warned: int = 0
    rules: BrokenRules = field(default_factory=BrokenRules)
    invalid: array[int] = field(default_factory=lambda: array("q"))
    lines: LineNumbers = field(default_factory=LineNumbers)

    def without_numbers(self) -> Scanned:
        """Drop the row numbers, which only checks of sets need: a dirty source has too many."""
        return replace(self, invalid=array("q"), lines=LineNumbers())
