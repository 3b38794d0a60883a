"""End an invocation as soon as it has nothing left to do (the parameter FastSuspend).

The SDK's checkpoint thread looks ten times a second whether it shall stop, and the end of each
invocation waits for it: up to 0.1 s that Lambda bills and the next stage waits for. How often it
looks is a private constant of the SDK (`state._STOP_SIGNAL_POLL_SECONDS`, read in its source), so
it is changed only where it was seen to do no more than that: in the versions that `sdk` lists.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from aws_durable_execution_sdk_python import state

from durable_pipeline import sdk

POLL_SECONDS: Final = 0.005
_CONSTANT: Final = "_STOP_SIGNAL_POLL_SECONDS"


def suspend_fast(of_sdk: MutableMapping[str, Any] | None = None) -> str:
    """Let the thread look more often, from now on.

    Args:
        of_sdk: the names of the SDK's module, for tests.

    Returns:
        Why it was left as it is; empty if it was changed.
    """
    names = vars(state) if of_sdk is None else of_sdk
    if not sdk.is_known() or not isinstance(names.get(_CONSTANT), float):
        return (
            f"FastSuspend has no effect: it is known for {', '.join(sorted(sdk.SEEN_VERSIONS))} of"
            f" {sdk.PACKAGE}, and {sdk.installed()} is installed"
        )
    names[_CONSTANT] = POLL_SECONDS
    return ""
