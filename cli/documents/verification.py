"""`pipeline verify --json`: to paste into an issue."""

from __future__ import annotations

from cli.documents.base import Document


class ProbeRunDocument(Document):
    """A run of the verification's own.

    Attributes:
        state: its status and reason, for people.
    """

    run_id: str
    state: str


class VerdictCounts(Document):
    """How many claims came to each verdict."""

    passed: int
    failed: int
    skipped: int
    not_configured: int
    not_shown: int


class ClaimDocument(Document):
    """A claim about the deployment.

    Attributes:
        verdict: `pass`, `fail`, `skipped`, `not configured` or `cannot be shown here`.
        evidence: what was seen, or why nothing could be.
    """

    id: str
    claim: str
    verdict: str
    evidence: str


class VerificationDocument(Document):
    """What came of a verification; the exit status is 1 where a claim fails.

    Attributes:
        left: what stays behind, a sentence each.
    """

    stack: str | None = None
    region: str | None = None
    local: bool
    runs: tuple[ProbeRunDocument, ...]
    verdicts: VerdictCounts
    claims: tuple[ClaimDocument, ...]
    left: tuple[str, ...]
