"""The ends of a text's lines: CR LF, CR or LF, which DuckDB expects to be all alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator


class LineEnds:
    """Counts the ends of a text's lines, block by block, be they in values or not.

    Attributes:
        line_feeds: how many there are, with or without a CR before them.
        unended: bytes behind the last end, of whatever kind.
    """

    def __init__(self) -> None:
        self.line_feeds = self.unended = 0
        self._returns = self._pairs = 0
        self._last = b""

    def add(self, block: bytes, line_feeds: int | None = None) -> None:
        """Count those of the next block.

        Args:
            line_feeds: how many it has, where that is known.
        """
        self.line_feeds += block.count(b"\n") if line_feeds is None else line_feeds
        if b"\r" in block or self._last == b"\r":
            self._returns += block.count(b"\r")
            self._pairs += (self._last + block).count(b"\r\n")
        self._last = block[-1:] or self._last
        end = block.rfind(b"\n")
        end = end if end >= 0 else block.rfind(b"\r")
        self.unended = len(block) - end - 1 if end >= 0 else self.unended + len(block)

    @property
    def are_mixed(self) -> bool:
        """Whether they are neither all CR LF nor all LF."""
        return not self._returns == self._pairs in (0, self.line_feeds)


def with_equal_line_ends(blocks: Iterable[bytes], quote: bytes = b"") -> Iterator[bytes]:
    """The same with LF at every line's end, where CR LF, CR and LF are mixed.

    Args:
        quote: what stands between two of these stays as it is; none: nothing does.
    """
    within = False
    rest = b""
    for block in itertools.chain(blocks, [b""]):
        text, rest = rest + block, b""
        if block and text.endswith(b"\r"):  # perhaps the first half of a line end
            text, rest = text[:-1], text[-1:]
        parts = text.split(quote) if quote else [text]
        for number in range(within, len(parts), 2):
            parts[number] = parts[number].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        within = within != (len(parts) % 2 == 0)
        yield quote.join(parts)
