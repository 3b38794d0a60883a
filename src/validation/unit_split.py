"""The rows of one source, split: the valid ones as Parquet, the rejected ones as JSON lines.

A source goes through in pieces, each on its own and several at a time, while the rest of it still
comes. What needs memory is one piece for each processor, whatever the source's size and dirt.
"""

from __future__ import annotations

import itertools
import queue
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from reading.chunks import (
    PIECE_BYTES,
    WHOLE_BYTES,
    Cutter,
    Piece,
    TooLargeAWhole,
    blocks_of,
)
from reading.reader import open_source, unreadable
from reading_rules.line_ends import with_equal_line_ends
from tabular import workspace
from tabular.sql import sql_literal
from tabular.workspace import Workspace
from validation import set_checks
from validation.row_classes import Split
from validation.scanner import BytesForTexts, CutWithin, MixedLineEnds, Scanned, Scanner
from validation.violations import BrokenRules

PARQUET_ROWS: Final = 245_760  # of a piece; two of DuckDB's row groups


@dataclass(frozen=True)
class UnitRows:
    """What a source's records are.

    Attributes:
        parts: files with the valid rows, in order; none is empty unless it is the only one.
        rejects: files with the rejected rows, in order.
        rules: what rejected and warned rows break.
        rejected: rows, malformed ones included.
        warned: valid rows that a rule warns of.
    """

    parts: tuple[Path, ...]
    rejects: tuple[Path, ...]
    rules: BrokenRules
    valid: int
    malformed: int
    rejected: int
    filtered: int
    warned: int

    @property
    def records(self) -> int:
        """Rows that were read, malformed ones included."""
        return self.valid + self.rejected + self.filtered


def split_text(
    space: Workspace,
    blocks: Iterable[bytes],
    split: Split,
    url: str,
    processors: int = 1,
    piece_bytes: int | None = PIECE_BYTES,
) -> UnitRows:
    """Split a text's rows by the contract.

    Args:
        blocks: the text, cut anywhere; its first pieces are scanned while the rest comes.
        url: how messages and the quarantine name it.
        processors: how many pieces to scan at a time.
        piece_bytes: about how large a piece becomes; None: the text is one.

    Raises:
        InvalidData: it is unreadable as a whole, or a rule cannot be computed.
    """
    form = split.dataset.format
    cut = _Cut(Cutter(space.directory, form, "piece", piece_bytes), blocks)
    quote = form.quote.encode() if isinstance(form, CsvFormat) else b""
    # Line ends are made equal outside of quotes; everywhere, if the quotes are wrong.
    evenings = [("even", quote), ("flat", b"")] if quote else [("flat", b"")]
    trusts = False
    while True:
        try:
            return _split(space, cut, split, url, processors, trusts_line_ends=trusts)
        except MixedLineEnds as error:
            if not evenings:
                raise unreadable(url, error) from error
            name, kept = evenings.pop(0)
            even = with_equal_line_ends(cut.text(), kept)
            cut = _Cut(Cutter(space.directory, form, name, piece_bytes), even)
            trusts = True
        except CutWithin as reason:  # never by a text in one piece
            if cut.size > WHOLE_BYTES:
                raise InvalidData(
                    f"{reason}. So it is open where rows begin, and with"
                    f" {cut.size / workspace.MEGABYTE:.0f} MB the text is too large to be read as"
                    f" a whole (up to {WHOLE_BYTES // workspace.MEGABYTE} MB); mend or split the"
                    " object"
                ) from reason
            piece_bytes = None
            cut = _Cut(Cutter(space.directory, form, "whole", None), cut.text())
        except TooLargeAWhole as reason:
            raise InvalidData(
                f"{url}: its quotes leave open where rows begin, so it can only be read as a whole,"
                f" but {reason}; mend the object"
            ) from reason
        _forget(space)


def split_parquet(
    space: Workspace, files: Sequence[Path], split: Split, url: str, processors: int = 1
) -> UnitRows:
    """Split the rows of Parquet files, taken as one; see `split_text`."""
    try:
        pieces = list(_ranges(space, files))
    except duckdb.Error as error:
        raise unreadable(url, error) from error
    try:
        return _split(space, pieces, split, url, processors)
    except BytesForTexts:
        _forget(space)
        return _split(space, pieces, split, url, processors, raw_texts=True)


