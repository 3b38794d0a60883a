"""`pipeline stop`: stop one run; other runs of its execution go on."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.decisions import request_stop
from cli.client.deployment import find_deployment
from cli.client.follow import Follower
from cli.client.ledger import Run
from cli.client.run_names import full_run_id
from cli.documents.base import print_document
from cli.documents.report import ReportDocument
from cli.documents.runs import CancellingJob, EndedJob, StopDocument
from cli.exit_codes import REFUSED, SUCCEEDED, CommandFailed
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
from contracts.messages import STOP_REASON_CHARACTERS, StopOutcome, StoppedRun, StopRun
from contracts.run import RunStatus
from contracts.run_request import format_timestamp


def stop(
    run_id: RunIdArgument,
    reason: Annotated[
        str | None, typer.Option(help="Why, in one sentence; it is recorded with the run.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run until it has stopped.")
    ] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Stop one run: it starts nothing more, its jobs are cancelled, and its message is done with.

    The decision is recorded first, and stands until the run has stopped. Other runs of the same
    execution go on; that of a long run is stopped with it. Rows that were stored stay stored; to
    process the rest: pipeline resume, or a new run, pipeline run --retry-of.
    """
    if reason is not None and len(reason) > STOP_REASON_CHARACTERS:
        raise CommandFailed(
            f"--reason has {len(reason)} characters, at most {STOP_REASON_CHARACTERS} are allowed",
            REFUSED,
            "shorten it",
        )
    deployment = find_deployment(stack, region)
    run_id = full_run_id(deployment, run_id)
    stopped = request_stop(deployment, StopRun(run_id=run_id, reason=reason))
    if stopped.outcome is StopOutcome.UNKNOWN:
        raise no_such_run(deployment, run_id)
    had_ended = stopped.outcome is StopOutcome.ENDED
    ended = None if stopped.outcome is StopOutcome.STOPPING else ended_run(deployment, run_id)
    if not json_output:
        lines = [_text(stopped), how_it_ended(ended)]
        make_console().print("\n".join(filter(None, lines)), soft_wrap=True, markup=False)
    code, followed = SUCCEEDED, None
    if had_ended:
        code = REFUSED
    elif wait and stopped.outcome is StopOutcome.STOPPING:
        follower = Follower(deployment, run_id)
        followed = follow_run(deployment, follower, timeout, json_output=json_output)
        code = _exit_code(followed)
    if json_output:
        ended = followed.snapshot.run if followed else ended
        print_document(_document(stopped, ended, followed.report if followed else None))
    elif followed:
        show_followed(followed, deployment.stack)
    if code:
        raise typer.Exit(code)


def _exit_code(followed: Followed) -> int:
    """0 if the run ended as STOPPED, 2 if it had come to another end before."""
    run = followed.snapshot.run
    if run is None or not run.status.ended:
        return followed.exit_code
    return SUCCEEDED if run.status is RunStatus.STOPPED else REFUSED


def _document(stopped: StoppedRun, run: Run | None, report: ReportDocument | None) -> StopDocument:
    ended = stopped.jobs_ended_before.items()
    return StopDocument(
        run_id=stopped.run_id,
        outcome=stopped.outcome,
        status=stopped.status,
        requested_at=format_timestamp(stopped.requested_at) if stopped.requested_at else None,
        reason=stopped.reason,
        ended_at=run.item.ended_at if run else None,
        jobs_cancelled=stopped.jobs_cancelled,
        jobs_ended_before=tuple(EndedJob(job_id=job, state=state) for job, state in ended),
        jobs_being_cancelled=tuple(
            CancellingJob(job_id=job, detail=detail)
            for job, detail in stopped.jobs_going_on.items()
        ),
        report=report,
    )


def _text(stopped: StoppedRun) -> str:
    run = f"run {stopped.run_id}"
    why = f": {stopped.reason}" if stopped.reason else ""
    if stopped.outcome is StopOutcome.ENDED:
        by = f"; run {stopped.superseded_by} has superseded it" if stopped.superseded_by else ""
        return f"nothing to stop: {run} has ended, {stopped.status}{by}"
    if stopped.outcome is StopOutcome.STOPPED:
        lines = [f"{run} is STOPPED{why}"]
    else:
        lines = [f"{run} is being stopped{why}"]
    lines += [f"job {job} was cancelled" for job in stopped.jobs_cancelled]
    lines += [
        f"job {job} had ended before, {state}" for job, state in stopped.jobs_ended_before.items()
    ]
    lines += [f"job {job} is being cancelled: {why}" for job, why in stopped.jobs_going_on.items()]
    if stopped.outcome is StopOutcome.STOPPING:
        lines.append(f"look at it: pipeline status --follow {stopped.run_id}")
    elif stopped.superseded_by is None:
        lines.append(f"to go on with it: pipeline resume {stopped.run_id}")
    return "\n".join(lines)
