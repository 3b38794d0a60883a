"""`pipeline verify`: send known runs, check every claim, print what was seen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Annotated
from uuid import uuid4

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.client.deployment import Deployment, find_deployment
from cli.documents.base import print_document
from cli.documents.verification import (
    ClaimDocument,
    ProbeRunDocument,
    VerdictCounts,
    VerificationDocument,
)
from cli.exit_codes import FAILED, INTERRUPTED, NOT_FOUND, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.verify.checks import CHECKS, checked
from cli.verify.claims import CLAIMS, Finding, Verdict
from cli.verify.probes import probes
from cli.verify.runs import follow, removed_afterwards, send_probe, upload_probe
from cli.verify.session import ProbeRun, Progress, Session
from cli.views.printing import printable

_DEFAULT_TIMEOUT = 1800.0
_DEFAULT_PATIENCE = 300.0


def verify(
    stack: StackOption = None,
    region: RegionOption = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds in all; claims that are not checked by then fail.")
    ] = _DEFAULT_TIMEOUT,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds that one check waits for its evidence.")
    ] = _DEFAULT_PATIENCE,
    json_output: JsonOption = False,
) -> None:
    """Check on a deployment what only AWS can show, claim by claim, with the evidence.

    Sends known objects through every engine and store that is configured, and stops one run of its
    own. Afterwards it removes what it can, and lists the rest. Run it after a deploy and pipeline
    upload. The exit status is 1 if a claim fails.
    """
    deployment = find_deployment(stack, region)

    def report(line: str) -> None:
        typer.echo(printable(line), err=True)

    try:
        session, findings = verify_deployment(deployment, report, timeout, patience)
    except KeyboardInterrupt:
        raise CommandFailed("interrupted; what could be removed was removed", INTERRUPTED) from None
    except (ClientError, BotoCoreError) as error:
        raise CommandFailed(
            f"the known runs cannot be sent: {error}",
            NOT_FOUND,
            "attach the policy of the output OperatorPolicyArn to your role; run pipeline upload",
        ) from None
    if json_output:
        print_document(as_document(session, findings))
    else:
        _print(session, findings)
    if any(finding.verdict is Verdict.FAIL for finding in findings.values()):
        raise typer.Exit(FAILED)


def verify_deployment(
    deployment: Deployment, report: Progress, timeout: float, patience: float
) -> tuple[Session, dict[str, Finding]]:
    """Send the known runs, check every claim, and remove what the runs needed.

    Args:
        timeout: seconds in all, but for removing.
        patience: seconds that one check waits.
    """
    probe_id = uuid4().hex[:8]
    known = probes(deployment.parameters, probe_id)
    runs = {probe.name: ProbeRun(probe) for probe in known}
    session = Session(deployment, probe_id, runs, report, patience)
    deadline = time.monotonic() + timeout
    with removed_afterwards(session):
        for run in runs.values():
            upload_probe(session, run.probe)
        for run in runs.values():
            send_probe(session, run)
            report(f"sent {run.probe.run_id} as message {run.message_id}")
        follow(session, timeout)
        findings = {}
        for claim, check in CHECKS.items():
            left = deadline - time.monotonic()
            session.patience = max(min(patience, left), 0.0)
            findings[claim] = checked(session, check)
            report(f"{claim}: {findings[claim].verdict.value}")
    return session, findings


def as_document(session: Session, findings: Mapping[str, Finding]) -> VerificationDocument:
    """All of it as one document, to paste into an issue."""
    deployment = session.deployment
    count = Counter(finding.verdict for finding in findings.values())
    return VerificationDocument(
        stack=deployment.stack_name,
        region=deployment.region,
        local=deployment.local,
        runs=tuple(
            ProbeRunDocument(run_id=run.probe.run_id, state=run.state)
            for run in session.runs.values()
        ),
        verdicts=VerdictCounts(
            passed=count[Verdict.PASS],
            failed=count[Verdict.FAIL],
            skipped=count[Verdict.SKIPPED],
            not_configured=count[Verdict.NOT_CONFIGURED],
            not_shown=count[Verdict.NOT_SHOWN],
        ),
        claims=tuple(_claim(claim, finding) for claim, finding in findings.items()),
        left=tuple(session.left),
    )


def _claim(claim: str, finding: Finding) -> ClaimDocument:
    return ClaimDocument(
        id=claim,
        claim=CLAIMS[claim],
        verdict=finding.verdict.value,
        evidence=finding.evidence,
    )


def _print(session: Session, findings: Mapping[str, Finding]) -> None:
    for claim, finding in findings.items():
        typer.echo(f"{finding.verdict.value.upper():<22}{claim}: {CLAIMS[claim]}")
        typer.echo(printable(f"{'':<22}{finding.evidence}"))
    typer.echo("\nWhat stays:")
    for line in session.left:
        typer.echo(printable(f"  {line}"))
