"""Records that DuckDB could not read: which they were, where they stand and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from reading_rules.scans import LONGEST_RECORD, REJECTS

TOO_LONG: Final = "LINE SIZE OVER MAXIMUM"
UNCLOSED_QUOTE: Final = ("UNQUOTED VALUE", TOO_LONG)
_COLUMN_COUNT: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_MIXED_LINE_ENDS: Final = "CSV Parser state machine"
# A path of ours, which says nothing to those who read the message: it names the object before.
_SCRATCH_FILE: Final = re.compile(r" (['\"])[^'\"]*/(?:duck|clean-csv)-[^'\"]*\1")
VALUE_CHARACTERS: Final = 500  # of a value, as it is quoted
_BLOCK_BYTES: Final = 1024 * 1024

REJECTS_EXIST: Final = f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{REJECTS}'"
FORGET_REJECTS: Final = (
    f"DROP TABLE IF EXISTS {REJECTS}",
    f"DROP TABLE IF EXISTS {REJECTS}_scan",
)
# In the order of the text; of a record's several errors the one that says most. The position counts
# from 1 and may stand on the line break before the record. The first error is reported; where it is
# that of too many columns, the last one has the true number.
REJECTED_RECORDS: Final = (
    "SELECT line_byte_position - 1 + strlen(stored) - strlen(ltrim(stored, chr(10) || chr(13)))"
    " AS position, line, 1 + strlen(raw) - strlen(replace(raw, chr(10), '')) AS line_count,"
    " kind, message, number, raw"
    " FROM (SELECT *, trim(stored, chr(10) || chr(13)) AS raw FROM ("
    "SELECT line_byte_position, any_value(csv_line) AS stored, min(line) AS line,"
    " arg_min(error_type, byte_position) AS kind,"
    " CASE WHEN arg_min(error_type, byte_position) = 'TOO MANY COLUMNS'"
    " THEN arg_max(error_message, byte_position)"
    " ELSE arg_min(error_message, byte_position) END AS message,"
    " CASE WHEN NOT arg_min(error_type, byte_position) LIKE '%COLUMNS'"
    " THEN arg_min(column_idx, byte_position) END AS number"
    f" FROM {REJECTS} GROUP BY line_byte_position)) ORDER BY position, line"
)


class RejectedRecord(NamedTuple):
    """A row of `REJECTED_RECORDS`.

    Attributes:
        position: byte at which it begins, from 0.
        line: as DuckDB counts; see `with_lines`.
        line_count: how many lines it takes.
        kind, message: DuckDB's error.
        number: of the field that is wrong, from 1; of wrong numbers of fields: none.
        raw: the record.
    """

    position: int
    line: int
    line_count: int
    kind: str
    message: str
    number: int | None
    raw: str

    @property
    def may_have_open_quote(self) -> bool:
        return self.kind in UNCLOSED_QUOTE

    def column(self, header: Sequence[str]) -> str | None:
        """The name of the field that is wrong.

        Args:
            header: the names of the fields; none where these are not what DuckDB reads.
        """
        number = self.number
        return header[number - 1] if number and number <= len(header) else None


def _the_beginning(_position: int) -> tuple[int, int]:
    return 0, 0


def with_lines(
    records: Iterable[Sequence[Any]],
    file: BinaryIO,
    place_before: Callable[[int], tuple[int, int]] = _the_beginning,
) -> Iterator[RejectedRecord]:
    """The records with the lines at which they begin in the text, from 1.

    DuckDB's own numbers are those of records.

    Args:
        records: rows of `REJECTED_RECORDS`.
        place_before: of a byte of the text, a place to count from: the byte of it, and how many
            lines end before that.
    """
    at, line = 0, 1
    for row in records:
        record = RejectedRecord(*row)
        place, ended = place_before(record.position)
        if place > at:
            file.seek(place)
            at, line = place, ended + 1
        while at < record.position:
            block = file.read(min(_BLOCK_BYTES, record.position - at))
            if not block:
                break
            at += len(block)
            line += block.count(b"\n")
        yield record._replace(line=line)


def columns_instead_of(found: int, expected: int) -> str:
    """That a record has too few or too many columns."""
    return f"{found} columns instead of {expected}"


def reason_of(kind: str, message: str, encoding: str) -> str:
    """What is wrong with a record, for people."""
    count = _COLUMN_COUNT.search(message)
    if count:
        return columns_instead_of(int(count[2]), int(count[1]))
    if kind == "UNQUOTED VALUE":
        return "a quote is not closed, or text follows a closing quote"
    if kind == "INVALID ENCODING":
        return f"not {encoding.upper()}"
    if kind == TOO_LONG:
        return (
            f"longer than {LONGEST_RECORD:,} bytes, the most that a record may have; of CSV, is a"
            " quote not closed?"
        )
    return message


def has_mixed_line_ends(error: Exception) -> bool:
    """Whether a scan failed for what `with_equal_line_ends` may fix."""
    return _MIXED_LINE_ENDS in str(error)


def first_line(error: Exception) -> str:
    """The part of a DuckDB message that says what is wrong."""
    if has_mixed_line_ends(error):
        return "it is not CSV of this dialect"
    message = _SCRATCH_FILE.sub("", str(error).split("\n\n")[0].split("Possible ")[0])
    return " ".join(message.split())[:400]


def too_long(where: str) -> str:
    """That a record is too long to be looked at; `where` is it, with the object's name."""
    return (
        f"{where}: longer than {LONGEST_RECORD:,} bytes, which is the most that a record may have;"
        " is it one record at all, and of this format?"
    )


def lines_lost(source: str, lines: int, unaccounted: int, near: str = "") -> str:
    """That lines of a text are part of no record, or of two.

    Args:
        unaccounted: how many are in no record; below 0: in two.
        near: where to look, for the end of the message.
    """
    return (
        f"{source}: {abs(unaccounted):,} of its {lines:,} lines are"
        f" {'lost' if unaccounted > 0 else 'there twice'} when it is read as this dataset's format"
        f" says: a quote is not closed, or a record is longer than {LONGEST_RECORD:,}"
        f" bytes{near}; fix the object"
    )
