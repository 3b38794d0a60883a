"""`pipeline jobs`: the remote jobs of a run."""

from __future__ import annotations

from cli.documents.base import print_document
from cli.documents.ledger import jobs_document
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    find_run,
    ledger_of,
)
from cli.views.outcome import print_failed_jobs
from cli.views.printing import make_console
from cli.views.tables import jobs_table


def jobs(
    run_id: RunIdArgument,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """List the remote jobs of a run: engine, state, and the id at the service that runs them.

    Loads into the warehouse are jobs, too. Of jobs that failed it shows the error, links to the
    log and the console, and the log's last lines.
    """
    deployment, run = find_run(stack, region, run_id)
    run_id = run.run_id
    found = ledger_of(deployment).jobs(run_id)
    if json_output:
        print_document(jobs_document(run_id, found))
        return
    console = make_console()
    console.print(jobs_table(found))
    print_failed_jobs(console, found)
