"""`pipeline logs`: what the steps and jobs of a run have logged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from cli.client.log_lines import Chosen, LogLine
from cli.client.logs import LogPage, RunLogs
from cli.documents.base import print_line
from cli.documents.logs import log_line_document
from cli.exit_codes import INTERRUPTED, NOT_FOUND, CommandFailed
from cli.options import (
    RegionOption,
    RunIdArgument,
    StackOption,
    find_run,
    ledger_of,
)
from cli.views.logs import log_text
from cli.views.printing import make_console


def logs(
    run_id: RunIdArgument,
    unit: Annotated[
        str | None, typer.Option(help="Only lines about this unit, such as 00000-003.")
    ] = None,
    job: Annotated[
        str | None, typer.Option(help="Only lines of and about the job with this id.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as lines come, until the run has ended.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="The last so many lines; 0: all. --follow shows all.")
    ] = 1000,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: Annotated[
        bool,
        typer.Option("--json", help="Print a JSON document per line, errors included."),
    ] = False,
) -> None:
    """Print what the steps and jobs of a run have logged, in the order of time.

    Lines of steps are those of the stack's log groups that name the run. The output of jobs is
    among them: of Glue and of Lambda functions as it comes, of EMR and EMR Serverless once it is on
    S3. Redshift writes no log of a load. A log that your credentials may not read says so.
    """
    deployment, run = find_run(stack, region, run_id)
    if job is not None:
        jobs = [each.job_id for each in ledger_of(deployment).jobs(run.run_id)]
        if job not in jobs:
            raise CommandFailed(
                f"run {run.run_id} has no job {job}",
                NOT_FOUND,
                f"pipeline jobs {run.run_id} lists its jobs",
            )
    found = RunLogs(deployment, run, Chosen(unit, job))
    if follow:
        try:
            _print(found.follow(), json_output=json_output)
        except KeyboardInterrupt:
            raise CommandFailed("interrupted: the run continues", INTERRUPTED) from None
        return
    page = found.before(None, limit) if limit else LogPage(tuple(found.lines()), more=False)
    if page.more:
        last = "last line" if limit == 1 else f"last {limit:,} lines"
        make_console(stderr=True).print(f"the {last}; all: --limit 0", style="dim")
    _print(page.lines, json_output=json_output)
    if not page.lines and not json_output:
        make_console(stderr=True).print(
            "no line is left or there yet: logs are stored for the stack's LogRetentionDays",
            soft_wrap=True,
        )


def _print(lines: Iterable[LogLine], *, json_output: bool) -> None:
    console = make_console()
    for line in lines:
        if json_output:
            print_line(log_line_document(line))
        else:
            console.print(log_text(line), soft_wrap=True)
