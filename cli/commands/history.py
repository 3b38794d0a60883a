"""`pipeline history`: the operations of a run's durable execution."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.client.executions import fetch_execution
from cli.exit_codes import NOT_FOUND, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption, find_run
from cli.views.tables import history_json, history_table, make_console, print_json


def history(
    run_id: Annotated[str, typer.Argument(help="The run id, or the ARN of a durable execution.")],
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """The operations of the durable execution that holds a run.

    Example: pipeline history november-1
    """
    if run_id.startswith("arn:"):
        deployment, arn = find_deployment(stack, region), run_id
    else:
        deployment, run = find_run(stack, region, run_id)
        arn = run.holder
    execution = fetch_execution(deployment.client("lambda"), arn)
    if execution is None:
        raise CommandFailed(
            f"no history of {arn}: the service keeps it for the retention period only", NOT_FOUND
        )
    console = make_console()
    if json_output:
        print_json(console, history_json(arn, execution))
        return
    console.print(f"{arn}: {execution.status}", soft_wrap=True)
    if execution.error:
        console.print(execution.error, soft_wrap=True)
    console.print(history_table(execution))
