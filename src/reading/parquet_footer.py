"""Changes footers of Parquet files so that DuckDB returns a column's raw bytes.

DuckDB truncates the nanoseconds of INT96 and turns decimals of more than 38 digits into doubles.
Only the file's footer says how the bytes of a column are read, so a column that it declares as
plain bytes of the same length is read as such. Layout of the footer: `parquet.thrift` of
apache/parquet-format (FileMetaData, SchemaElement), in Thrift's compact protocol
(apache/thrift, doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAGIC: Final = b"PAR1"
_SCHEMA: Final = 2  # of FileMetaData
_TYPE, _TYPE_LENGTH = 1, 2  # of SchemaElement
_MEANING: Final = (6, 7, 8, 10)  # of SchemaElement: converted_type, scale, precision, logicalType
_INT96: Final = 3  # of Type
_FIXED: Final = 7
_I32, _BINARY, _LIST, _SET, _MAP, _STRUCT = 5, 8, 9, 10, 11, 12  # of the compact protocol
_BOOLEANS: Final = (1, 2)  # as a field: the value is in the type
_VARINTS: Final = (4, 5, 6)
_LENGTHS: Final = {3: 1, 7: 8}  # a byte and a double


@dataclass(frozen=True)
class _Field:
    """One of a struct; `raw` is its value as it is written."""

    number: int
    kind: int
    raw: bytes


def as_bytes(path: Path, nodes: Collection[int]) -> None:
    """Declare nodes of a file's schema as plain bytes; saves the original footer.

    Args:
        nodes: their places in the schema, its root being 0.
    """
    content = _own_footer(path)
    _write_footer(path, _with_bytes(content, nodes))


def restore(path: Path) -> None:
    """Restore a file's original footer, if it was changed."""
    if _saved(path).exists():
        _write_footer(path, _saved(path).read_bytes())


def _saved(path: Path) -> Path:
    return path.with_name(f"{path.name}.footer")


def _own_footer(path: Path) -> bytes:
    saved = _saved(path)
    if not saved.exists():
        with path.open("rb") as file:
            begin, length = _place(path)
            file.seek(begin)
            saved.write_bytes(file.read(length))
    return saved.read_bytes()


def _place(path: Path) -> tuple[int, int]:
    """Where a file's footer begins, and how long it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size - 8)
        length = int.from_bytes(file.read(4), "little")
    return size - 8 - length, length


def _write_footer(path: Path, content: bytes) -> None:
    begin, _ = _place(path)
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(content + len(content).to_bytes(4, "little") + _MAGIC)
        file.truncate()


def _with_bytes(content: bytes, nodes: Collection[int]) -> bytes:
    reader = _Compact(content)
    last = 0
    while True:
        header = reader.at
        number, kind = reader.field_header(last)
        if number == _SCHEMA:
            break
        reader.skip(kind)
        last = number
    count, _ = reader.list_header()
    head = content[header : reader.at]
    elements = [_fields(reader) for _ in range(count)]
    changed = b"".join(
        _struct(_plain(fields) if node in nodes else fields) for node, fields in enumerate(elements)
    )
    return content[:header] + head + changed + content[reader.at :]


def _plain(fields: list[_Field]) -> list[_Field]:
    """A schema's element without the fields that give its bytes a meaning."""
    left = {one.number: one for one in fields if one.number not in _MEANING}
    if left[_TYPE].raw == _number(_INT96):
        left[_TYPE] = _Field(_TYPE, _I32, _number(_FIXED))
        left[_TYPE_LENGTH] = _Field(_TYPE_LENGTH, _I32, _number(12))
    return [left[number] for number in sorted(left)]


def _fields(reader: _Compact) -> list[_Field]:
    fields: list[_Field] = []
    last = 0
    while True:
        last, kind = reader.field_header(last)
        if not kind:
            return fields
        begin = reader.at
        reader.skip(kind)
        fields.append(_Field(last, kind, reader.content[begin : reader.at]))


def _struct(fields: list[_Field]) -> bytes:
    written = bytearray()
    last = 0
    for one in fields:  # numbers of an element are below 15, so that each fits its difference
        written.append((one.number - last) << 4 | one.kind)
        written += one.raw
        last = one.number
    return bytes(written) + b"\0"


def _number(value: int) -> bytes:
    """A small number that is not negative, in zigzag."""
    return bytes([value * 2])


class _Compact:
    """Steps through what is written in Thrift's compact protocol."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.content[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def field_header(self, last: int) -> tuple[int, int]:
        """A field's number and type, 0 and 0 at the end of a struct."""
        byte = self.content[self.at]
        self.at += 1
        if not byte:
            return 0, 0
        if byte >> 4:
            return last + (byte >> 4), byte & 15
        zigzag = self.varint()
        return (zigzag >> 1) ^ -(zigzag & 1), byte & 15

    def list_header(self) -> tuple[int, int]:
        """How many items, and of which type."""
        byte = self.content[self.at]
        self.at += 1
        count = byte >> 4
        return (self.varint() if count == 15 else count), byte & 15

    def skip(self, kind: int, *, is_item: bool = False) -> None:
        if kind in _BOOLEANS:
            self.at += is_item
        elif kind in _LENGTHS:
            self.at += _LENGTHS[kind]
        elif kind in _VARINTS:
            self.varint()
        elif kind == _BINARY:
            length = self.varint()
            self.at += length
        elif kind in (_LIST, _SET):
            count, item = self.list_header()
            for _ in range(count):
                self.skip(item, is_item=True)
        elif kind == _MAP:
            self._skip_map()
        elif kind == _STRUCT:
            number, field = self.field_header(0)
            while field:
                self.skip(field)
                number, field = self.field_header(number)
        else:
            raise ValueError(f"a Parquet footer holds type {kind} of the compact protocol")

    def _skip_map(self) -> None:
        count = self.varint()
        if not count:
            return
        kinds = self.content[self.at]
        self.at += 1
        for _ in range(count):
            self.skip(kinds >> 4, is_item=True)
            self.skip(kinds & 15, is_item=True)
