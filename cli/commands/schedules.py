"""`pipeline schedules`: runs that start by themselves, as contracts say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.client.scheduling import Change, Planned, Scheduling
from cli.command_class import PipelineCommand, PipelineCommandGroup, epilog
from cli.documents.base import print_document
from cli.documents.schedules import ScheduleDocument, SchedulesDocument, schedule_document
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console
from cli.views.records import Column, Records, prose

schedules_app = typer.Typer(
    cls=PipelineCommandGroup,
    no_args_is_help=True,
    help="Start runs by themselves, as contracts say (`schedules`).\n\n"
    "Needs the policy of the output SchedulePolicyArn beside that of OperatorPolicyArn.",
)


@schedules_app.command(
    name="apply",
    cls=PipelineCommand,
    epilog=epilog("pipeline schedules apply --dry-run", "pipeline schedules apply"),
)
def apply_schedules(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be changed.")
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Make the schedules what the contracts in the code bucket say.

    New ones are created, changed ones updated, and those that no contract has any more removed. One
    that is paused stays so. Upload contracts first: pipeline upload.
    """
    scheduling = Scheduling(find_deployment(stack, region))
    planned = scheduling.plan()
    if not dry_run:
        for each in planned:
            scheduling.apply(each)
    if json_output:
        document = SchedulesDocument(schedules=tuple(_document(each) for each in planned))
        print_document(document.model_copy(update={"applied": not dry_run}))
        return
    console = make_console()
    changed = [each for each in planned if each.change is not Change.UNCHANGED]
    for each in changed:
        would = "would be " if dry_run else ""
        console.print(f"{each.name}: {would}{each.change.lower()}", soft_wrap=True)
    if not changed:
        console.print(f"{len(planned)} schedules, all as the contracts say")


@schedules_app.command(cls=PipelineCommand, epilog=epilog("pipeline schedules ls --json"))
def ls(
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """List the schedules: when they are due, over which range, and whether they are applied."""
    planned = Scheduling(find_deployment(stack, region)).plan()
    if json_output:
        print_document(SchedulesDocument(schedules=tuple(_document(each) for each in planned)))
        return
    console = make_console()
    if not planned:
        console.print("no contract has schedules")
        return
    columns = (Column("schedule"), prose("cron"), Column("zone", drop=1), prose("range"))
    table = Records.of((*columns, prose("state"), Column("next", drop=2)), map(_row, planned))
    console.print(table)
    if any(each.change is not Change.UNCHANGED for each in planned):
        console.print("to make them what the contracts say: pipeline schedules apply")


NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Schedules, as pipeline schedules ls lists them, or datasets for all."),
]


@schedules_app.command(cls=PipelineCommand, epilog=epilog("pipeline schedules pause orders"))
def pause(
    names: NamesArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="All schedules.")] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Pause schedules: they start no runs until they are resumed. Runs under way go on."""
    _set(names, stack, region, everything=everything, paused=True, json_output=json_output)


@schedules_app.command(cls=PipelineCommand, epilog=epilog("pipeline schedules resume --all"))
def resume(
    names: NamesArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="All schedules.")] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Resume schedules that were paused. Times that have passed meanwhile start nothing."""
    _set(names, stack, region, everything=everything, paused=False, json_output=json_output)


def _set(
    names: list[str] | None,
    stack: str | None,
    region: str | None,
    *,
    everything: bool,
    paused: bool,
    json_output: bool,
) -> None:
    if bool(names) == everything:
        raise CommandFailed(
            "no schedules were named" if not names else "schedules and --all were given",
            REFUSED,
            "name schedules or datasets, or give --all",
        )
    deployment = find_deployment(stack, region)
    scheduling = Scheduling(deployment)
    if everything:
        wanted = [each for each in scheduling.plan() if each.there is not None]
    else:
        wanted = scheduling.named(names or ())
    changed = [each.name for each in wanted if scheduling.set_paused(each, paused=paused)]
    after = [each for each in scheduling.plan() if each.name in {one.name for one in wanted}]
    if json_output:
        print_document(SchedulesDocument(schedules=tuple(_document(each) for each in after)))
        return
    console = make_console()
    if not after:
        console.print("no schedule is applied: pipeline schedules apply makes those of contracts")
    done, before = ("paused", "was paused before") if paused else ("resumed", "was not paused")
    for each in after:
        said = done if each.name in changed else before
        console.print(f"{each.name}: {said}", soft_wrap=True)


def _row(planned: Planned) -> tuple[str, ...]:
    document = _document(planned)
    span = f"{document.start_date_time} to {document.end_date_time}" if document.cron else ""
    due = _moment(document.next_at)
    return planned.name, document.cron or "", document.zone or "", span, _state(document), due


def _moment(instant: str | None) -> str:
    """`2026-12-01 02:15Z`."""
    return f"{instant[:16].replace('T', ' ')}Z" if instant else ""


def _state(document: ScheduleDocument) -> str:
    if document.change is Change.CREATED:
        return "not applied yet"
    if document.change is Change.REMOVED:
        return "in no contract any more"
    state = "paused" if document.paused else "enabled"
    return state if document.change is Change.UNCHANGED else f"{state}, its contract has changed"


def _document(planned: Planned) -> ScheduleDocument:
    return schedule_document(planned, datetime.now(UTC))
