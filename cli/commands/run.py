"""`pipeline run`: send a message, and follow the run if asked to."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from cli.client.contract_check import check_against_contract
from cli.client.deployment import Deployment, find_deployment
from cli.client.messages import check_message, message_of, read_message
from cli.client.retrying import fields_of_retry, refuse_what_the_pipeline_would
from cli.client.run_names import full_run_id
from cli.client.sending import Sent, send
from cli.documents.base import print_document
from cli.documents.runs import SentDocument
from cli.exit_codes import REFUSED, CommandFailed
from cli.following import follow_run, show_followed
from cli.options import (
    JsonOption,
    RegionOption,
    StackOption,
    TimeoutOption,
    ledger_of,
    no_such_run,
)
from cli.views.printing import make_console
from contracts.job import Priority

_CLAIM_SECONDS: Final = 60.0  # for a message to be delivered, where its run's id is generated


def run(
    message_file: Annotated[
        str | None,
        typer.Argument(help="File with the message, instead of options; - reads standard input."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="datasetName: the contract to run, such as orders.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="startDateTime: objects from this time on (UTC), such as 2026-11-01, or relative:"
            " yesterday, today-1d, now-6h, -P1D."
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(help="endDateTime: objects before this time (UTC). Default: now."),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(help="zone: where relative times are reckoned. Default: UTC."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="asOf: what relative times are relative to. Default: now."),
    ] = None,
    input_url: Annotated[
        str | None,
        typer.Option(
            help="inputUrl: one object instead of a range of time; s3://bucket/key, or a key below"
            " the dataset's prefix."
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(help="query: a SQL condition; rows that do not meet it are left out."),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(help="index: the collection to store under. Default: the dataset's name."),
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option(
            help="runId: names the run; auto generates an id, which is printed. Default: the SQS"
            " message id."
        ),
    ] = None,
    max_concurrency: Annotated[
        int | None,
        typer.Option(help="maxConcurrency: units processed at the same time, 1 to 10."),
    ] = None,
    tolerated_failure_percentage: Annotated[
        float | None,
        typer.Option(help="toleratedFailurePercentage: more failed units than this fail the run."),
    ] = None,
    fail_fast: Annotated[
        bool | None,
        typer.Option(
            "--fail-fast/--no-fail-fast",
            help="failFast: begin no more units once more have failed than that. Default: for"
            " arrays.",
        ),
    ] = None,
    items_per_batch: Annotated[
        int | None,
        typer.Option(
            help="itemsPerBatch: items processed together, if the input URL names a JSON array."
        ),
    ] = None,
    objects_per_unit: Annotated[
        int | None,
        typer.Option(
            help="objectsPerUnit: objects of the listing that make one unit, within the contract's"
            " megabytes; 1: each is one. Default: as the contract's source.group says."
        ),
    ] = None,
    priority: Annotated[
        Priority | None,
        typer.Option(
            help="priority: how often the run's jobs get a turn among others that wait for a place."
            " Default: normal."
        ),
    ] = None,
    detached: Annotated[
        bool | None,
        typer.Option(
            "--detached/--not-detached",
            help="detached: whether the long-running function executes it. Default: by its size.",
        ),
    ] = None,
    retry_of: Annotated[
        str | None,
        typer.Option(
            help="retryOf: an ended run whose units that were not stored are run again. What other"
            " options do not say is as in that run, which the new one supersedes."
        ),
    ] = None,
    only_new: Annotated[
        bool,
        typer.Option(
            "--only-new",
            help="onlyNew: of the range's objects those that no unit has stored yet under this"
            " dataset, index and query.",
        ),
    ] = False,
    only_new_per_version: Annotated[
        bool,
        typer.Option(
            "--only-new-per-version",
            help="The same; what was stored by another version of the contract is new, too.",
        ),
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(
            help="maxCost: US dollars; a run that is estimated to cost more is refused, and once"
            " its units have cost more, no more begin."
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Follow the run to its end; the exit status is then the run's."
        ),
    ] = False,
    timeout: TimeoutOption = None,
    unchecked: Annotated[
        bool,
        typer.Option("--unchecked", help="Send the message even if the pipeline will refuse it."),
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Start a run: send a message to the processing queue, made from options or a file.

    The message is checked first as the pipeline will check it, the dataset and the query by the
    deployed contract; docs/message.md describes its fields. To follow the run later: pipeline watch
    RUN_ID.
    """
    fields = {
        "datasetName": dataset,
        "startDateTime": start,
        "endDateTime": end,
        "zone": zone,
        "asOf": as_of,
        "inputUrl": input_url,
        "query": query,
        "index": index,
        "runId": run_id,
        "maxConcurrency": max_concurrency,
        "toleratedFailurePercentage": tolerated_failure_percentage,
        "failFast": fail_fast,
        "detached": detached,
        "retryOf": retry_of,
        "itemsPerBatch": items_per_batch,
        "objectsPerUnit": objects_per_unit,
        "priority": priority,
        "maxCost": max_cost,
        "onlyNew": {"perVersion": True} if only_new_per_version else only_new or None,
    }
    if retry_of is not None and message_file is None:
        deployment = find_deployment(stack, region)
        fields["retryOf"] = full_run_id(deployment, retry_of)
        fields = _of_retry(deployment, fields, unchecked=unchecked)
    body = _body(message_file, fields)
    request = None if unchecked else check_message(body)
    deployment = find_deployment(stack, region)
    if request is not None:
        check_against_contract(deployment, request)
    sent = send(deployment, body, checked=not unchecked)
    if not wait:
        _show_sent(sent, timeout, json_output=json_output)
        return
    followed = follow_run(deployment, sent.follower, timeout, json_output=json_output)
    if json_output:
        document = SentDocument(
            message_id=sent.message_id, run_id=sent.run_id, report=followed.report
        )
        print_document(document)
    else:
        show_followed(followed, deployment.stack)
    raise typer.Exit(followed.exit_code)


