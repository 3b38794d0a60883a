"""`pipeline doctor`."""

from __future__ import annotations

from cli.documents.base import Document
from cli.health.diagnosis import Health


class DiagnosisDocument(Document):
    """One finding.

    Attributes:
        about: what was looked at.
        health: OK; ATTENTION: somebody should look at it; PROBLEM: something does not work;
            UNKNOWN: it could not be seen.
        advice: what to do; null: nothing.
    """

    about: str
    health: Health
    found: str
    advice: str | None = None


class DoctorDocument(Document):
    """`pipeline doctor --json`.

    Attributes:
        healthy: there is no PROBLEM; if there is, the exit status is 1.
    """

    healthy: bool
    findings: tuple[DiagnosisDocument, ...]
