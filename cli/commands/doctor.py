"""`pipeline doctor`: whether the deployment works as it should, and what to do where not."""

from __future__ import annotations

from typing import Final

import typer
from rich.text import Text

from cli.client.deployment import find_deployment
from cli.documents.base import print_document
from cli.documents.health import DoctorDocument, diagnosis_document
from cli.exit_codes import FAILED
from cli.health.checks import diagnose
from cli.health.diagnosis import Diagnosis, Health
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console

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

    Queues, dead letters, alarms, the last wakes of job watcher and reaper, every contract, limits
    of pools, days that contracts expect and that are not stored, active runs without progress,
    overdue jobs, and backfills that nothing works on; with what to do about each. The exit status
    is 1 if there is a problem. Whether all works on AWS as it does here: pipeline verify.
    """
    deployment = find_deployment(stack, region)
    found = diagnose(deployment)
    healthy = not any(one.health is Health.PROBLEM for one in found)
    if json_output:
        findings = tuple(map(diagnosis_document, found))
        print_document(DoctorDocument(healthy=healthy, findings=findings))
    else:
        console = make_console()
        width = max(len(one.about) for one in found)
        for one in found:
            console.print(_text(one, width), soft_wrap=True)
    if not healthy:
        raise typer.Exit(FAILED)


def _text(one: Diagnosis, width: int) -> Text:
    text = Text(f"{one.health:<9}", style=_STYLES[one.health])
    text.append(f"  {one.about:<{width}}  {one.found}", style="default")
    if one.advice:
        text.append(f"\n{'':<9}  {'':<{width}}  → {one.advice}", style="default")
    return text
