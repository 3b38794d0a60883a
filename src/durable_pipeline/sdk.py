"""Which versions of the durable execution SDK its source was read of.

Two things here rest on what no page of its documentation promises (`fast_suspend`,
`sharding.groups`). They are done with these versions only. An execution keeps the version of its
function, packages included, so the answer is the same whenever it is replayed.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Final

PACKAGE: Final = "aws-durable-execution-sdk-python"
SEEN_VERSIONS: Final = frozenset({"3.0.0"})


@cache
def installed() -> str:
    """The version that is installed."""
    return version(PACKAGE)


def is_known() -> bool:
    """Whether it is one whose source was read."""
    return installed() in SEEN_VERSIONS
