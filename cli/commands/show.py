"""`pipeline show`: one run on one screen; `pipeline watch`: the same while it goes on."""

from __future__ import annotations

from datetime import UTC, datetime

from cli.client.follow import look_at
from cli.documents.base import print_document
from cli.documents.show import show_document
from cli.following import follow_to_its_end
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
    follow_to_its_end(deployment, run, timeout, json_output=json_output)
