"""Read the pages of S3's ListObjectsV2 in a tenth of botocore's time, with botocore's result.

botocore walks the description of the response for each element of each key, most of it for nothing;
at a million keys that is a minute and a half. Here the `Contents` of a page are found by one
regular expression and taken out before botocore reads the rest. A page with anything in them that
is not expected is left to botocore as a whole.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

EVENT: Final = "before-parse.*.ListObjectsV2"  # so written, it comes before those of all of S3
# In any order: not every service of the S3 API has S3's own. An algorithm may stand twice, and then
# is a list of two, which a repeated group does not give.
_CONTENTS: Final = re.compile(
    r"<Contents>(?:"
    r"<Key>([^<]*)</Key>"
    r"|<LastModified>([^<]*)</LastModified>"
    r"|<ETag>([^<]*)</ETag>"
    r"|<Size>([0-9]{1,18})</Size>"
    r"|<StorageClass>([^<]*)</StorageClass>"
    r"|<ChecksumAlgorithm>([^<]*)</ChecksumAlgorithm>(?!<ChecksumAlgorithm>)"
    r"|<ChecksumType>([^<]*)</ChecksumType>"
    r")+</Contents>"
)
_OPENING: Final = "<Contents"


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
        contents = [_entry(*found) for found in _CONTENTS.findall(text)]
    except ValueError:
        return  # no UTF-8, or no instant
    rest = _CONTENTS.sub("", text)
    if contents and _OPENING not in rest:
        response_dict["body"] = rest.encode()
        customized_response_dict["Contents"] = contents


def _entry(
    key: str, modified: str, etag: str, size: str, storage: str, algorithm: str, checksum: str
) -> dict[str, Any]:
    """One element of the list.

    Raises:
        ValueError: it lacks something, or its instant is none.
    """
    entry: dict[str, Any] = {
        "Key": key,
        "LastModified": datetime.fromisoformat(modified),
        "ETag": etag,
        "Size": int(size),
    }
    if algorithm:
        entry["ChecksumAlgorithm"] = [algorithm]
    if checksum:
        entry["ChecksumType"] = checksum
    if storage:
        entry["StorageClass"] = storage
    if not key or not modified.endswith("Z"):
        raise ValueError(key)
    return entry
