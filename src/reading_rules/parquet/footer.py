"""Changes footers of Parquet files so that DuckDB returns a column's raw bytes.

DuckDB truncates the nanoseconds of INT96, turns decimals of more than 38 digits into doubles, and
fails a file for milliseconds that are none of its timestamps. Only the file's footer says how the
bytes of a column are read, so a column that it declares as plain bytes of the same length, or as
plain 64-bit integers, is read as such. Layout of the footer: `parquet.thrift` of
apache/parquet-format (FileMetaData, SchemaElement), in Thrift's compact protocol
(apache/thrift, doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

_MAGIC: Final = b"PAR1"
_SCHEMA: Final = 2  # of FileMetaData
_TYPE, _TYPE_LENGTH = 1, 2  # of SchemaElement
_MEANING: Final = (6, 7, 8, 10)  # of SchemaElement: converted_type, scale, precision, logicalType
_INT96_TYPE: Final = 3  # of Type
_FIXED: Final = 7
_THRIFT_I32, _THRIFT_BINARY, _THRIFT_LIST, _THRIFT_SET, _THRIFT_MAP, _THRIFT_STRUCT = (
    5,
    8,
    9,
    10,
    11,
    12,
)  # of the compact protocol
_THRIFT_BOOLEANS: Final = (1, 2)  # as a field: the value is in the type
_THRIFT_VARINTS: Final = (4, 5, 6)
_THRIFT_LENGTHS: Final = {3: 1, 7: 8}  # a byte and a double


class _Field(NamedTuple):
    """One of a struct; `raw` is its value as it is written."""

    number: int
    kind: int
    raw: bytes


def declare_as_bytes(path: Path, nodes: Collection[int]) -> None:
    """Declare nodes of a file's schema as plain bytes or integers; saves the original footer.

    Args:
        nodes: their places in the schema, its root being 0.
    """
    content = _own_footer(path)
    _write_footer(path, _footer_with_bytes(content, nodes))


def restore_footer(path: Path) -> None:
    """Restore a file's original footer, if it was changed."""
    if _saved_footer(path).exists():
        _write_footer(path, _saved_footer(path).read_bytes())


def _saved_footer(path: Path) -> Path:
    return path.with_name(f"{path.name}.footer")


def _own_footer(path: Path) -> bytes:
    saved = _saved_footer(path)
    if not saved.exists():
        with path.open("rb") as file:
            begin, length = _footer_place(path)
            file.seek(begin)
            saved.write_bytes(file.read(length))
    return saved.read_bytes()


def _footer_place(path: Path) -> tuple[int, int]:
    """Where a file's footer begins, and how long it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size - 8)
        length = int.from_bytes(file.read(4), "little")
    return size - 8 - length, length


def _write_footer(path: Path, content: bytes) -> None:
    begin, _ = _footer_place(path)
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(content + len(content).to_bytes(4, "little") + _MAGIC)
        file.truncate()


def _footer_with_bytes(content: bytes, nodes: Collection[int]) -> bytes:
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
    elements = [_element_fields(reader) for _ in range(count)]
    changed = b"".join(
        _written_struct(_plain_element(fields) if node in nodes else fields)
        for node, fields in enumerate(elements)
    )
    return content[:header] + head + changed + content[reader.at :]


def _plain_element(fields: list[_Field]) -> list[_Field]:
    """A schema's element without the fields that give its bytes a meaning."""
    left = {one.number: one for one in fields if one.number not in _MEANING}
    if left[_TYPE].raw == _zigzag(_INT96_TYPE):
        left[_TYPE] = _Field(_TYPE, _THRIFT_I32, _zigzag(_FIXED))
        left[_TYPE_LENGTH] = _Field(_TYPE_LENGTH, _THRIFT_I32, _zigzag(12))
    return [left[number] for number in sorted(left)]


def _element_fields(reader: _Compact) -> list[_Field]:
    fields: list[_Field] = []
    last = 0
    while True:
        last, kind = reader.field_header(last)
        if not kind:
            return fields
        begin = reader.at
        reader.skip(kind)
        fields.append(_Field(last, kind, reader.content[begin : reader.at]))


def _written_struct(fields: list[_Field]) -> bytes:
    written = bytearray()
    last = 0
    for one in fields:  # numbers of an element are below 15, so that each fits its difference
        written.append((one.number - last) << 4 | one.kind)
        written += one.raw
        last = one.number
    return bytes(written) + b"\0"


def _zigzag(value: int) -> bytes:
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
        if kind in _THRIFT_BOOLEANS:
            self.at += is_item
        elif kind in _THRIFT_LENGTHS:
            self.at += _THRIFT_LENGTHS[kind]
        elif kind in _THRIFT_VARINTS:
            self.varint()
        elif kind == _THRIFT_BINARY:
            length = self.varint()
            self.at += length
        elif kind in (_THRIFT_LIST, _THRIFT_SET):
            count, item = self.list_header()
            for _ in range(count):
                self.skip(item, is_item=True)
        elif kind == _THRIFT_MAP:
            self._skip_map()
        elif kind == _THRIFT_STRUCT:
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
