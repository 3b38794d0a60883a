"""Every error of the pipeline, sorted by what the caller must do about it.

    PipelineError
    ├── InvalidInput            permanent: fix the input, then send it again; carries every problem
    │   ├── InvalidRequest          the message
    │   ├── InvalidDataset          the dataset's contract
    │   └── RunConflict             the run id is taken by a run with other content
    ├── InvalidData             permanent: an object's rows break the contract
    ├── NotConfigured           permanent: this deployment lacks what the dataset asks for
    ├── NotFound                permanent: an object, script or bucket is not there
    ├── OwnershipLost           permanent: another execution took the run over; stop quietly
    ├── RunStopped              permanent: a person has stopped the run; begin nothing more of it
    ├── Throttled               wait, then again: the service asked to slow down
    ├── EngineFull              wait longer, then again: no place for one more job just now
    ├── OutOfMemory             again a few times: a function's memory or disk is used up; it has to
    │                           be larger, or the object smaller
    ├── Conflict                again soon: someone else changed the same thing
    └── TransientFailure        again soon: the service or the network failed

The class names are part of the contract: they arrive in the orchestrator as `error_type` strings,
and `durable_pipeline.policies` decides on retries by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input.

    Attributes:
        path: where, such as `startDateTime` or `columns[2].type`.
        message: what is wrong and what would be right.
        value: the value that was found, shortened; absent when the field is missing.
    """

    path: str
    message: str
    value: str | None = None

    def __str__(self) -> str:
        found = "" if self.value is None else f" (found {self.value})"
        return f"{self.path}: {self.message}{found}"

    def to_json(self) -> dict[str, Any]:
        found = {} if self.value is None else {"value": self.value}
        return {"path": self.path, "message": self.message, **found}


class PipelineError(Exception):
    """Base of every error the pipeline raises on purpose.

    Attributes:
        has_no_values: its text quotes no row, so it may be seen by whoever sees logs.
    """

    has_no_values = False

    def without_values(self) -> Self:
        """The error, declared to have no value of a row in its text."""
        self.has_no_values = True
        return self


class InvalidInput(PipelineError):
    """What was sent cannot be used; holds all its problems, not only the first."""

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        super().__init__(f"{subject}: " + "; ".join(str(problem) for problem in problems))


class InvalidRequest(InvalidInput):
    """The message is not a run request."""


class InvalidDataset(InvalidInput):
    """The dataset's contract is missing or broken."""


class RunConflict(InvalidInput):
    """The run id already belongs to a run with other content."""


class InvalidData(PipelineError):
    """An object's rows break the contract beyond what it tolerates."""


class NotConfigured(PipelineError):
    """The dataset asks for something this deployment does not have."""


class NotFound(PipelineError):
    """An object, script, bucket or table that must exist does not."""


class OwnershipLost(PipelineError):
    """Another execution holds the run now; this one must not go on."""


class RunStopped(PipelineError):
    """A person has decided to stop the run; nothing more of it is begun."""


class Throttled(PipelineError):
    """The service asked to slow down."""


class EngineFull(PipelineError):
    """The engine has no place for one more job just now."""


class OutOfMemory(PipelineError):
    """The function's memory or disk does not suffice for the object."""


class Conflict(PipelineError):
    """A concurrent change won; the same call may succeed when repeated."""


class TransientFailure(PipelineError):
    """The service or the network failed in a way that passes."""


# Processing the same input again cannot help: its message goes to the dead-letter queue, with the
# reason.
REFUSED: Final = frozenset(
    error.__name__
    for error in (
        InvalidInput,
        InvalidRequest,
        InvalidDataset,
        RunConflict,
        InvalidData,
        NotConfigured,
        NotFound,
    )
)
