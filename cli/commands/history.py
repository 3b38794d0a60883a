"""`pipeline history`: the operations of a run's durable execution."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.client.executions import fetch_execution
from cli.documents.base import print_document
from cli.documents.history import history_document
from cli.exit_codes import NOT_FOUND, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption, find_run
from cli.views.printing import make_console
from cli.views.tables import history_table


def history(
    run_id: Annotated[str, typer.Argument(help="Id of the run, or ARN of a durable execution.")],
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the operations of the durable execution that holds a run, with attempts and results.

    Reads the execution's history, which the service deletes after its retention period. To see an
    earlier execution of the run, or one of its shards, give that execution's ARN.
    """
    if run_id.startswith("arn:"):
        deployment, arn = find_deployment(stack, region), run_id
    else:
        deployment, run = find_run(stack, region, run_id)
        arn = run.holder
    execution = fetch_execution(deployment.client("lambda"), arn)
    if execution is None:
        raise CommandFailed(
            f"there is no history of {arn}: Lambda stores it for the retention period only",
            NOT_FOUND,
            "the run's outcome is stored for longer: pipeline results",
        )
    if json_output:
        print_document(history_document(arn, execution))
        return
    console = make_console()
    console.print(f"{arn}: {execution.status}", soft_wrap=True)
    if execution.error:
        console.print(execution.error, soft_wrap=True)
    console.print(history_table(execution))
