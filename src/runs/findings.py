"""The rules that a unit's rows broke, cut to what the ledger and notifications carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contracts import layout
from contracts.errors import NotFound
from contracts.messages import EndUnit
from contracts.run import Finding
from contracts.steps import Steps, from_to
from runtime import s3

FINDINGS_STORED: Final = 20  # per unit; the document in S3 has all of them
VALUE_CHARACTERS: Final = 100
MALFORMED: Final = "malformed"
STAGES_WITH_FINDINGS: Final = from_to(Steps.validate, Steps.explain_load)


def findings_of(message: EndUnit, bucket: str) -> tuple[Finding, ...]:
    """The findings of a unit that has ended, the rules with the most rows first.

    Empty if validate and transform found nothing, or the unit failed before them: documents of an
    earlier attempt are not read.
    """
    run_id, unit_id, keys = message.run_id, message.unit_id, []
    if message.failure is None:
        rows = message.rows
        validate = bool(message.has_findings or rows.rejected - message.set_aside or rows.warned)
        transform = bool(message.objects and message.objects.failed)  # perhaps one of them there
    else:
        validate = message.failure.stage in STAGES_WITH_FINDINGS
        transform = (
            message.failure.stage == Steps.transform.name
        )  # perhaps because of what it has found
    if validate:
        keys.append(layout.findings_key(run_id, unit_id))
    if transform or message.set_aside:
        keys.append(layout.transform_findings_key(run_id, unit_id))
    findings = [finding for key in keys for finding in _read(bucket, key)]
    findings.sort(key=lambda finding: (-finding.rows, finding.rule, finding.column or ""))
    return tuple(findings[:FINDINGS_STORED])


def _read(bucket: str, key: str) -> list[Finding]:
    """The findings of a document; none if there is no document."""
    try:
        document = s3.read_json(bucket, key)
    except NotFound:
        return []
    return [Finding.from_json({**rule, "example": _example(rule)}) for rule in document["rules"]]


def _example(rule: Mapping[str, Any]) -> str | None:
    """`line 7: -3`, from the first example.

    For a malformed row only the line number: its value would be the whole row, and notifications
    reach more people than the data does.
    """
    examples = rule.get("examples") or ()
    if not examples:
        return None
    line, value = examples[0].get("line"), examples[0].get("value")
    if rule["rule"] == MALFORMED:
        value = None
    where = "" if line is None else f"line {line}"
    if source := examples[0].get("source"):  # of a unit that holds several objects
        where = f"{source} {where}".rstrip()
    what = "" if value is None else str(value)[:VALUE_CHARACTERS]
    return ": ".join(part for part in (where, what) if part) or None
