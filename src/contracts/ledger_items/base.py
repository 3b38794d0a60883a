"""What all items of the ledger have in common: key, encoding, and changes of single attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple, Self

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from contracts.run_request import format_timestamp

_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}  # made once each: that is slow


class Key(NamedTuple):
    """Partition key and sort key; the names are those of the table's key attributes."""

    run_id: str
    item: str


class Changes(NamedTuple):
    """Attributes to set, and names of those to remove."""

    values: dict[str, Any]
    removed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LedgerItem:
    """Base of all items."""

    KEY_FIELDS: ClassVar[frozenset[str]] = frozenset({"run_id"})

    @classmethod
    def attributes(cls) -> frozenset[str]:
        """Names of the attributes beside the key."""
        return frozenset(field.name for field in fields(cls)) - cls.KEY_FIELDS

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Parse what `to_item` made, or an earlier release wrote.

        Raises:
            ValueError: it is not such an item.
        """
        parsed: Self = adapter_of(cls).validate_python({**item, **cls._of_key(item)})
        return parsed

    @classmethod
    def changes(cls, **values: Any) -> Changes:
        """Attributes to set, by name; None removes one.

        Raises:
            TypeError: the item has no such attribute.
        """
        if unknown := values.keys() - cls.attributes():
            raise TypeError(f"{cls.__name__} has no attribute {', '.join(sorted(unknown))}")
        encoded = {name: _encoded(value) for name, value in values.items() if value is not None}
        return Changes(encoded, tuple(name for name in values if name not in encoded))

    def to_item(self) -> dict[str, Any]:
        """The whole item; absent and empty attributes are left out."""
        present = {
            name: value
            for name in (field.name for field in fields(self))
            if name in self.attributes() and (value := getattr(self, name)) not in (None, ())
        }
        return {**self._key()._asdict(), **self.changes(**present).values}

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        """KEY_FIELDS, as far as the item does not have them by their names."""
        return {name: item[name] for name in cls.KEY_FIELDS if name in item}

    def _key(self) -> Key:
        raise NotImplementedError


def after(prefix: str, item: Mapping[str, Any]) -> str:
    """What the sort key says behind the prefix."""
    return str(item[Key._fields[1]]).removeprefix(prefix)


def adapter_of(item_class: type[Any]) -> TypeAdapter[Any]:
    """What parses items of a class; made when first asked for, tens of milliseconds."""
    if item_class not in _ADAPTERS:
        _ADAPTERS[item_class] = TypeAdapter(item_class)
    return _ADAPTERS[item_class]


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_timestamp(value)
    return to_jsonable_python(value, by_alias=False, exclude_none=True)
