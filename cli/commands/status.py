"""`pipeline status`: how a run stands, and following it to its end."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.follow import Follower
from cli.commands.run import follow_to_the_end
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    TimeoutOption,
    find_run,
)
from cli.views.tables import make_console, print_json, records_table


def status(
    run_id: RunIdArgument,
    follow: Annotated[
        bool, typer.Option("--follow", help="Follow it to its end; exit with its status.")
    ] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """How a run stands.

    Example: pipeline status --follow november-1
    """
    deployment, run = find_run(stack, region, run_id)
    if follow:
        follower = Follower(deployment, run_id)
        follow_to_the_end(deployment, follower, timeout, json_output=json_output)
    console = make_console()
    if json_output:
        print_json(console, run.raw)
        return
    shown = {name: value for name, value in run.raw.items() if name != "item"}
    console.print(records_table(("attribute", "value"), shown.items()))
