"""`pipeline purge`: remove what the pipeline holds of a run that has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from cli.client.ledger import Run
from cli.client.purging import Held, NotRemoved, held_of, remove
from cli.documents.base import print_document
from cli.documents.runs import PurgeDocument
from cli.exit_codes import FAILED, REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, RunIdArgument, StackOption, confirm, find_run
from cli.views.printing import make_console

_MEGABYTE = 1024 * 1024


def purge(
    run_id: RunIdArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Remove for good what the pipeline holds of a run: files, rejected rows, ledger records.

    Only of a run that has ended. Rows that it stored stay stored, and so do files in the output
    bucket; what Lambda and the logs hold of it expires by itself. Afterwards the run cannot be
    shown, retried or resumed, and its message, should it come again, starts it anew. Needs the
    policy of the output PurgePolicyArn beside that of OperatorPolicyArn.
    """
    deployment, run = find_run(stack, region, run_id)
    _refuse_unless_ended(run)
    held = held_of(deployment, run)
    if not dry_run:
        if not yes:
            confirm(f"Remove {_said(held)} of run {run.run_id}?", json_output=json_output)
        try:
            remove(deployment, run, held, _progress(len(held.keys) + len(held.items)))
        except NotRemoved as error:
            raise CommandFailed(
                f"not all was removed: {error}", FAILED, "repeat the command to go on"
            ) from None
    if json_output:
        print_document(
            PurgeDocument(
                run_id=run.run_id,
                removed=not dry_run,
                objects=len(held.keys),
                object_bytes=held.size,
                records=len(held.items),
            )
        )
    else:
        done = "would be removed" if dry_run else "are removed"
        make_console().print(f"{_said(held)} of run {run.run_id} {done}", soft_wrap=True)


def _progress(every: int) -> Callable[[int], None]:
    console = make_console(stderr=True)

    def show(gone: int) -> None:
        if console.is_terminal:
            console.print(f"{gone:,} of {every:,} removed", end="\n" if gone >= every else "\r")

    return show


def _refuse_unless_ended(run: Run) -> None:
    if run.status.ended and not run.item.awaits_resumption:
        return
    raise CommandFailed(
        f"run {run.run_id} has not ended: it is {run.status}",
        REFUSED,
        f"wait for its end (pipeline status --follow {run.run_id}), or stop it: pipeline stop"
        f" {run.run_id}",
    )


def _said(held: Held) -> str:
    size = held.size / _MEGABYTE
    return f"{len(held.keys):,} objects ({size:,.1f} MB) and {len(held.items):,} ledger records"
