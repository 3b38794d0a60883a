"""The columns of a Parquet file, with what is nested in them, as the file names them.

DuckDB renames columns and fields that differ from another in case only, so names come from the
file's schema and types from DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from reading_rules.parquet.footer import declare_as_bytes
from reading_rules.sql import sql_literal

DECIMAL_DIGITS: Final = 38  # of DuckDB's widest decimal
MOST_DIGITS: Final = 76  # of the widest that is in use: Arrow's decimal256, BigQuery's BIGNUMERIC
# Types whose values DuckDB returns exactly, and whose text is exact.
_EXACT: Final = frozenset(
    (
        *('"NULL"', "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "DOUBLE", "FLOAT"),
        *("DECIMAL", "VARCHAR", "JSON", "ENUM", "UUID", "DATE", "TIME", "TIME_NS", "INTERVAL"),
        *("TIME WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
        *("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS", "BLOB"),
    )
)
INT96: Final = "INT96"
WIDE_DECIMAL: Final = "wide decimal"
TEXT_BYTES: Final = "BLOB"
MILLISECONDS: Final = "milliseconds"  # timestamps as 64-bit integers: what such columns may hold
MILLISECONDS_UTC: Final = "milliseconds in UTC"
NANOSECONDS: Final = "nanoseconds"
NANOSECONDS_UTC: Final = "nanoseconds in UTC"
NANOSECONDS_OF_DAY: Final = "nanoseconds of a day"
_LOST: Final = "lost"
RAW_TEXT: Final = "raw text"  # the bytes of what is declared to be text, and may be none


class Node(NamedTuple):
    """A node of a file's schema.

    Attributes:
        place: among all nodes, the root being 0.
        special: the kind of what this DuckDB would change, or fail for; absent: nothing.
        digits, scale: of a decimal; 0 of anything else.
    """

    name: str
    place: int
    special: str | None
    is_text: bool
    is_repeated: bool
    digits: int
    scale: int
    children: tuple[Node, ...]

    def nodes(self) -> Iterator[Node]:
        """This one and all within."""
        yield self
        for child in self.children:
            yield from child.nodes()


class Shape(NamedTuple):
    """How a column or a part of it is read.

    Attributes:
        kind: `struct`, `list`, `map`, `INT96`, `wide decimal`, `raw text`, one of the times that
            are integers (`MILLISECONDS` and so on), or DuckDB's type of one value.
        names: of a struct's fields.
        parts: of a struct: its fields; of a list: its item; of a map: key and value.
        digits, scale: of a decimal.
    """

    kind: str
    names: tuple[str, ...] = ()
    parts: tuple[Shape, ...] = ()
    digits: int = 0
    scale: int = 0

    @property
    def is_nested(self) -> bool:
        return bool(self.parts)

    def leaves(self) -> Iterator[Shape]:
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def columns_of(connection: Any, path: Path, *, reads_nanoseconds: bool = True) -> list[Node]:
    """A file's outermost columns, in order, as the file itself declares them.

    Args:
        connection: of DuckDB.
        reads_nanoseconds: whether it reads all of them, as it does from release 2 on.

    Raises:
        duckdb.Error: it is no Parquet file.
    """
    rows = connection.execute(
        "SELECT name, type, coalesce(num_children, 0), coalesce(converted_type, ''),"
        " coalesce(logical_type, ''), coalesce(repetition_type, ''), coalesce(precision, 0),"
        f" coalesce(scale, 0) FROM parquet_schema({sql_literal(path)})"
    ).fetchall()
    root, _ = _node(rows, 0, reads_nanoseconds)
    return list(root.children)


def shapes_of(
    connection: Any,
    path: Path,
    columns: Sequence[Node],
    wanted: Iterable[int],
    *,
    raw: bool = False,
) -> dict[int, Shape | None]:
    """How the wanted columns are read; makes DuckDB return bytes where it would change values.

    Args:
        connection: of DuckDB; between two looks the file changes, so it caches none.
        path: a file of our own: its footer may become another one.
        columns: all of the file's.
        wanted: places among them.
        raw: texts are read as bytes, too, as some are none.

    Returns:
        By place; None for what cannot be read exactly.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    places = list(wanted)
    bent = {
        node.place
        for at in places
        for node in columns[at].nodes()
        if not node.children and (node.special not in (None, _LOST) or (raw and node.is_text))
    }
    if bent:
        declare_as_bytes(path, bent)
    types = connection.sql(f"FROM read_parquet({sql_literal(path)})").types
    return {at: _shape(types[at], columns[at]) for at in places}