def _show_sent(sent: Sent, timeout: float | None, *, json_output: bool) -> None:
    """Print the run's id; wait for one that is generated.

    Raises:
        CommandFailed: the message was refused before its run had an id.
    """
    refusal = None
    if sent.run_id is None:
        for snapshot in sent.follower.watch(_CLAIM_SECONDS if timeout is None else timeout):
            refusal = snapshot.refusal
            if sent.run_id is not None or refusal:
                break
    if sent.run_id is None and refusal:
        raise CommandFailed(
            f"message {sent.message_id} was refused: {refusal}",
            REFUSED,
            "correct the message and send it again",
        )
    if json_output:
        print_document(SentDocument(message_id=sent.message_id, run_id=sent.run_id))
    elif sent.run_id is None:
        make_console().print(
            f"sent as message {sent.message_id}; its run has no id yet, as it has not been claimed."
            f" Ask for it later: pipeline show {sent.message_id}",
            soft_wrap=True,
        )
    else:
        make_console().print(
            f"sent as message {sent.message_id}; follow it: pipeline watch {sent.run_id}",
            soft_wrap=True,
        )


def _of_retry(deployment: Deployment, fields: dict[str, Any], *, unchecked: bool) -> dict[str, Any]:
    """The fields, completed by those of the run that is retried."""
    retry_of = fields["retryOf"]
    run = ledger_of(deployment).run(retry_of)
    if run is None and unchecked:
        return fields
    if run is None:
        raise no_such_run(deployment, retry_of)
    if not unchecked:
        refuse_what_the_pipeline_would(run, fields)
    return fields_of_retry(run, fields)


def _body(message_file: str | None, fields: dict[str, Any]) -> str:
    given = [name for name, value in fields.items() if value is not None]
    if message_file is None:
        return message_of(fields)
    if given:
        raise CommandFailed(
            f"a message file and options for {', '.join(given)} were given",
            REFUSED,
            "put the fields into the file, or leave it out",
        )
    return read_message(message_file)
