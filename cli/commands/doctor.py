"""`pipeline doctor`: whether the deployment works as it should, and what to do where not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from cli.client.deployment import Deployment, find_deployment
from cli.documents.base import print_document
from cli.documents.health import DiagnosisDocument, DoctorDocument
from cli.exit_codes import FAILED
from cli.health import backfill_checks, contract_checks, run_checks, service_checks
from cli.health.diagnosis import Check, Diagnosis, Health
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console

CHECKS: Final[Mapping[str, Check]] = {
    "requests": service_checks.queue,
    "dead letters": service_checks.dead_letters,
    "alarms": service_checks.alarms,
    "job watcher": service_checks.watcher,
    "contracts": contract_checks.contracts,
    "pools": contract_checks.pools,
    "runs": run_checks.runs,
    "jobs": run_checks.jobs,
    "backfills": backfill_checks.backfills,
}
_STYLES: Final = {
    Health.OK: "green",
    Health.ATTENTION: "yellow",
    Health.PROBLEM: "bold red",
    Health.UNKNOWN: "dim",
}


def doctor(
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Look at everything that may be wrong with the deployment: it only reads.

    Queues, dead letters, alarms, the job watcher's last wake, every contract, limits of pools,
    active runs without progress, overdue jobs, and backfills that nothing works on; with what to do
    about each. The exit status is 1 if there is a problem. Whether all works on AWS as it does
    here: pipeline verify.
    """
    deployment = find_deployment(stack, region)
    found = diagnose(deployment)
    healthy = not any(one.health is Health.PROBLEM for one in found)
    if json_output:
        findings = tuple(
            DiagnosisDocument(
                about=one.about, health=one.health, found=one.found, advice=one.advice
            )
            for one in found
        )
        print_document(DoctorDocument(healthy=healthy, findings=findings))
    else:
        console = make_console()
        width = max(len(one.about) for one in found)
        for one in found:
            console.print(_text(one, width), soft_wrap=True)
    if not healthy:
        raise typer.Exit(FAILED)


def diagnose(deployment: Deployment) -> list[Diagnosis]:
    """The findings of all checks; one that cannot be made is UNKNOWN, and the others go on."""
    found: list[Diagnosis] = []
    for name, check in CHECKS.items():
        try:
            found += check(deployment)
        except (ClientError, BotoCoreError) as error:
            found.append(Diagnosis(name, Health.UNKNOWN, f"cannot be seen: {error}"))
    return found


def _text(one: Diagnosis, width: int) -> Text:
    text = Text(f"{one.health:<9}", style=_STYLES[one.health])
    text.append(f"  {one.about:<{width}}  {one.found}", style="default")
    if one.advice:
        text.append(f"\n{'':<9}  {'':<{width}}  → {one.advice}", style="default")
    return text
