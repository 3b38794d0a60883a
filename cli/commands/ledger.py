"""`pipeline ledger index`: put the runs of earlier releases into the list of runs."""

from __future__ import annotations

import typer

from cli.client.deployment import find_deployment
from cli.client.run_index import Progress, index_older_runs
from cli.command_class import PipelineCommand, PipelineGroup, epilog
from cli.documents.base import print_document
from cli.documents.run_list import LedgerIndexDocument
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console

ledger_app = typer.Typer(cls=PipelineGroup, no_args_is_help=True)


@ledger_app.callback()
def ledger() -> None:
    """Bring the ledger up to date after an upgrade."""


@ledger_app.command(
    cls=PipelineCommand,
    epilog=epilog("pipeline ledger index", "pipeline ledger index --stack durable-pipeline"),
)
def index(
    stack: StackOption = None, region: RegionOption = None, json_output: JsonOption = False
) -> None:
    """Put the runs of earlier releases into the index that pipeline ls reads.

    Once after an upgrade from a release without that index. It reads the whole ledger, and changes
    runs only where they have no place in the index. Interrupted, it goes on where it was.
    """
    deployment = find_deployment(stack, region)
    table = deployment.output("LedgerTable")
    console = make_console(stderr=json_output)
    progress = Progress()
    for progress in index_older_runs(deployment.client("dynamodb"), table):
        console.print(_text(table, progress), soft_wrap=True)
    if json_output:
        print_document(
            LedgerIndexDocument(
                ledger_table=table,
                examined=progress.examined,
                indexed=progress.indexed,
                resumed=progress.resumed,
            )
        )


def _text(table: str, progress: Progress) -> str:
    went_on = " since the call before" if progress.resumed else ""
    counts = f"{progress.examined:,} items read{went_on}, {progress.indexed:,} runs indexed"
    return f"{table}: {counts}{'; done' if progress.done else ''}"
