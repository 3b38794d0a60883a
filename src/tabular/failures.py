"""What an error of DuckDB means for a unit: its rows are at fault, or the function is too small."""

from __future__ import annotations

from typing import Final

import duckdb

from contracts.errors import InvalidData, OutOfMemory, PipelineError

ADVICE: Final = "make the objects smaller, or let a Spark job do this (docs/jobs.md)"
_TOO_SMALL: Final = (
    "the function has too little memory or disk for it: raise its MemorySize (Mappings, Megabytes)"
    f" or EphemeralStorage in template.yaml, {ADVICE}"
)
_NO_SPACE: Final = ("No space left on device", "max_temp_directory_size")


def failed(error: Exception, message: str) -> PipelineError:
    """The error to raise for one of DuckDB: InvalidData or OutOfMemory.

    Args:
        message: what failed, and its reason.
    """
    if is_out_of_memory(error):
        return OutOfMemory(f"{message}; {_TOO_SMALL}")
    return InvalidData(message)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the memory or the disk of the function was used up, whatever the rows are."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return True
    return any(words in str(error) for words in _NO_SPACE)
