"""`pipeline status`: how a run stands, and following it to its end."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.follow import Follower
from cli.documents.base import print_document
from cli.documents.ledger import run_document, run_fields
from cli.documents.runs import StatusDocument
from cli.following import follow_run, show_followed
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
    run_id = run.run_id
    if follow:
        follower = Follower(deployment, run_id)
        followed = follow_run(deployment, follower, timeout, json_output=json_output)
        if json_output:
            latest = followed.snapshot.run or run
            print_document(StatusDocument(**run_fields(latest), report=followed.report))
        else:
            show_followed(followed, deployment.stack)
        raise typer.Exit(followed.exit_code)
    if json_output:
        print_document(StatusDocument(**run_fields(run)))
        return
    console = make_console()
    console.print(records_table(("field", "value"), run_rows(run_document(run))))
    print_sections(console, evidence_of_run(run, deployment.stack))
