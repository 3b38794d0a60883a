"""`pipeline backfill pause`, `resume` and `stop`: what people decide about one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client.backfill_actions import StoppedWindow, control, stop_runs
from cli.client.backfill_view import find_backfill
from cli.client.deployment import find_deployment
from cli.command_class import PipelineCommand, epilog
from cli.commands.backfill import BackfillArgument, backfill_app
from cli.documents.backfills import control_document
from cli.documents.base import print_document
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.backfills import control_text, stopped_text
from cli.views.outcome import print_lines
from cli.views.printing import make_console
from contracts.messages import (
    STOP_REASON_CHARACTERS,
    BackfillAction,
    ControlBackfill,
    ControlOutcome,
)

__all__ = ["backfill_app"]  # with all its commands


@backfill_app.command(cls=PipelineCommand, epilog=epilog("pipeline backfill pause @last"))
def pause(
    backfill_id: BackfillArgument,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Pause a backfill: no further window begins until it is resumed. Those that run go on."""
    _control(stack, region, backfill_id, BackfillAction.PAUSE, json_output=json_output)


@backfill_app.command(
    cls=PipelineCommand,
    epilog=epilog("pipeline backfill resume @last", "pipeline backfill resume @last --failed"),
)
def resume(
    backfill_id: BackfillArgument,
    failed: Annotated[
        bool, typer.Option("--failed", help="Run windows that have failed again, too.")
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Have a backfill go on that was paused or stopped, or ended with windows left or failed."""
    action = BackfillAction.RESUME
    _control(stack, region, backfill_id, action, json_output=json_output, failed_too=failed)


@backfill_app.command(
    cls=PipelineCommand, epilog=epilog('pipeline backfill stop @last --reason "wrong contract"')
)
def stop(
    backfill_id: BackfillArgument,
    reason: Annotated[
        str | None, typer.Option(help="Why, in one sentence; it is recorded with the backfill.")
    ] = None,
    runs: Annotated[
        bool,
        typer.Option(
            "--runs",
            help="Stop the runs of its windows that run now, too, as pipeline stop does."
            " Default: they go on to their ends.",
        ),
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Stop a backfill: no further window begins, and it ends once those that run have ended.

    With --runs those are stopped, too: their jobs are cancelled, rows that they have stored stay,
    and their windows count as failed. The same command again stops what was left.
    """
    if reason is not None and len(reason) > STOP_REASON_CHARACTERS:
        raise CommandFailed(
            f"--reason has {len(reason)} characters, at most {STOP_REASON_CHARACTERS} are allowed",
            REFUSED,
            "shorten it",
        )
    action = BackfillAction.STOP
    _control(
        stack, region, backfill_id, action, json_output=json_output, runs_too=runs, reason=reason
    )


def _control(
    stack: str | None,
    region: str | None,
    name: str,
    action: BackfillAction,
    *,
    json_output: bool,
    runs_too: bool = False,
    **more: Any,
) -> None:
    deployment = find_deployment(stack, region)
    backfill_id = find_backfill(deployment, name).backfill_id
    message = ControlBackfill(backfill_id=backfill_id, action=action, **more)
    controlled = control(deployment, message)
    stopped: list[StoppedWindow] = []
    if runs_too and controlled.stopping:
        stopped = stop_runs(deployment, backfill_id, message.reason)
    if json_output:
        print_document(control_document(controlled, stopped))
    else:
        console = make_console()
        console.print(
            control_text(controlled, action, runs_too=runs_too), soft_wrap=True, markup=False
        )
        print_lines(console, map(stopped_text, stopped))
    if controlled.outcome in (ControlOutcome.ENDED, ControlOutcome.NOTHING_LEFT):
        raise typer.Exit(REFUSED)
