"""Whether a function ran out of memory, and what to do about it. Pure."""

from __future__ import annotations

from typing import Final

# Lambda reports either. The first is AWS's own name for it (aws-lambda-runtime-interface-emulator,
# rapid/model/customer_error.go), seen with Python 3.13 (DataDog/datadog-lambda-extension #776). The
# second, a kill that nobody asked for, is what earlier runtimes report (inferred); 137 is the same
# as an exit status.
_OUT_OF_MEMORY: Final = "Runtime.OutOfMemory"
_EXITED: Final = "Runtime.ExitError"
_KILLED: Final = ("signal: killed", "exit status 137")


def ran_out_of_memory(error_type: str, message: str) -> bool:
    """Whether the function died so, as far as Lambda's error says."""
    if error_type == _OUT_OF_MEMORY:
        return True
    return error_type == _EXITED and any(words in message for words in _KILLED)


def too_small(message: str, function: str, megabytes: int | None) -> str:
    """A step's own message that its memory or disk does not suffice, with which function it is."""
    return f"{message}. It is {function}, with {megabytes} MB" if megabytes else message


def with_advice(message: str, function: str, megabytes: int | None) -> str:
    """Lambda's message, with the function's name and what to raise.

    Args:
        function: as people know it, such as its name in template.yaml.
        megabytes: its memory, if it is known.
    """
    size = f" of {megabytes} MB" if megabytes else ""
    now = f", now {megabytes} MB" if megabytes else ""
    return (
        f"{function} was killed, as functions are that use up their memory{size}: raise its"
        f" MemorySize in template.yaml (Mappings, Megabytes{now}), or split the object. Lambda"
        f" says: {message}"
    )
