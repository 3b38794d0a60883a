"""The strip of every view: how queues, job watcher and reaper are, by the checks of `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cli.documents.base import Document
from cli.documents.health import DiagnosisDocument, diagnosis_document
from cli.health.checks import AT_A_GLANCE, diagnose
from cli.page.source import Source

_SECONDS: Final = {True: 5.0, False: 60.0}  # here; on AWS, where metrics come by the minute


class HealthView(Document):
    """What is looked at on every view."""

    findings: tuple[DiagnosisDocument, ...]


def health(source: Source, _names: tuple[str, ...], _query: Mapping[str, str]) -> HealthView:
    """The findings; read once for all tabs."""
    deployment = source.deployment
    found = source.memory.recently(
        ("health",), _SECONDS[deployment.local], lambda: diagnose(deployment, AT_A_GLANCE)
    )
    return HealthView(findings=tuple(map(diagnosis_document, found)))
