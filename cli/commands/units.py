"""`pipeline units`: the units of a run with their row counts."""

from __future__ import annotations

from cli.documents.base import print_document
from cli.documents.ledger import units_document
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    find_run,
    ledger_of,
)
from cli.views.outcome import failed_units, print_failures
from cli.views.printing import make_console
from cli.views.tables import units_table


def units(
    run_id: RunIdArgument,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """List the units of a run with their status and row counts, and why units failed.

    A unit is one source object, or one batch of an array's items. The counts come
    from the ledger, also while the run is active. pipeline jobs lists the jobs of the units.
    """
    deployment, run = find_run(stack, region, run_id)
    run_id = run.run_id
    found = ledger_of(deployment).units(run_id)
    document = units_document(run_id, found)
    if json_output:
        print_document(document)
        return
    console = make_console()
    console.print(units_table(found, document.rows))
    print_failures(console, failed_units(found))
