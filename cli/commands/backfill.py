"""`pipeline backfill`: runs over the windows of a range."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console

from cli.client.backfill_actions import StartOutcome, start
from cli.client.backfill_follow import BackfillFollower, BackfillSnapshot
from cli.client.backfill_request import Asked
from cli.client.backfill_view import find_backfill, look_at
from cli.client.backfills import plan
from cli.client.deployment import find_deployment
from cli.client.known_runs import known_from, warning_of
from cli.command_class import PipelineCommand, PipelineCommandGroup, epilog
from cli.documents.backfill_plans import planned, started_document
from cli.documents.backfills import (
    BackfillsDocument,
    backfill_document,
    progress_document,
    summary,
)
from cli.documents.base import print_document, print_line
from cli.exit_codes import INTERRUPTED, REFUSED, STILL_RUNNING, SUCCEEDED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption, TimeoutOption, ledger_of
from cli.views.backfill_progress import show_backfill_progress, worth_saying
from cli.views.backfills import (
    backfills_table,
    print_backfill,
    print_plan,
)
from cli.views.outcome import print_lines
from cli.views.printing import make_console
from contracts.job import Priority
from contracts.times.backfill import AT_ONCE_AT_MOST, Only
from contracts.times.windows import WINDOW_EXAMPLES

_START: Final = "start"
_HELP: Final = frozenset({"-h", "--help"})


class BackfillGroup(PipelineCommandGroup):
    """`pipeline backfill DATASET …` is `pipeline backfill start DATASET …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in _HELP:
            args = [_START, *args]
        return super().parse_args(ctx, args)


backfill_app = typer.Typer(
    cls=BackfillGroup,
    no_args_is_help=True,
    help="Run a dataset over the windows of a range, one run per window.\n\n"
    "pipeline backfill DATASET --from … is short for pipeline backfill start DATASET --from …."
    " Starting needs the policy of the output BackfillPolicyArn beside that of OperatorPolicyArn."
    " docs/backfill.md has the details.",
)
BackfillArgument = Annotated[
    str,
    typer.Argument(
        metavar="BACKFILL",
        help="Id of the backfill, a beginning of it that no other has, or @last for the newest.",
    ),
]


@backfill_app.command(
    name=_START,
    cls=PipelineCommand,
    epilog=epilog(
        "pipeline backfill start orders --from 2026-11-01 --to 2026-11-30 --window 1d --dry-run",
        "pipeline backfill start orders --from today-30d --to today --window 1d --at-once 3",
        "pipeline backfill start orders --from 2026-01-01 --to today --window 1mo --only failed",
    ),
)
def start_backfill(
    dataset: Annotated[str, typer.Argument(help="The contract to run, such as orders.")],
    start_text: Annotated[
        str,
        typer.Option(
            "--from",
            help="Where the first window begins: a date or a time, or a relative one, which is"
            " resolved now: today-30d, month-1mo.",
        ),
    ],
    end_text: Annotated[
        str, typer.Option("--to", help="Where the last window ends (exclusive), likewise.")
    ],
    window: Annotated[
        str, typer.Option(help=f"How long a window is, such as {WINDOW_EXAMPLES}.")
    ] = "1d",
    zone: Annotated[
        str | None,
        typer.Option(
            help="Whose days, weeks and months they are, and of dates and times without an"
            " offset. Default: UTC."
        ),
    ] = None,
    only: Annotated[
        Only,
        typer.Option(
            help="missing: windows that no succeeded runs cover; failed: of these, those over"
            " which a run has failed or was stopped; all: every window, again."
        ),
    ] = Only.MISSING,
    at_once: Annotated[
        int, typer.Option(help=f"Windows that run side by side, 1 to {AT_ONCE_AT_MOST}.")
    ] = 1,
    newest_first: Annotated[
        bool, typer.Option("--newest-first", help="Begin with the last window.")
    ] = False,
    max_failures: Annotated[
        int | None,
        typer.Option(help="Begin no more windows once more than this have failed. Default: go on."),
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="The same as --max-failures 0.")
    ] = False,
    query: Annotated[
        str | None, typer.Option(help="query of each run: rows that do not meet it are left out.")
    ] = None,
    index: Annotated[
        str | None, typer.Option(help="index of each run. Default: the dataset's name.")
    ] = None,
    max_concurrency: Annotated[
        int | None, typer.Option(help="maxConcurrency of each run: units side by side, 1 to 1,000.")
    ] = None,
    priority: Annotated[
        Priority | None, typer.Option(help="priority of each run's jobs. Default: normal.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The backfill's id. Default: derived from dataset, range and options."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show windows, objects, bytes, and what is stored."),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Follow it to its end; the exit status is then its."),
    ] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Start a backfill: a run for each window of a range, in order, a few at once.

    The same command again is the same backfill, and starts nothing. A window whose run fails is
    recorded, and the next one begins. Above 10,000 windows it is refused.
    """
    if fail_fast and max_failures is not None:
        raise CommandFailed("--fail-fast and --max-failures were given", REFUSED, "give one")
    asked = Asked(
        dataset=dataset,
        start=start_text,
        end=end_text,
        window=window,
        zone=zone,
        only=only,
        at_once=at_once,
        newest_first=newest_first,
        max_failures=0 if fail_fast else max_failures,
        query=query,
        index=index,
        priority=priority,
        max_concurrency=max_concurrency,
        name=name,
    )
    deployment = find_deployment(stack, region)
    console = make_console()
    if dry_run:
        found = plan(deployment, asked)
        known = known_from(deployment, found.request, datetime.now(UTC))
        if json_output:
            print_document(planned(found, known))
        else:
            print_plan(console, found)
            _warn(console, known, only)
        return
    started = start(deployment, asked)
    known = known_from(deployment, started.request, datetime.now(UTC))
    follower = BackfillFollower(deployment, started.request.backfill_id, started.execution_arn)
    if json_output:
        last = _follow(follower, timeout, stderr=True) if wait else None
        print_document(started_document(started, known, last.item if last else None))
        raise typer.Exit(last.exit_code if last else SUCCEEDED)
    backfill_id, existing = started.request.backfill_id, started.existing
    if started.outcome is StartOutcome.STARTED:
        console.print(f"backfill {backfill_id} is started", soft_wrap=True)
        if started.died_before is not None:
            why = "an execution that was started for it before ended before it began"
            print_lines(console, [f"warning: {why}: {started.died_before}"])
        _warn(console, known, only)
    elif existing is not None:
        counts = existing.counts.words
        text = f"backfill {backfill_id} was started before, and is {existing.status}: {counts}"
        console.print(text, soft_wrap=True)
    on = f" --stack {deployment.stack}" if deployment.stack else ""
    console.print(f"look at it: pipeline backfill show {backfill_id}{on}", soft_wrap=True)
    if wait:
        _show_followed(follower, timeout)


def _warn(console: Console, known: datetime | None, only: Only) -> None:
    if known is not None:
        print_lines(console, [f"warning: {warning_of(known, only)}"])


@backfill_app.command(cls=PipelineCommand, epilog=epilog("pipeline backfill ls --json"))
def ls(
    stack: StackOption = None, region: RegionOption = None, json_output: JsonOption = False
) -> None:
    """List the backfills, newest first."""
    items = ledger_of(find_deployment(stack, region)).backfills()
    if json_output:
        print_document(BackfillsDocument(backfills=tuple(map(summary, items))))
    elif items:
        make_console().print(backfills_table(items, datetime.now(UTC)))
    else:
        make_console().print("there are no backfills")


@backfill_app.command(cls=PipelineCommand, epilog=epilog("pipeline backfill show @last"))
def show(
    backfill_id: BackfillArgument,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show a backfill on one screen: how far it is, what runs, what failed, what to do next."""
    deployment = find_deployment(stack, region)
    view = look_at(deployment, find_backfill(deployment, backfill_id))
    now = datetime.now(UTC)
    if json_output:
        print_document(backfill_document(view, now))
    else:
        print_backfill(make_console(), view, deployment.stack, now)


@backfill_app.command(
    cls=PipelineCommand,
    epilog=epilog("pipeline backfill watch @last", "pipeline backfill watch november --json"),
)
def watch(
    backfill_id: BackfillArgument,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Follow a backfill until it has ended or is paused; the exit status is then its.

    A terminal shows a bar and the windows that run. Elsewhere lines are appended: what is new, and
    how it stands after some seconds without news. With --json each is a document on a line.
    """
    deployment = find_deployment(stack, region)
    item = find_backfill(deployment, backfill_id)
    follower = BackfillFollower(deployment, item.backfill_id)
    if not json_output:
        _show_followed(follower, timeout)
    code = STILL_RUNNING
    try:
        for snapshot, before in worth_saying(follower.watch(timeout)):
            print_line(progress_document(snapshot, before, datetime.now(UTC)))
            code = snapshot.exit_code
    except KeyboardInterrupt:
        raise _interrupted(follower) from None
    raise typer.Exit(code)


def _show_followed(follower: BackfillFollower, timeout: float | None) -> NoReturn:
    """For people: progress, how it stands then, and the exit status of that."""
    last = _follow(follower, timeout, stderr=False)
    if last.item is not None:
        now = datetime.now(UTC)
        view = look_at(follower.deployment, last.item)
        print_backfill(make_console(), view, follower.deployment.stack, now)
    raise typer.Exit(last.exit_code)


def _follow(follower: BackfillFollower, timeout: float | None, *, stderr: bool) -> BackfillSnapshot:
    console = make_console(stderr=stderr)
    try:
        return show_backfill_progress(console, follower.watch(timeout))
    except KeyboardInterrupt:
        raise _interrupted(follower) from None


def _interrupted(follower: BackfillFollower) -> CommandFailed:
    return CommandFailed(
        "interrupted: the backfill is no longer followed, but continues",
        INTERRUPTED,
        f"follow it again: pipeline backfill watch {follower.backfill_id}",
    )
