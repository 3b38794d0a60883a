"""What rests on the source of the durable execution SDK, as its documentation promises nothing.

These are the contexts that `sharding.groups` opens and ends by its own checkpoints, and the
parameter FastSuspend: the SDK's checkpoint thread looks ten times a second whether it shall stop,
and the end of each invocation waits for it: up to 0.1 s that Lambda bills and the next stage waits
for. How often it looks is a private constant (`state._STOP_SIGNAL_POLL_SECONDS`).

Both are done only with versions whose source was read. An execution keeps the version of its
function, packages included, so a replay decides the same.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from aws_durable_execution_sdk_python import state

SEEN_VERSIONS: Final = frozenset({"3.0.0"})
POLL_SECONDS: Final = 0.005
_PACKAGE: Final = "aws-durable-execution-sdk-python"
_CONSTANT: Final = "_STOP_SIGNAL_POLL_SECONDS"


@cache
def installed() -> str:
    """The version that is installed."""
    return version(_PACKAGE)


def is_known() -> bool:
    """Whether it is one whose source was read."""
    return installed() in SEEN_VERSIONS


def suspend_fast(sdk: MutableMapping[str, Any] | None = None) -> str:
    """Let the thread look more often, from now on, so that invocations end at once.

    Args:
        sdk: the names of the SDK's module, for tests.

    Returns:
        Why it was left as it is; empty if it was changed.
    """
    names = vars(state) if sdk is None else sdk
    if not is_known() or not isinstance(names.get(_CONSTANT), float):
        return (
            f"FastSuspend has no effect: it is known for {', '.join(sorted(SEEN_VERSIONS))} of"
            f" {_PACKAGE}, and {installed()} is installed"
        )
    names[_CONSTANT] = POLL_SECONDS
    return ""
