"""Which columns of a contract are in a file: those that come from its key are not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

# Rows that are sent again carry all columns: their object has another key than the one they had.
_RESENT: Final = re.compile(r"s3://[^/]+/runs/[^/]+/resent/[^/]+")


def columns_of_key(columns: Sequence[Mapping[str, Any]], url: str) -> list[str]:
    """The names of the columns that are not in the object.

    Args:
        columns: of the contract, as JSON.
    """
    if _RESENT.fullmatch(url):
        return []
    return [column["name"] for column in columns if column.get("from")]
