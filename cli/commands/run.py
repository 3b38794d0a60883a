"""`pipeline run`: send a message, and follow the run if asked to."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from cli.client.deployment import Deployment, find_deployment
from cli.client.follow import Follower
from cli.client.messages import (
    check_message,
    message_of,
    read_message,
)
from cli.client.sending import Sent, send
from cli.exit_codes import INTERRUPTED, REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption, TimeoutOption
from cli.views.progress import show_progress
from cli.views.report import Report, make_report, print_evidence, print_outcome
from cli.views.tables import make_console, print_json, units_table

_CLAIM_SECONDS: Final = 60.0  # for a message to be delivered, where its run's id is to be drawn


def run(
    message_file: Annotated[
        str | None, typer.Argument(help="A file with the message; - for standard input.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="datasetName")] = None,
    start: Annotated[str | None, typer.Option(help="startDateTime, such as 2026-11-01")] = None,
    end: Annotated[str | None, typer.Option(help="endDateTime")] = None,
    input_url: Annotated[
        str | None,
        typer.Option(help="inputUrl: one object, s3://bucket/key or a key below the prefix"),
    ] = None,
    query: Annotated[str | None, typer.Option(help="query: a boolean SQL expression")] = None,
    index: Annotated[str | None, typer.Option(help="index")] = None,
    run_id: Annotated[
        str | None, typer.Option(help="runId; auto: drawn when the run is claimed, and printed")
    ] = None,
    max_concurrency: Annotated[int | None, typer.Option(help="maxConcurrency")] = None,
    tolerated_failure_percentage: Annotated[
        float | None, typer.Option(help="toleratedFailurePercentage")
    ] = None,
    items_per_batch: Annotated[
        int | None, typer.Option(help="itemsPerBatch, with an inputUrl that names a JSON array")
    ] = None,
    detached: Annotated[
        bool | None, typer.Option("--detached/--not-detached", help="detached")
    ] = None,
    retry_of: Annotated[str | None, typer.Option(help="retryOf: a run id")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run to its end.")] = False,
    timeout: TimeoutOption = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Send what the pipeline would refuse, too.")
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Send a message that starts a run: from a file, or made from options.

    Example: pipeline run --dataset orders --start 2026-11-01 --end 2026-11-04 --wait
    """
    fields = {
        "datasetName": dataset,
        "startDateTime": start,
        "endDateTime": end,
        "inputUrl": input_url,
        "query": query,
        "index": index,
        "runId": run_id,
        "maxConcurrency": max_concurrency,
        "toleratedFailurePercentage": tolerated_failure_percentage,
        "detached": detached,
        "retryOf": retry_of,
        "itemsPerBatch": items_per_batch,
    }
    body = _body(message_file, fields)
    if not unchecked:
        check_message(body)
    deployment = find_deployment(stack, region)
    sent = send(deployment, body, checked=not unchecked)
    if wait:
        follow_to_the_end(deployment, sent.follower, timeout, json_output=json_output)
    else:
        _show_sent(sent, timeout, json_output=json_output)


def _show_sent(sent: Sent, timeout: float | None, *, json_output: bool) -> None:
    """Say under which id its run is found; one that is drawn is waited for.

    Raises:
        CommandFailed: it was refused before its run had an id.
    """
    refusal = None
    if sent.run_id is None:
        for snapshot in sent.follower.watch(_CLAIM_SECONDS if timeout is None else timeout):
            refusal = snapshot.refusal
            if sent.run_id is not None or refusal:
                break
    if sent.run_id is None and refusal:
        raise CommandFailed(f"message {sent.message_id} was refused: {refusal}", REFUSED)
    if json_output:
        print_json(make_console(), {"messageId": sent.message_id, "runId": sent.run_id})
    elif sent.run_id is None:
        typer.echo(
            f"sent as message {sent.message_id}; its run has no id yet, as it is not claimed."
            f" pipeline status {sent.message_id} names it, once it has"
        )
    else:
        typer.echo(
            f"sent as message {sent.message_id}; follow it: pipeline status --follow {sent.run_id}"
        )


def follow_to_the_end(
    deployment: Deployment, follower: Follower, timeout: float | None, *, json_output: bool
) -> None:
    """Show the run's progress and its outcome, then exit with the run's status.

    Raises:
        typer.Exit: always.
    """
    talk = make_console(stderr=json_output)
    try:
        snapshot = show_progress(talk, follower.watch(timeout))
    except KeyboardInterrupt:
        talk.print("no longer followed; the run goes on (pipeline status --follow)")
        raise typer.Exit(INTERRUPTED) from None
    console = make_console()
    if json_output:
        print_json(console, make_report(deployment, snapshot).to_json())
    else:
        if snapshot.units:
            console.print(units_table(snapshot.units, Report(snapshot).total))
        print_evidence(console, snapshot, deployment.stack)
        print_outcome(console, snapshot)
    raise typer.Exit(snapshot.exit_code)


def _body(message_file: str | None, fields: dict[str, Any]) -> str:
    given = [name for name, value in fields.items() if value is not None]
    if message_file is None:
        return message_of(fields)
    if given:
        raise CommandFailed(
            f"a message file and {', '.join(given)}: put the fields into the file, or leave it out",
            REFUSED,
        )
    return read_message(message_file)
