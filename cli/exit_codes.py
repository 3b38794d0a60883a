"""What the exit status of `pipeline` means."""

from __future__ import annotations

from typing import Final

import typer

SUCCEEDED: Final = 0
FAILED: Final = 1
REFUSED: Final = 2  # also what typer answers to wrong options
SKIPPED: Final = 3
NOT_FOUND: Final = 4
STILL_RUNNING: Final = 5
INTERRUPTED: Final = 130

EPILOG: Final = (
    "Exit status: 0 done (with a run: it SUCCEEDED), 1 the run FAILED or was STOPPED, 2 wrong usage"
    " or a refused message, 3 the run was SKIPPED, 4 no such run or no deployment, 5 the run goes"
    " on after --timeout, 130 interrupted."
)


class CommandFailed(typer.Exit):
    """Ends the command; the reason is printed to standard error.

    Attributes:
        reason: what was wrong, where, and what to do next.
    """

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(code)
        self.reason = reason
        typer.secho(reason, err=True, fg="red")
