"""Texts that are compressed with zstd, which this job's Python cannot decompress, but DuckDB can.

DuckDB reads what there is of an object that is cut off, and returns lines, not bytes. So the
object's frames are gone over here, and its lines are counted by a scan that knows of no quotes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

import duckdb

from clean_csv_job.databases import opened
from clean_csv_job.options import InvalidData
from reading_rules.malformed import first_line
from reading_rules.scans import LONGEST_HELD
from reading_rules.signatures import WrongContent, checked_text
from reading_rules.sql import sql_literal

_FRAME: Final = 0xFD2FB528
_SKIPPABLE: Final = range(0x184D2A50, 0x184D2A60)
_LAST_BLOCK, _RLE, _RESERVED = 1, 1, 3
_ID_BYTES: Final = (0, 1, 2, 4)  # of a dictionary's id, by two bits of the descriptor
_SIZE_BYTES: Final = (0, 2, 4, 8)  # of the content's size
_NO_LINES: Final = "unreadable_lines"
_NO_DELIMITER: Final = "\x02\x03\x02\x03"
_LINES_AT_ONCE: Final = 1_000
GZIP: Final = "cannot be read with zstd by this job, compress it with gzip"


def refuse_broken_frames(path: str, source: str) -> None:
    """Go over the frames and blocks of a file (RFC 8878, 3.1), which is nothing but these.

    Raises:
        InvalidData: it is cut off, or something else follows a frame.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        while file.seek(0, 1) < size:
            start = file.read(4)
            mark = struct.unpack("<I", start)[0] if len(start) == 4 else 0
            if mark in _SKIPPABLE:
                _pass_bytes(file, _bytes_as_number(file, 4, source), size, source)
            elif mark == _FRAME:
                _pass_frame(file, size, source)
            else:
                at = file.seek(0, 1) - len(start)
                raise InvalidData(
                    f"{source} cannot be decompressed: at byte {at:,} there is something that is"
                    " not zstd"
                )


def _pass_frame(file: BinaryIO, size: int, source: str) -> None:
    descriptor = _bytes_as_number(file, 1, source)
    is_single = bool(descriptor & 0x20)
    header = (0 if is_single else 1) + _ID_BYTES[descriptor & 3]
    header += _SIZE_BYTES[descriptor >> 6] or is_single
    _pass_bytes(file, header, size, source)
    while True:
        block = _bytes_as_number(file, 3, source)
        kind = block >> 1 & 3
        if kind == _RESERVED:
            raise InvalidData(f"{source} cannot be decompressed: it is not zstd, or damaged")
        _pass_bytes(file, 1 if kind == _RLE else block >> 3, size, source)
        if block & _LAST_BLOCK:
            break
    if descriptor & 4:
        _pass_bytes(file, 4, size, source)  # a checksum


def _bytes_as_number(file: BinaryIO, width: int, source: str) -> int:
    found = file.read(width)
    if len(found) < width:
        raise _cut_off(source)
    return int.from_bytes(found, "little")


def _pass_bytes(file: BinaryIO, count: int, size: int, source: str) -> None:
    if file.seek(0, 1) + count > size:
        raise _cut_off(source)
    file.seek(count, 1)


def _cut_off(source: str) -> InvalidData:
    return InvalidData(f"{source} cannot be decompressed: the zstd stream is cut off")


class Looked(NamedTuple):
    """A text's lines.

    Attributes:
        first: the first one, without a byte order mark; None of nothing.
        lines: how many there are.
        empty: as many hold nothing, or nothing but white space where that is none of the format.
    """

    first: str | None
    lines: int
    empty: int


def look_at(path: str, form: Mapping[str, Any]) -> Looked:
    """Go over the lines of CSV or JSON lines.

    Raises:
        WrongContent: it is something else.
    """
    nothing = "\r\n" if form["type"] == "csv" else " \t\r\n"
    is_empty = f"coalesce(trim(l, {sql_literal(nothing)}), '') = ''"
    with opened(temp_directory=path + ".spill") as connection:
        # With one thread, first() is the first one. Only at the query's end its rejects are there.
        ((first, count, empty),) = connection.execute(
            f"SELECT first(l), count(*), count(*) FILTER ({is_empty})"
            f" FROM {_scan_of_lines(path, 'strict_mode = false,')}"
        ).fetchall()
        rejected = _of_rejects(connection, "count(DISTINCT line)")
        is_text = _of_rejects(connection, "min(line)") != 1
    if form["type"] == "csv" and form["header"]:
        if not is_text:
            raise WrongContent("has a header that is not UTF-8; with zstd, nothing else is read")
        if (first or "").startswith("\ufeff"):  # DuckDB would take it for part of a name
            raise WrongContent(f"begins with two byte order marks, and {GZIP}")
    list(checked_text([(first or "").encode()], form["type"], "utf-8"))
    lines = int(count) + rejected
    return Looked((first or "") if lines else None, lines, int(empty))


def decompressed(path: str, source: str) -> Iterator[bytes]:
    """A text in which line ends and empty lines mean nothing, such as an array of JSON.

    Raises:
        InvalidData: not all of it can be read.
    """
    with opened() as connection:
        try:
            found = connection.execute(f"SELECT l FROM {_scan_of_lines(path)}")
            while True:
                rows = found.fetchmany(_LINES_AT_ONCE)
                if not rows:
                    break
                yield b"".join((line or "").encode() + b"\n" for (line,) in rows)
            bad = _of_rejects(connection, "count(*)")
        except duckdb.InvalidInputException as error:
            raise InvalidData(f"{source} {GZIP}: {first_line(error)}") from error
        if bad:
            raise InvalidData(
                f"{source} {GZIP}: lines are not UTF-8, or longer than {LONGEST_HELD:,} bytes"
            )


def line_breaks_of_any_kind(fields: Sequence[str]) -> str:
    """SQL: how many line breaks a record holds in its values: LF, CR LF and CR."""
    text = f"concat_ws('', {', '.join(fields)})"
    plain = f"replace(replace({text}, chr(13) || chr(10), chr(10)), chr(13), chr(10))"
    return f"strlen({plain}) - strlen(replace({plain}, chr(10), ''))"


def _scan_of_lines(path: str, options: str = "") -> str:
    return (
        f"read_csv({sql_literal(path)}, compression = 'zstd', auto_detect = false, header = false,"
        f" delim = {sql_literal(_NO_DELIMITER)}, quote = '', escape = '', nullstr = '',"
        f" columns = {{l: 'VARCHAR'}}, parallel = false, max_line_size = {LONGEST_HELD}, {options}"
        f" store_rejects = true, rejects_limit = 0, rejects_table = '{_NO_LINES}',"
        f" rejects_scan = '{_NO_LINES}_scan')"
    )


def _of_rejects(connection: duckdb.DuckDBPyConnection, number: str) -> int:
    """A number of what the scan could not read; 0: nothing.

    Args:
        number: SQL over DuckDB's table of it.
    """
    exists = f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{_NO_LINES}'"
    if connection.execute(exists).fetchone() != (1,):
        return 0
    row = connection.execute(f"SELECT {number} FROM {_NO_LINES}").fetchone()
    return int(row[0] or 0) if row else 0
