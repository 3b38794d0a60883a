"""`pipeline units`: the units of a run with their row counts."""

from __future__ import annotations

from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    find_run,
    ledger_of,
)
from cli.views.outcome import failed_units, print_failures
from cli.views.tables import make_console, print_json, units_table
from contracts.run import RowCounts, UnitStatus


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