class _Cut:
    """The pieces of a text, and the text again, of those that there are."""

    def __init__(self, cutter: Cutter, blocks: Iterable[bytes]) -> None:
        self._made = cutter.made
        self._pieces = cutter.cut(blocks)

    def __iter__(self) -> Iterator[Piece]:
        return self._pieces

    @property
    def size(self) -> int:
        """Bytes; reads what has not come yet."""
        deque(self._pieces, maxlen=0)
        return sum(piece.path.stat().st_size for piece in self._made)

    def text(self) -> Iterator[bytes]:
        """All of it; the pieces go."""
        deque(self._pieces, maxlen=0)
        return blocks_of(self._made)


def _forget(space: Workspace) -> None:
    """Remove what was made of pieces that are cut anew."""
    for pattern in ("valid-*.parquet", "rejected-*.jsonl"):
        for path in space.directory.glob(pattern):
            path.unlink()


def _ranges(space: Workspace, files: Sequence[Path]) -> Iterator[Piece]:
    number, row = 0, 1
    for path in files:
        groups = space.connection.execute(
            f"SELECT any_value(row_group_num_rows) FROM parquet_metadata({sql_literal(path)})"
            " GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()
        first = 0
        for (rows,) in groups or [(0,)]:
            for begin in range(first, first + rows, PARQUET_ROWS) or [first]:
                count = min(PARQUET_ROWS, first + rows - begin)
                yield Piece(number, path, row, count, first_row=begin)
                number, row = number + 1, row + count
            first += rows


def _split(
    space: Workspace,
    pieces: Iterable[Piece],
    split: Split,
    url: str,
    processors: int,
    *,
    trusts_line_ends: bool = True,
    raw_texts: bool = False,
) -> UnitRows:
    waiting = iter(pieces)
    first = next(waiting)
    if first.is_mixed and not trusts_line_ends:
        raise MixedLineEnds
    try:
        reader = open_source(first, split.dataset, url, raw_texts=raw_texts)
        with workspace.side_by_side(space, processors) as connections:
            scanners = [Scanner(connection, reader, split, url) for connection in connections]
            every = itertools.chain([first], waiting)
            found = list(_scanned(space, every, scanners, trusts_line_ends=trusts_line_ends))
        sets = set_checks.check(space, reader, split, found, url)
    except duckdb.Error as error:
        raise unreadable(url, error) from error
    rules = BrokenRules()
    for one in (*(piece.rules for piece in found), sets.rules):
        rules.add(one)
    rejects = [piece.rejects for piece in found if piece.rejected]
    parts = [piece.path for piece in found if piece.valid] or [found[0].path]
    return UnitRows(
        parts=tuple(parts),
        rejects=(*rejects, *sets.rejects),
        rules=rules,
        valid=sum(piece.valid for piece in found),
        malformed=sum(piece.malformed for piece in found),
        rejected=sum(piece.rejected for piece in found) + sets.rejected,
        filtered=sum(piece.filtered for piece in found),
        warned=sum(piece.warned for piece in found) + sets.warned,
    )


def _scanned(
    space: Workspace,
    pieces: Iterable[Piece],
    scanners: Sequence[Scanner],
    *,
    trusts_line_ends: bool,
) -> Iterator[Scanned]:
    """Scan pieces side by side; answers in their order.

    Raises:
        MixedLineEnds: in a piece they are mixed, and are not known to be meant.
    """
    idle: queue.SimpleQueue[Scanner] = queue.SimpleQueue()
    for scanner in scanners:
        idle.put(scanner)

    def scan(piece: Piece) -> Scanned:
        scanner = idle.get()
        try:
            return scanner.scan(piece, space.directory)
        finally:
            idle.put(scanner)

    waiting: deque[Future[Scanned]] = deque()
    with ThreadPoolExecutor(len(scanners)) as pool:
        try:
            for piece in pieces:
                if piece.is_mixed and not trusts_line_ends:
                    raise MixedLineEnds
                waiting.append(pool.submit(scan, piece))
                if len(waiting) > 2 * len(scanners):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
