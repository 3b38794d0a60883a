"""`pipeline doctor`."""

from __future__ import annotations

from cli.documents.base import Document
from cli.health.diagnosis import Diagnosis, Health


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


def diagnosis_document(one: Diagnosis) -> DiagnosisDocument:
    """The document of a finding."""
    return DiagnosisDocument(about=one.about, health=one.health, found=one.found, advice=one.advice)
