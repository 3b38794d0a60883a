"""What the exit status of `pipeline` means, and the error that ends a command with one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import typer

SUCCEEDED: Final = 0
FAILED: Final = 1
REFUSED: Final = 2  # also what typer exits with for wrong usage
SKIPPED: Final = 3
NOT_FOUND: Final = 4
STILL_RUNNING: Final = 5
INTERRUPTED: Final = 130

# `error.code` of the JSON document that takes the place of the result. USAGE is wrong usage.
USAGE: Final = "USAGE"
ERROR_CODES: Final[Mapping[int, str]] = MappingProxyType({
    FAILED: "FAILED",
    REFUSED: "REFUSED",
    NOT_FOUND: "NOT_FOUND",
    STILL_RUNNING: "STILL_RUNNING",
    INTERRUPTED: "INTERRUPTED",
})  # fmt: skip

EXIT_STATUS: Final = (
    "Exit status: 0 done (with a run: it SUCCEEDED), 1 the run FAILED or was STOPPED, or the"
    " command failed, 2 wrong usage or a refused request, 3 the run was SKIPPED, 4 no such run or"
    " no deployment, 5 the run has not ended (yet, or by --timeout), 130 interrupted."
)


class CommandFailed(typer.Exit):
    """Ends the command with an error, which the command's class prints (`cli.command_class`).

    Attributes:
        message: what was wrong, and where (file, field, run).
        hint: what to do next; None where the message leaves only one thing to do.
    """

    def __init__(self, message: str, code: int, hint: str | None = None) -> None:
        super().__init__(code)
        self.message = message
        self.hint = hint

    @property
    def reason(self) -> str:
        """Message and hint as one text."""
        if self.hint is None:
            return self.message
        several_lines = "\n" in self.message
        return f"{self.message}\n{self.hint}" if several_lines else f"{self.message}; {self.hint}"

    def __str__(self) -> str:
        return self.reason
