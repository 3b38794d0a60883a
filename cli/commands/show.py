"""Commands that look at runs: `status`, `history`, `units`, `jobs`, `dead-letters`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.client.executions import fetch_execution
from cli.client.follow import Follower
from cli.client.messages import peek_dead_letters
from cli.commands.run import follow_to_the_end
from cli.exit_codes import NOT_FOUND, CommandFailed
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    TimeoutOption,
    find_run,
    ledger_of,
)
from cli.views.outcome import failed_units, print_failed_jobs, print_failures
from cli.views.tables import (
    dead_letters_table,
    history_json,
    history_table,
    jobs_table,
    make_console,
    print_json,
    records_table,
    units_table,
)
from contracts.run import RowCounts, UnitStatus


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


def units(
    run_id: RunIdArgument,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """The units of a run with their row counts.

    Example: pipeline units november-1 --json
    """
    deployment, _ = find_run(stack, region, run_id)
    found = ledger_of(deployment).units(run_id)
    console = make_console()
    if json_output:
        print_json(console, [unit.raw for unit in found])
        return
    stored = (unit.rows for unit in found if unit.status is UnitStatus.STORED)
    console.print(units_table(found, sum(stored, RowCounts())))
    print_failures(console, failed_units(found))


def jobs(
    run_id: RunIdArgument,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """The remote jobs of a run.

    Example: pipeline jobs november-1
    """
    deployment, _ = find_run(stack, region, run_id)
    found = ledger_of(deployment).jobs(run_id)
    console = make_console()
    if json_output:
        print_json(console, [job.raw for job in found])
    else:
        console.print(jobs_table(found))
        print_failed_jobs(console, found)


def dead_letters(
    stack: StackOption = None, region: RegionOption = None, json_output: JsonOption = False
) -> None:
    """Refused messages and their reasons; the queue keeps them.

    Example: pipeline dead-letters --stack durable-pipeline
    """
    deployment = find_deployment(stack, region)
    letters = peek_dead_letters(deployment.client("sqs"), deployment.output("DeadLetterQueueUrl"))
    console = make_console()
    if json_output:
        print_json(console, [letter.to_json() for letter in letters])
    elif letters:
        console.print(dead_letters_table(letters))
    else:
        console.print("the dead-letter queue is empty")
