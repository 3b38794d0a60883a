"""Options that several commands share."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.client.deployment import Deployment, find_deployment
from cli.client.ledger import LedgerView, Run
from cli.client.results_document import results_document
from cli.client.run_names import full_run_id
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from cli.views.outcome import result_of
from runs.outcome_text import headline

StackOption = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="PIPELINE_STACK",
        help="Name of the CloudFormation stack on AWS. Default: the local cloud of this machine.",
    ),
]
RegionOption = Annotated[
    str | None, typer.Option(help="AWS region of the stack. Default: the region of your profile.")
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON document for programs, errors included (docs/json.md)."
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        min=0, help="Stop following after this many seconds; the run continues. Default: no limit."
    ),
]
RunIdArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Id of the run (its message's runId, else the SQS message id), a beginning of it that"
        " no other run of the last 30 days has, or @last.",
    ),
]


def confirm(question: str, *, json_output: bool) -> None:
    """Ask before something that cannot be undone.

    Raises:
        CommandFailed: it was declined, or nobody can be asked.
    """
    if json_output or not sys.stdin.isatty():
        raise CommandFailed("nothing was done: nobody can be asked here", REFUSED, "add --yes")
    if not typer.confirm(question):
        raise CommandFailed("nothing was done", REFUSED)


def ledger_of(deployment: Deployment) -> LedgerView:
    """The ledger of the deployment."""
    return LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))


def find_run(stack: str | None, region: str | None, run_id: str) -> tuple[Deployment, Run]:
    """The deployment and the run in its ledger.

    Raises:
        CommandFailed: no such deployment or run.
    """
    deployment = find_deployment(stack, region)
    ledger = ledger_of(deployment)
    run = ledger.run(run_id) or ledger.run(full_run_id(deployment, run_id))
    if run is None and (drawn := ledger.drawn_run_id(run_id)):
        raise CommandFailed(
            f"{run_id} is the id of a message; its run has the id {drawn}",
            NOT_FOUND,
            f"repeat the command with {drawn}",
        )
    if run is None:
        raise no_such_run(deployment, run_id)
    return deployment, run


def no_such_run(deployment: Deployment, run_id: str) -> CommandFailed:
    """The error for a run that the ledger does not know, or does not hold any more: why there is
    none, where its message was refused."""
    document = results_document(deployment, run_id)
    if document is not None:
        return CommandFailed(
            f"run {run_id} has expired from the ledger; results document at {document}",
            NOT_FOUND,
            f"read it: aws s3 cp {document} -; such a run cannot be retried or resumed: send its"
            " range as a new request",
        )
    if ledger_of(deployment).is_expiring(run_id):
        return CommandFailed(
            f"run {run_id} has expired from the ledger, and its results document is not there"
            " either, or may not be read",
            NOT_FOUND,
            "such a run cannot be retried or resumed: send its range as a new request, under"
            " another run id",
        )
    if refused := ledger_of(deployment).refused(run_id):
        where = f" --stack {deployment.stack}" if deployment.stack else ""
        at = f" at {refused.rejected_at}" if refused.rejected_at else ""
        return CommandFailed(
            f"run {run_id} never began: its message was refused{at}: {refused.reason}",
            REFUSED,
            f"pipeline dead-letters show {refused.message_id}{where} has the message and what to do"
            " with it; if a corrected one was sent just now, try again in a moment",
        )
    return CommandFailed(
        f"there is no run {run_id} in the ledger {deployment.output('LedgerTable')}",
        NOT_FOUND,
        "if its message was sent just now, try again in a moment; pipeline ls lists the runs (the"
        " beginning of an id is enough for those of the last 30 days), pipeline dead-letters the"
        " messages that were refused",
    )


def ended_run(deployment: Deployment, run_id: str) -> Run | None:
    """The run, if it is known and has ended."""
    run = ledger_of(deployment).run(run_id)
    return run if run is not None and run.status.ended else None


def how_it_ended(run: Run | None) -> str:
    """When and how a run ended: `it ended at 2026-11-20T08:15:00Z: Run r1 of orders SUCCEEDED …`.

    Empty of none.
    """
    if run is None:
        return ""
    at = f" at {run.item.ended_at}" if run.item.ended_at else ""
    return f"it ended{at}: {headline(result_of(run))}"
