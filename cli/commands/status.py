"""`pipeline status`: how a run stands, and following it to its end."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.documents.base import print_document
from cli.documents.ledger import run_document, run_fields
from cli.documents.runs import StatusDocument
from cli.following import follow_to_its_end
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    TimeoutOption,
    find_run,
)
from cli.views.outcome import evidence_of_run, print_sections
from cli.views.printing import make_console
from cli.views.tables import records_table, run_rows


def status(
    run_id: RunIdArgument,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Follow the run to its end; the exit status is then the run's."
        ),
    ] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show how a run stands: its status, request, counts and where its results are.

    Reads the run's record in the ledger. Of a run that has ended, pipeline results says more: the
    broken rules, the failed units and what to do next.
    """
    deployment, run = find_run(stack, region, run_id)
    if follow:
        follow_to_its_end(deployment, run, timeout, json_output=json_output)
    if json_output:
        print_document(StatusDocument(**run_fields(run)))
        return
    console = make_console()
    console.print(records_table(("field", "value"), run_rows(run_document(run))))
    print_sections(console, evidence_of_run(run, deployment.stack))
