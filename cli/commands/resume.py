"""`pipeline resume`: go on with a run that was stopped."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli.client.decisions import resume_run
from cli.client.deployment import Deployment, find_deployment
from cli.client.follow import Follower
from cli.client.ledger import Run
from cli.client.run_names import full_run_id
from cli.documents.base import print_document
from cli.documents.runs import ResumeDocument
from cli.exit_codes import REFUSED, SUCCEEDED
from cli.following import Followed, follow_run, show_followed
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    TimeoutOption,
    ended_run,
    how_it_ended,
    no_such_run,
)
from cli.views.printing import make_console
from contracts.messages import ResumedRun, ResumeOutcome

_GOES_ON: Final = (ResumeOutcome.RESUMED, ResumeOutcome.RUNNING)


def resume(
    run_id: RunIdArgument,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run to its end; the exit status is its.")
    ] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Resume a run that was stopped: another execution goes on with what is not stored.

    The run keeps its id, its contract, its list of objects and the end of its range. First the
    decision to stop it is taken back, then its message is sent; where that broke off, the same
    command goes on.
    """
    deployment = find_deployment(stack, region)
    run_id = full_run_id(deployment, run_id)
    resumed, message_id, before = resume_run(deployment, run_id)
    if resumed.outcome is ResumeOutcome.UNKNOWN:
        raise no_such_run(deployment, run_id)
    had_ended = resumed.outcome in (ResumeOutcome.ENDED, ResumeOutcome.SUPERSEDED)
    ended = ended_run(deployment, run_id) if had_ended else None
    if not json_output:
        lines = [_text(resumed, message_id), how_it_ended(ended)]
        make_console().print("\n".join(filter(None, lines)), soft_wrap=True, markup=False)
    code = SUCCEEDED if resumed.outcome in _GOES_ON else REFUSED
    followed = None
    if wait and code == SUCCEEDED:
        followed = _follow(deployment, run_id, message_id, before, timeout, json_output=json_output)
        code = followed.exit_code
    if json_output:
        document = ResumeDocument(
            run_id=run_id,
            outcome=resumed.outcome,
            status=resumed.status,
            run_attempt=resumed.run_attempt,
            superseded_by=resumed.superseded_by,
            ended_at=ended.item.ended_at if ended else None,
            message_id=message_id,
            report=followed.report if followed else None,
        )
        print_document(document)
    elif followed:
        show_followed(followed, deployment.stack)
    if code:
        raise typer.Exit(code)


def _follow(
    deployment: Deployment,
    run_id: str,
    message_id: str | None,
    before: Run | None,
    timeout: float | None,
    *,
    json_output: bool,
) -> Followed:
    follower = Follower(deployment, run_id, message_id, before)
    return follow_run(deployment, follower, timeout, json_output=json_output)


def _text(resumed: ResumedRun, message_id: str | None) -> str:
    run = f"run {resumed.run_id}"
    follow = f"follow it: pipeline status --follow {resumed.run_id}"
    retry = f"pipeline run --retry-of {resumed.run_id}"
    match resumed.outcome:
        case ResumeOutcome.RESUMED:
            return f"{run} is resumed; its message is sent, {message_id}\n{follow}"
        case ResumeOutcome.RUNNING:
            return f"{run} was resumed before, and is at attempt {resumed.run_attempt}\n{follow}"
        case ResumeOutcome.SUPERSEDED:
            by = resumed.superseded_by
            look = f"look at that one: pipeline status {by}"
            return f"not resumed: run {by} has superseded {run}\n{look}"
        case ResumeOutcome.ACTIVE if resumed.stopping:
            return (
                f"not resumed: {run} is still being stopped\nwait for its end: {_waiting(resumed)}"
            )
        case ResumeOutcome.ACTIVE:
            return f"not resumed: {run} was not stopped; it is {resumed.status}\n{follow}"
    return (
        f"not resumed: {run} was not stopped; it has ended, {resumed.status}\n"
        f"to process what it has not stored: {retry}"
    )


def _waiting(resumed: ResumedRun) -> str:
    return f"pipeline stop {resumed.run_id} --wait"
