"""Splits the rows of one source: valid ones as Parquet, rejected ones as JSON lines.

A source is read in chunks, several at a time, while the rest of it is still arriving. Memory holds
one chunk per processor, however large or dirty the source is.
"""

from __future__ import annotations

import itertools
import queue
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from reading.chunks import (
    CHUNK_BYTES,
    WHOLE_BYTES,
    Chunk,
    Cutter,
    TooLargeAWhole,
    TooLongRecord,
    blocks_of,
)
from reading.reader import open_source, unreadable
from reading_rules.line_ends import with_equal_line_ends
from reading_rules.malformed import too_long
from reading_rules.source_lines import SourceLines
from tabular import workspace
from tabular.sql import sql_literal
from tabular.workspace import Workspace
from validation import set_checks
from validation.missing_keys import find_missing_keys
from validation.row_classes import RowClassifier
from validation.scanned import Scanned
from validation.scanner import BytesForTexts, CutWithin, MixedLineEnds, Scanner
from validation.violations import BrokenRules

PARQUET_ROWS: Final = 245_760  # of a chunk; two of DuckDB's row groups


@dataclass(frozen=True)
class SplitResult:
    """The result of splitting a source.

    Attributes:
        parts: files with the valid rows, in order; none is empty unless it is the only one.
        rejects: files with the rejected rows, in order.
        rules: what rejected and warned rows break.
        rejected: rows, malformed ones included.
        warned: valid rows that a rule warns of.
        near_keys: of JSON, for columns that no record has: the key that is nearly the same.
    """

    parts: tuple[Path, ...]
    rejects: tuple[Path, ...]
    rules: BrokenRules
    valid: int
    malformed: int
    rejected: int
    filtered: int
    warned: int
    near_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Rows that were read, malformed ones included."""
        return self.valid + self.rejected + self.filtered


def split_text(
    space: Workspace,
    blocks: Iterable[bytes],
    classifier: RowClassifier,
    url: str,
    processors: int = 1,
    chunk_bytes: int | None = CHUNK_BYTES,
    lines: SourceLines | None = None,
) -> SplitResult:
    """Split a text's rows by the contract.

    Args:
        blocks: the text, cut anywhere; its first chunks are scanned while the rest comes.
        url: how messages and the quarantine name it.
        processors: how many chunks to scan at a time.
        chunk_bytes: about how large a chunk becomes; None: the text is one.
        lines: of the object, where those of the text are others.

    Raises:
        InvalidData: it is unreadable as a whole, or a rule cannot be computed.
    """
    form = classifier.dataset.format
    cut = _Cut(Cutter(space.directory, form, "chunk", chunk_bytes), blocks)
    quote = form.quote.encode() if isinstance(form, CsvFormat) else b""
    # Line ends are made equal outside of quoted values; everywhere, if the quotes are wrong.
    evenings = [("even", quote), ("flat", b"")] if quote else [("flat", b"")]
    trusts = False
    while True:
        try:
            return _split(
                space, cut, classifier, url, processors, trusts_line_ends=trusts, lines=lines
            )
        except MixedLineEnds as error:
            if not evenings:
                raise unreadable(url, error) from error
            name, quoted_by = evenings.pop(0)
            even = with_equal_line_ends(cut.text(), quoted_by)
            cut = _Cut(Cutter(space.directory, form, name, chunk_bytes), even)
            trusts = True
        except CutWithin as reason:  # never by a text in one chunk
            if cut.size > WHOLE_BYTES:
                raise InvalidData(
                    f"{reason}. So it is open where rows begin, and with"
                    f" {cut.size / workspace.MEGABYTE:.0f} MB the text is too large to be read as"
                    f" a whole (up to {WHOLE_BYTES // workspace.MEGABYTE} MB); fix or split the"
                    " object"
                ) from reason
            chunk_bytes = None
            cut = _Cut(Cutter(space.directory, form, "whole", None), cut.text())
        except TooLongRecord as line:
            raise InvalidData(too_long(f"{url}, line {line}")) from line
        except TooLargeAWhole as reason:
            raise InvalidData(
                f"{url}: its quotes leave open where rows begin, so it can only be read as a whole,"
                f" but {reason}; fix the object"
            ) from reason
        _forget(space)


def split_parquet(
    space: Workspace,
    files: Sequence[Path],
    classifier: RowClassifier,
    url: str,
    processors: int = 1,
) -> SplitResult:
    """Split the rows of Parquet files, taken as one; see `split_text`."""
    try:
        chunks = list(_ranges(space, files))
    except duckdb.Error as error:
        raise unreadable(url, error) from error
    try:
        return _split(space, chunks, classifier, url, processors)
    except BytesForTexts:
        _forget(space)
        return _split(space, chunks, classifier, url, processors, raw_texts=True)


class _Cut:
    """The chunks of a text; can give the whole text again."""

    def __init__(self, cutter: Cutter, blocks: Iterable[bytes]) -> None:
        self._made = cutter.made
        self._chunks = cutter.cut(blocks)

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    @property
    def size(self) -> int:
        """Bytes of the whole text; reads what has not arrived yet."""
        deque(self._chunks, maxlen=0)
        return sum(chunk.path.stat().st_size for chunk in self._made)

    def text(self) -> Iterator[bytes]:
        """The whole text; removes the chunks."""
        deque(self._chunks, maxlen=0)
        return blocks_of(self._made)


def _forget(space: Workspace) -> None:
    """Remove the results of chunks that are to be cut again."""
    for pattern in ("valid-*.parquet", "rejected-*.jsonl"):
        for path in space.directory.glob(pattern):
            path.unlink()


def _ranges(space: Workspace, files: Sequence[Path]) -> Iterator[Chunk]:
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
                yield Chunk(number, path, row, count, first_row=begin)
                number, row = number + 1, row + count
            first += rows


def _split(
    space: Workspace,
    chunks: Iterable[Chunk],
    classifier: RowClassifier,
    url: str,
    processors: int,
    *,
    trusts_line_ends: bool = True,
    raw_texts: bool = False,
    lines: SourceLines | None = None,
) -> SplitResult:
    lines = lines or SourceLines()
    waiting = iter(chunks)
    first = next(waiting)
    if first.is_mixed and not trusts_line_ends:
        raise MixedLineEnds
    try:
        reader = open_source(
            first,
            classifier.dataset,
            url,
            raw_texts=raw_texts,
            lines=lines,
            given=classifier.given,
        )
        with workspace.parallel_connections(space, processors) as connections:
            scanners = [Scanner(one, reader, classifier, url, lines) for one in connections]
            every = itertools.chain([first], waiting)
            found = list(_scanned(space, every, scanners, trusts_line_ends=trusts_line_ends))
        near_keys = find_missing_keys(space, reader, classifier.dataset, found)
        sets = set_checks.check(space, reader, classifier, found, url, lines)
    except duckdb.Error as error:
        raise unreadable(url, error) from error
    rules = BrokenRules()
    for one in (*(chunk.rules for chunk in found), sets.rules):
        rules.add(one)
    rejects = [chunk.rejects for chunk in found if chunk.rejected]
    parts = [chunk.path for chunk in found if chunk.valid] or [found[0].path]
    return SplitResult(
        parts=tuple(parts),
        rejects=(*rejects, *sets.rejects),
        rules=rules,
        valid=sum(chunk.valid for chunk in found),
        malformed=sum(chunk.malformed for chunk in found),
        rejected=sum(chunk.rejected for chunk in found) + sets.rejected,
        filtered=sum(chunk.filtered for chunk in found),
        warned=sum(chunk.warned for chunk in found) + sets.warned,
        near_keys=near_keys,
    )


def _scanned(
    space: Workspace,
    chunks: Iterable[Chunk],
    scanners: Sequence[Scanner],
    *,
    trusts_line_ends: bool,
) -> Iterator[Scanned]:
    """Scan chunks in parallel; yields in their order.

    Raises:
        MixedLineEnds: in a chunk they are mixed, and are not known to be meant.
    """
    idle: queue.SimpleQueue[Scanner] = queue.SimpleQueue()
    for scanner in scanners:
        idle.put(scanner)

    def scan(chunk: Chunk) -> Scanned:
        scanner = idle.get()
        try:
            return scanner.scan(chunk, space.directory)
        finally:
            idle.put(scanner)

    waiting: deque[Future[Scanned]] = deque()
    with ThreadPoolExecutor(len(scanners)) as pool:
        try:
            for chunk in chunks:
                if chunk.is_mixed and not trusts_line_ends:
                    raise MixedLineEnds
                waiting.append(pool.submit(scan, chunk))
                if len(waiting) > 2 * len(scanners):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
