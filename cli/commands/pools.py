"""`pipeline pools`: places of engines, who has one, and who waits."""

from __future__ import annotations

from datetime import UTC, datetime

from cli.client.deployment import find_deployment
from cli.documents.base import print_document
from cli.documents.pools import pools_document
from cli.options import JsonOption, RegionOption, StackOption, ledger_of
from cli.views.pools import print_pools
from cli.views.printing import make_console


def pools(
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """List the pools in which jobs take places: how many run at once, run now, and wait.

    A limit is from pools.yaml, or from the engine that runs the jobs. If pools.yaml is broken, it
    says so: the last good one is in force then.
    """
    ledger = ledger_of(find_deployment(stack, region))
    document = pools_document(ledger.pools(), ledger.pools_file(), datetime.now(UTC))
    if json_output:
        print_document(document)
    else:
        print_pools(make_console(), document)