def _node(rows: list[tuple[Any, ...]], at: int, reads_nanoseconds: bool) -> tuple[Node, int]:
    """The node at a place of a schema that lists each before its children, and the place behind."""
    name, physical, count, converted, logical, repetition, digits, scale = rows[at]
    children, end = [], at + 1
    for _ in range(count):
        child, end = _node(rows, end, reads_nanoseconds)
        children.append(child)
    is_decimal = converted == "DECIMAL" or logical.startswith("DecimalType")
    is_text = physical == "BYTE_ARRAY" and (
        converted in ("UTF8", "ENUM", "JSON") or logical.startswith(("String", "Enum", "Json"))
    )
    numbers = (int(digits), int(scale)) if is_decimal else (0, 0)
    special = None
    if physical == "INT96":
        special = INT96
    elif numbers[0] > DECIMAL_DIGITS:
        special = WIDE_DECIMAL
    elif physical == "INT64":
        special = _time_of_integer(converted, logical, reads_nanoseconds)
    repeated = repetition == "REPEATED"
    return Node(name, at, special, is_text, repeated, *numbers, tuple(children)), end


def _time_of_integer(converted: str, logical: str, reads_nanoseconds: bool) -> str | None:
    """Which time a 64-bit integer counts, if one that DuckDB would change or fail for."""
    in_utc = "isAdjustedToUTC=1" in logical
    if "NANOS=NanoSeconds" in logical:
        if reads_nanoseconds:
            return None
        if logical.startswith("TimeType"):
            return _LOST if in_utc else NANOSECONDS_OF_DAY
        return NANOSECONDS_UTC if in_utc else NANOSECONDS
    is_timestamp = converted == "TIMESTAMP_MILLIS" or logical.startswith("TimestampType")
    if is_timestamp and (not logical or "MILLIS=MilliSeconds" in logical):
        return MILLISECONDS_UTC if in_utc else MILLISECONDS
    return None


def _shape(kind: Any, node: Node, *, is_item: bool = False) -> Shape | None:
    """The shape of a DuckDB type at a node of the schema; None where they do not fit."""
    parts = {name: child for name, child in _children(kind)}
    if kind.id == "list":
        return _list_shape(parts["child"], node, is_item=is_item)
    if node.is_repeated and not is_item:
        return None
    if kind.id == "struct":
        return _struct_shape(list(parts.values()), node)
    if kind.id == "map":
        pairs = node.children[0].children if len(node.children) == 1 else ()
        if len(pairs) != 2:
            return None
        inner = _all_of(_shape(one, at) for one, at in zip(parts.values(), pairs))
        return Shape("map", parts=inner) if inner else None
    if node.children or node.digits > MOST_DIGITS:
        return None
    if node.special:
        shape = Shape(node.special, digits=node.digits, scale=node.scale)
        return None if node.special == _LOST else shape
    name = str(kind)
    if name == TEXT_BYTES and node.is_text:
        return Shape(RAW_TEXT)
    return Shape(name) if name.partition("(")[0] in _EXACT else None


def _children(kind: Any) -> list[tuple[str, Any]]:
    if kind.id not in ("list", "struct", "map"):
        return []
    return [(str(name), child) for name, child in kind.children]


def _struct_shape(kinds: list[Any], node: Node) -> Shape | None:
    if not kinds or len(kinds) != len(node.children):
        return None
    inner = _all_of(_shape(one, at) for one, at in zip(kinds, node.children))
    if not inner:
        return None
    return Shape("struct", tuple(child.name for child in node.children), inner)


def _list_shape(item: Any, node: Node, *, is_item: bool) -> Shape | None:
    """The item may be the repeated node itself, or the only child of it, as writers have it."""
    if node.is_repeated and not is_item:
        places = [node]
    elif len(node.children) == 1 and node.children[0].is_repeated:
        places = [node.children[0], *node.children[0].children[:1]]
    else:
        places = []
    for place in places:
        found = _shape(item, place, is_item=place.is_repeated)
        if found:
            return Shape("list", parts=(found,))
    return None


def _all_of(shapes: Iterable[Shape | None]) -> tuple[Shape, ...] | None:
    found = tuple(shapes)
    return tuple(one for one in found if one) if all(found) else None
