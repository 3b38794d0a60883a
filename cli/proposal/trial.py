"""Try a contract on its own sample, by the validation that is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.dataset import Dataset, ParquetFormat
from contracts.errors import InvalidData
from sources import fetch
from tabular.workspace import workspace
from validation.row_classes import RowClassifier
from validation.unit_split import SplitResult, split_parquet, split_text

_MEMORY: Final = 2048  # MB, of which DuckDB gets about half
_REASONS: Final = 3


@dataclass(frozen=True)
class Trial:
    """What validation makes of a sample.

    Attributes:
        rows: that were read.
        rejected: of them.
        reasons: why, the most frequent first, each with the first row that it concerns.
        refused: why the sample as a whole cannot be read; absent if it can.
    """

    rows: int = 0
    rejected: int = 0
    reasons: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def lost(self) -> float:
        """The share of the rows that are rejected, from 0 to 1."""
        if self.refused:
            return 1.0
        return self.rejected / self.rows if self.rows else 0.0


def try_out(dataset: Dataset, sample: Path, at_most: int) -> Trial:
    """Validate a sample by a contract.

    Args:
        at_most: bytes of its text; the rest is not looked at.
    """
    classifier = RowClassifier(dataset, None)
    with workspace(_MEMORY) as space:
        try:
            if isinstance(dataset.format, ParquetFormat):
                copy = space.path("source.parquet")
                copy.write_bytes(sample.read_bytes())
                return _trial(split_parquet(space, [copy], classifier, sample.name))
            with sample.open("rb") as opened:
                text = fetch.text_in(opened, sample.name, dataset.format)
                return _trial(split_text(space, _beginning(text, at_most), classifier, sample.name))
        except InvalidData as error:
            return Trial(refused=str(error))


def _beginning(blocks: Iterable[bytes], at_most: int) -> Iterator[bytes]:
    """A text, cut after a line once it is too long."""
    size = 0
    for block in blocks:
        size += len(block)
        if size > at_most and b"\n" in block:
            yield block[: block.rindex(b"\n") + 1]
            return
        yield block


def _trial(found: SplitResult) -> Trial:
    reasons = []
    for rule in found.rules.most_frequent()[:_REASONS]:
        example = f", such as {rule.examples[0]!r}" if rule.examples else ""
        reasons.append(f"{rule.rows} by {rule.name}: {rule.reason}{example}")
    return Trial(found.records, found.rejected, tuple(reasons))
