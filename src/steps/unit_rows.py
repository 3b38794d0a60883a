"""The rows of one file, split: the valid ones as Parquet, notes of all others."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from steps import accounting, fetching, malformed, set_aside, set_checks, splitting
from steps.duck import Workspace
from steps.fetching import Fetched
from steps.notes import Tally, tally
from steps.reading import Source, open_source, unreadable
from steps.set_aside import SetAside
from steps.splitting import MixedLineEnds, Split

VALID: Final = "valid.parquet"


@dataclass(frozen=True)
class UnitRows:
    """What a file's records are.

    Attributes:
        fetched: the file, perhaps with its line ends made equal.
        valid: rows in the valid Parquet file.
        malformed: records that could not be read (the table of `steps.malformed`).
        others: all further ones; None if there are none.
        path: the valid rows.
        aside: the rejected rows, where the first scan could tell them; else there are notes.
    """

    fetched: Fetched
    source: Source
    valid: int
    malformed: int
    others: Tally | None
    path: Path
    aside: SetAside | None = None

    @property
    def records(self) -> int:
        """Rows that were read, malformed ones included."""
        if self.others is None:
            return self.valid + self.malformed
        return self.others.records - self.others.blank + self.malformed

    @property
    def filtered(self) -> int:
        return self.others.filtered if self.others else 0

    @property
    def rejected(self) -> int:
        return self.malformed + (self.others.rejected if self.others else 0)

    @property
    def warned(self) -> int:
        return self.others.warned if self.others else 0


def split_rows(space: Workspace, fetched: Fetched, split: Split, url: str) -> UnitRows:
    """Split a file's rows by the contract.

    Args:
        url: how messages name the file.

    Raises:
        InvalidData: the file is unreadable, or a rule cannot be computed.
    """
    try:
        return _checked(space, _split_rows(space, fetched, split, url), url)
    except MixedLineEnds:
        if not fetched.is_plain_text:
            raise InvalidData(f"{url} cannot be read: its line ends are mixed") from None
        malformed.forget(space)
        even = fetching.with_equal_line_ends(fetched)
    try:
        return _checked(space, _split_rows(space, even, split, url), url)
    except MixedLineEnds as error:
        raise unreadable(url, error) from error


def _checked(space: Workspace, rows: UnitRows, url: str) -> UnitRows:
    blank = rows.others.blank if rows.others and rows.source.record else 0
    readable = rows.records - rows.malformed + blank
    accounting.check_lines(space, rows.fetched, rows.source, readable, rows.malformed, url)
    return rows


def _split_rows(space: Workspace, fetched: Fetched, split: Split, url: str) -> UnitRows:
    source = open_source(space, fetched, split.dataset, url)
    path = space.path(VALID)
    shortcut = _has_shortcut(fetched, split)
    aside = functools.partial(set_aside.call, fetched) if shortcut else None
    try:
        valid = splitting.write_valid(space, source, split, path, aside)
        unread = malformed.collect(space, source.header)
        breaches = set_checks.find(space, source, split, path)
        none_aside = not (shortcut and set_aside.count(space, fetched))
        if not breaches and none_aside and _is_complete(fetched, source, split, valid + unread):
            return UnitRows(fetched, source, valid, unread, None, path)
        if not breaches and shortcut:
            found = set_aside.locate(space, fetched, source, split.dataset.format, valid + unread)
            if found is not None:
                others = Tally(valid + found.rows, rejecting=found.states)
                return UnitRows(fetched, source, valid, unread, others, path, found)
        if fetched.is_plain_text and not fetched.look.quotes:
            source = dataclasses.replace(source, breaks=None)
        splitting.note_others(space, source, split, breaches)
        set_checks.add_to_notes(space, split, breaches)
        others = tally(space, split.every)
        left = set_checks.drop_breaching(space, split, breaches, path, space.path("left.parquet"))
    except InvalidData as error:
        raise InvalidData(f"{url}: {error}") from error
    except duckdb.Error as error:
        raise unreadable(url, error) from error
    if left is not None:
        valid, path = left, space.path("left.parquet")
    return UnitRows(fetched, source, valid, unread, others, path)


def _has_shortcut(fetched: Fetched, split: Split) -> bool:
    """Whether rejected rows can be told by the first scan; rows to be counted cannot."""
    plain_csv = isinstance(split.dataset.format, CsvFormat) and fetched.compression == "none"
    return plain_csv and split.query is None and not split.warns


def _is_complete(fetched: Fetched, source: Source, split: Split, accounted_for: int) -> bool:
    """Whether the first scan has seen to every record, so that there is nothing to note.

    A record takes a line at least: where as many are accounted for as there are lines, none is
    left. Rows that are filtered or warned of are to be counted in any case.
    """
    if split.query is not None or split.warns:
        return False
    if source.counted is not None:
        return accounted_for == source.counted
    if not fetched.is_plain_text or not source.in_lines:
        return False
    spare = fetched.look.trailing_blanks if len(source.header) > 1 else 0
    return accounted_for == max(0, fetched.look.lines - spare - (source.first_line - 1))
