"""`pipeline jobs`: the remote jobs of a run."""

from __future__ import annotations

from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    find_run,
    ledger_of,
)
from cli.views.outcome import print_failed_jobs
from cli.views.tables import jobs_table, make_console, print_json


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
