"""Read the pages of S3's ListObjectsV2 in a fiftieth of botocore's time, with botocore's result.

botocore walks the description of the response for each element of each key, most of it for nothing;
at a million keys that is a minute and a half. Here the `Contents` of a page are found by one
regular expression and taken out before botocore reads the rest. Of three streaming XML parsers the
quickest took three times as long. A page with anything in them that is not expected is left to
botocore as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final, overload

EVENT: Final = "before-parse.*.ListObjectsV2"  # so written, it comes before those of all of S3
# In any order: not every service of the S3 API has S3's own. An algorithm may stand twice, and then
# is a list of two, which a repeated group does not give.
_CONTENTS: Final = re.compile(
    r"<Contents>(?:"
    r"<Key>([^<]*)</Key>"
    r"|<LastModified>([^<]*Z)</LastModified>"
    r"|<ETag>([^<]*)</ETag>"
    r"|<Size>([0-9]{1,18})</Size>"
    r"|<StorageClass>([^<]*)</StorageClass>"
    r"|<ChecksumAlgorithm>([^<]*)</ChecksumAlgorithm>(?!<ChecksumAlgorithm>)"
    r"|<ChecksumType>([^<]*)</ChecksumType>"
    r")+</Contents>"
)
_OPENING: Final = "<Contents"
_CLOSING: Final = "</Contents>"


class Contents(Sequence[dict[str, Any]]):
    """The objects of a page, as columns, and as botocore's elements once somebody asks for one.

    As botocore itself does, which decodes their keys where it has asked for encoded ones.

    Attributes:
        keys: as they stand in the page, URL-encoded where that was asked for.
        modified: the texts of the instants, in UTC, and `instants`, the same.
        etags: with their quotes.
        sizes: in bytes.
        asked_for: botocore's elements may have been changed, so the columns count no more.
    """

    def __init__(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Of the groups of `_CONTENTS`.

        Raises:
            ValueError: an object lacks something, or its instant is none.
        """
        self._rows = rows
        self.asked_for = False
        self.keys, self.modified, self.etags, sizes, *_ = zip(*rows, strict=True)
        self.sizes = list(map(int, sizes))
        self.instants = list(map(datetime.fromisoformat, self.modified))
        if "" in self.keys:
            raise ValueError("an object without a key")

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """As the list that botocore returns would compare."""
        if not isinstance(other, list | Contents):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self._elements[index]

    @cached_property
    def _elements(self) -> list[dict[str, Any]]:
        self.asked_for = True
        return [self._element(index) for index in range(len(self))]

    def _element(self, index: int) -> dict[str, Any]:
        _, _, _, _, storage, algorithm, checksum = self._rows[index]
        entry: dict[str, Any] = {
            "Key": self.keys[index],
            "LastModified": self.instants[index],
            "ETag": self.etags[index],
            "Size": self.sizes[index],
        }
        if algorithm:
            entry["ChecksumAlgorithm"] = [algorithm]
        if checksum:
            entry["ChecksumType"] = checksum
        if storage:
            entry["StorageClass"] = storage
        return entry


Columns = tuple[Sequence[str], Sequence[int], Sequence[str], Sequence[datetime], Sequence[str]]


def columns(contents: Sequence[dict[str, Any]]) -> Columns:
    """Of a page's objects, whoever has read it: keys, sizes, ETags with their quotes, instants of
    their last change, and the texts of these."""
    if isinstance(contents, Contents) and not contents.asked_for:
        etags, instants = contents.etags, contents.instants
        return contents.keys, contents.sizes, etags, instants, contents.modified
    instants = [each["LastModified"] for each in contents]
    return (
        [each["Key"] for each in contents],
        [each["Size"] for each in contents],
        [each["ETag"] for each in contents],
        instants,
        [instant.isoformat() for instant in instants],
    )


def read_pages_of(client: Any) -> None:
    """Let a client of S3 read them so.

    Before botocore's own handler, which parses all of a body once more, to see whether it is cut or
    an error: it still does so with the rest, which is cut where the body is.
    """
    client.meta.events.register_first(EVENT, read_contents)


def read_contents(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """A handler of botocore's `before-parse`: `Contents` become a part of the parsed response."""
    if response_dict["status_code"] != 200:
        return
    try:
        text = response_dict["body"].decode().replace("&quot;", '"')
        if "&" in text:
            return  # another character is escaped
        found = _CONTENTS.findall(text)
        contents = Contents(found) if found else None
    except ValueError:
        return  # no UTF-8, or no instant
    if contents is None:
        return
    rest = _without_contents(text, len(contents))
    if _OPENING not in rest:
        response_dict["body"] = rest.encode()
        customized_response_dict["Contents"] = contents


def _without_contents(text: str, count: int) -> str:
    """The page without what was found; as a rule it stands in one place."""
    first, last = text.index(_OPENING), text.rindex(_CLOSING)
    inside = text.count(f"{_CLOSING}<Contents>", first, last + len(_CLOSING))
    if inside == count - 1 == text.count(_OPENING) - 1:
        return text[:first] + text[last + len(_CLOSING) :]
    return _CONTENTS.sub("", text)
