"""The items of a JSON array in S3, one after another, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.errors import InvalidData
from reading_rules.json.values import array_items as items_of
from reading_rules.json.values import enveloped_items
from reading_rules.plain_text import keys_of
from reading_rules.text_error import TextError


def array_items(blocks: Iterable[bytes], source: str, records: str | None = None) -> Iterator[str]:
    """The JSON text of each item, as it is written, on one line.

    Args:
        source: how messages name the array.
        records: where it is within an object, as the contract's format says; absent: it is all.

    Raises:
        InvalidData: it is no such array, or is cut off; names the line and the item.
    """
    try:
        yield from enveloped_items(blocks, keys_of(records)) if records else items_of(blocks)
    except TextError as error:
        raise InvalidData(f"{source}, {error}") from error
