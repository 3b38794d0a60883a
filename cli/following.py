"""What commands do that follow a run (`--wait`, `--follow`): progress, then the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import typer

from cli.client.deployment import Deployment
from cli.client.follow import Follower, Snapshot
from cli.client.ledger import Run
from cli.documents.base import print_document
from cli.documents.ledger import run_fields
from cli.documents.report import ReportDocument
from cli.documents.runs import StatusDocument
from cli.exit_codes import INTERRUPTED, CommandFailed
from cli.views.printing import make_console
from cli.views.progress import show_progress
from cli.views.report import Report, make_report, print_evidence, print_outcome, report_document
from cli.views.tables import units_table


@dataclass(frozen=True)
class Followed:
    """A run as it stood when following it ended.

    Attributes:
        report: for programs; None where people read.
    """

    snapshot: Snapshot
    report: ReportDocument | None = None

    @property
    def exit_code(self) -> int:
        """The run's (`cli.exit_codes`)."""
        return self.snapshot.exit_code


def follow_run(
    deployment: Deployment, follower: Follower, timeout: float | None, *, json_output: bool
) -> Followed:
    """Show the run's progress until it is over or the time is.

    Args:
        timeout: seconds; None: no limit.

    Raises:
        CommandFailed: interrupted; the run continues.
    """
    console = make_console(stderr=json_output)
    try:
        snapshot = show_progress(console, follower.watch(timeout))
    except KeyboardInterrupt:
        raise CommandFailed(
            "interrupted: the run is no longer followed, but continues",
            INTERRUPTED,
            f"follow it again: pipeline watch {follower.run_id or 'RUN_ID'}",
        ) from None
    if not json_output:
        return Followed(snapshot)
    return Followed(snapshot, report_document(make_report(deployment, snapshot)))


def show_followed(followed: Followed, stack: str | None) -> None:
    """For people: counts per unit, what went wrong, what to do next, and the outcome."""
    console, snapshot = make_console(), followed.snapshot
    if snapshot.units:
        console.print(units_table(snapshot.units, Report(snapshot).total))
    print_evidence(console, snapshot, stack)
    print_outcome(console, snapshot, stack)


def follow_to_its_end(
    deployment: Deployment, run: Run, timeout: float | None, *, json_output: bool
) -> NoReturn:
    """Follow a run, say how it stands then, and exit with its status.

    Raises:
        typer.Exit: with the run's exit status.
        CommandFailed: interrupted; the run continues.
    """
    follower = Follower(deployment, run.run_id)
    followed = follow_run(deployment, follower, timeout, json_output=json_output)
    if json_output:
        latest = followed.snapshot.run or run
        print_document(StatusDocument(**run_fields(latest), report=followed.report))
    else:
        show_followed(followed, deployment.stack)
    raise typer.Exit(followed.exit_code)
