"""What takes a document's place when a command fails."""

from __future__ import annotations

from cli.documents.base import Document


class ErrorDetails(Document):
    """What was wrong.

    Attributes:
        code: USAGE, REFUSED, NOT_FOUND, STILL_RUNNING, FAILED or INTERRUPTED.
        message: what was wrong, and where.
        hint: what to do next; null where the message says it all.
    """

    code: str
    message: str
    hint: str | None = None


class ErrorDocument(Document):
    """A command that failed; its exit status is not 0."""

    error: ErrorDetails
