"""`pipeline show`: one run on one screen; `pipeline watch`: the same while it goes on."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from cli.client.follow import Follower, look_at
from cli.documents.base import print_document
from cli.documents.ledger import run_fields
from cli.documents.runs import StatusDocument
from cli.documents.show import show_document
from cli.following import follow_run, show_followed
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    TimeoutOption,
    find_run,
)
from cli.views.printing import make_console
from cli.views.show import print_run


def show(
    run_id: RunIdArgument,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show a run on one screen: how it stands, its counts, what it does now, what to do next.

    What runs now comes with its stage and for how long, its job with the state that the engine
    last reported, and the place in the queue. More: pipeline units, jobs, results, logs, history.
    """
    deployment, run = find_run(stack, region, run_id)
    snapshot = look_at(deployment, run.run_id)
    now = datetime.now(UTC)
    if json_output:
        print_document(show_document(snapshot, now))
    else:
        print_run(make_console(), snapshot, deployment.stack, now)


def watch(
    run_id: RunIdArgument,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Follow a run to its end; the exit status is then the run's.

    A terminal shows a bar, and a line for each unit that runs. Elsewhere lines are appended: what
    is new, and after a minute without news what is under way.
    """
    deployment, run = find_run(stack, region, run_id)
    follower = Follower(deployment, run.run_id)
    followed = follow_run(deployment, follower, timeout, json_output=json_output)
    if json_output:
        latest = followed.snapshot.run or run
        print_document(StatusDocument(**run_fields(latest), report=followed.report))
    else:
        show_followed(followed, deployment.stack)
    raise typer.Exit(followed.exit_code)
