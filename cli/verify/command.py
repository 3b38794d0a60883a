"""`pipeline verify`: send known runs, check every claim, print what was seen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.client.deployment import Deployment, find_deployment
from cli.exit_codes import FAILED, INTERRUPTED, NOT_FOUND, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.verify.checks import CHECKS, checked
from cli.verify.claims import CLAIMS, Finding, Verdict
from cli.verify.probes import probes
from cli.verify.runs import follow, removed_afterwards, send_probe, upload_probe
from cli.verify.session import ProbeRun, Progress, Session
from cli.views.tables import make_console, print_json

_DEFAULT_TIMEOUT = 1800.0
_DEFAULT_PATIENCE = 300.0


def verify(
    stack: StackOption = None,
    region: RegionOption = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds in all; claims not checked by then fail.")
    ] = _DEFAULT_TIMEOUT,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds that one check waits for what it looks for.")
    ] = _DEFAULT_PATIENCE,
    json_output: JsonOption = False,
) -> None:
    """Check on a deployment what only AWS can show; exits 1 if a claim fails.

    Sends known objects through every engine and store that is configured, stops a run of its own,
    and removes afterwards what can be removed; the rest is named. Run it after `pipeline upload`.

    Example: pipeline verify --stack durable-pipeline --json
    """
    deployment = find_deployment(stack, region)

    def report(line: str) -> None:
        typer.echo(line, err=True)

    try:
        session, findings = verify_deployment(deployment, report, timeout, patience)
    except KeyboardInterrupt:
        typer.echo("interrupted; what could be removed was", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (ClientError, BotoCoreError) as error:
        raise CommandFailed(f"the known runs cannot be sent: {error}", NOT_FOUND) from None
    if json_output:
        print_json(make_console(), as_document(session, findings))
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


def as_document(session: Session, findings: Mapping[str, Finding]) -> dict[str, Any]:
    """All of it as one JSON document, to paste into an issue."""
    deployment = session.deployment
    return {
        "stack": deployment.stack_name,
        "region": deployment.region,
        "local": deployment.local,
        "runs": {run.probe.run_id: run.state for run in session.runs.values()},
        "verdicts": dict(Counter(finding.verdict.value for finding in findings.values())),
        "claims": [finding.to_json(claim) for claim, finding in findings.items()],
        "left": session.left,
    }


def _print(session: Session, findings: Mapping[str, Finding]) -> None:
    for claim, finding in findings.items():
        typer.echo(f"{finding.verdict.value.upper():<22}{claim}: {CLAIMS[claim]}")
        typer.echo(f"{'':<22}{finding.evidence}")
    typer.echo("\nWhat stays:")
    for line in session.left:
        typer.echo(f"  {line}")
