"""`pipeline stop`: stop one run; what shares its execution goes on."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.client.deployment import Deployment, find_deployment
from cli.client.follow import Follower
from cli.commands.run import follow_to_the_end
from cli.exit_codes import FAILED, NOT_FOUND, REFUSED, CommandFailed
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    TimeoutOption,
    ledger_of,
)
from cli.views.tables import make_console, print_json
from contracts.messages import StopOutcome, StoppedRun, StopRun
from contracts.messages.run import STOP_REASON_CHARACTERS
from contracts.run import RunStatus

# What steps.reaper takes for a request to stop a run.
_REQUEST: Final = "Stop Run"


def stop(
    run_id: RunIdArgument,
    reason: Annotated[
        str | None, typer.Option(help="Why, in one sentence; kept with the run.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run to its end.")] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Stop one run: it begins nothing more, its jobs are cancelled, and its message starts nothing.

    The decision is recorded first and stands. Other runs of the same execution go on. What the run
    has stored stays stored; to process the rest, send a new request with --retry-of.

    Example: pipeline stop november-1 --reason "wrong input"
    """
    if reason is not None and len(reason) > STOP_REASON_CHARACTERS:
        raise CommandFailed(
            f"--reason: has {len(reason)} characters, at most {STOP_REASON_CHARACTERS} are kept",
            REFUSED,
        )
    deployment = find_deployment(stack, region)
    stopped = request_stop(deployment, StopRun(run_id=run_id, reason=reason))
    if stopped.outcome is StopOutcome.UNKNOWN:
        raise CommandFailed(
            f"no run {run_id} in the ledger {deployment.output('LedgerTable')}: its message may not"
            " be delivered yet (stop the run once it has begun), or was refused (pipeline"
            " dead-letters)",
            NOT_FOUND,
        )
    follows = wait and stopped.outcome is StopOutcome.STOPPING
    if json_output and not follows:  # else the run's report is the one document
        print_json(make_console(), stopped.to_json())
    elif not json_output:
        make_console().print(_text(stopped), soft_wrap=True, markup=False)
    if stopped.outcome is StopOutcome.ENDED:
        raise typer.Exit(REFUSED)
    if follows:
        _follow(deployment, run_id, timeout, json_output=json_output)


def _follow(
    deployment: Deployment, run_id: str, timeout: float | None, *, json_output: bool
) -> None:
    """Follow the run to its end.

    Raises:
        typer.Exit: always; 0 if it ended as STOPPED, 2 if it had come to another end before.
    """
    follower = Follower(deployment, run_id)
    try:
        follow_to_the_end(deployment, follower, timeout, json_output=json_output)
    except typer.Exit:
        run = ledger_of(deployment).run(run_id)
        if run is None or not run.status.ended:
            raise
        raise typer.Exit(0 if run.status is RunStatus.STOPPED else REFUSED) from None


def request_stop(deployment: Deployment, message: StopRun) -> StoppedRun:
    """Have the deployment stop the run.

    Raises:
        CommandFailed: it could not, or is of a release that has no way to.
    """
    event = {"detail-type": _REQUEST, "detail": message.to_json()}
    function = deployment.output("ReaperFunctionArn")
    try:
        answer = deployment.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        payload: Any = json.loads(answer["Payload"].read() or b"null")
    except (ClientError, BotoCoreError) as error:
        raise CommandFailed(
            f"it is not known whether run {message.run_id} is being stopped: {error}; the same"
            " command may be repeated",
            FAILED,
        ) from None
    if "FunctionError" in answer:
        what = payload.get("errorMessage", payload) if isinstance(payload, dict) else payload
        raise CommandFailed(
            f"it is not known whether run {message.run_id} is being stopped: {what}; the same"
            " command may be repeated",
            FAILED,
        )
    if payload is None:
        raise CommandFailed(
            "this deployment is of a release that cannot stop a single run: deploy this version's"
            " template.yaml, or stop the run's execution (docs/operations.md, Stop)",
            NOT_FOUND,
        )
    return StoppedRun.from_json(payload)


def _text(stopped: StoppedRun) -> str:
    run = f"run {stopped.run_id}"
    why = f": {stopped.reason}" if stopped.reason else ""
    if stopped.outcome is StopOutcome.ENDED:
        return f"nothing to stop: {run} has ended, {stopped.status}"
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
    return "\n".join(lines)
