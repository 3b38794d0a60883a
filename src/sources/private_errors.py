"""Errors of steps that read rows, where the contract says `examples: false`.

An error's text goes to logs, the durable history, the ledger, notifications and the dead-letter
queue. It may quote a row: a value that cannot be cast, a header that is none. So it is withheld,
unless whoever raises it says that it has no value of a row (`PipelineError.without_values`). What
it would have said is written beside the unit's data, where the step may write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from contracts import layout
from contracts.errors import (
    InvalidInput,
    NotConfigured,
    NotFound,
    OwnershipLost,
    PipelineError,
    RunStopped,
)
from runtime import s3
from runtime.handler import logger
from sources import frozen

# About runs, keys and settings.
_WITHOUT_VALUES: Final = (InvalidInput, NotConfigured, NotFound, OwnershipLost, RunStopped)
_IS_IN: Final = ", is in "


@contextmanager
def withheld(bucket: str, run_id: str, unit_id: str, stage: str, *, write: bool) -> Iterator[None]:
    """Withhold the texts of errors, if the contract of the run says so.

    Args:
        write: whether the step may write files of the unit.

    Raises:
        PipelineError: of the same class as the error, so that it is retried alike.
    """
    try:
        yield
    except Exception as error:
        if not _is_withheld(error, bucket, run_id):
            raise
        kind = type(error) if isinstance(error, PipelineError) else PipelineError
        place = _written(bucket, run_id, unit_id, stage, error) if write else None
        where = f"{_IS_IN}{place}" if place else " is not recorded"
        # Not from the error: its text would be in the traceback.
        raise kind(
            f"{stage} of unit {unit_id} failed ({type(error).__name__}); the contract says"
            f" examples: false, so the reason, which may quote rows{where}"
        ) from None


def withheld_url(message: str) -> str | None:
    """Where the text of an error is that was withheld; None: nothing was, or it is nowhere."""
    url = message.rpartition(_IS_IN)[2]
    return url if url.startswith("s3://") and url.endswith(".json") else None


def shown(error: PipelineError, what: str, *, examples: bool) -> str:
    """What an error may say where it is recorded, of an object whose unit goes on without it.

    Args:
        what: names stage and object.
        examples: the contract's.
    """
    if examples or _may_be_seen(error):
        return str(error)
    return (
        f"{what} failed ({type(error).__name__}); the contract says examples: false, so the reason,"
        " which may quote rows, is not recorded"
    )


def _may_be_seen(error: Exception) -> bool:
    if isinstance(error, _WITHOUT_VALUES):
        return True
    return isinstance(error, PipelineError) and error.has_no_values


def _is_withheld(error: Exception, bucket: str, run_id: str) -> bool:
    if _may_be_seen(error):
        return False
    try:
        return not frozen.read_snapshot(bucket, run_id).dataset.examples
    except NotFound:  # then no row was read
        return False


def _written(bucket: str, run_id: str, unit_id: str, stage: str, error: Exception) -> str | None:
    key = layout.error_key(run_id, unit_id, stage)
    try:
        return s3.write_json(
            bucket, key, {"errorType": type(error).__name__, "message": str(error)}
        )
    except PipelineError as problem:
        logger.warning("the reason was not written", extra={"error": repr(problem)})
        return None
