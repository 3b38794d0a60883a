"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.deployment import Deployment, find_deployment
from cli.client.ledger import LedgerView, Run
from cli.exit_codes import NOT_FOUND, CommandFailed

StackOption = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="PIPELINE_STACK",
        help="CloudFormation stack on AWS; absent: the local cloud.",
    ),
]
RegionOption = Annotated[
    str | None, typer.Option(help="AWS region of the stack; absent: as your profile says.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs on standard output.")]
TimeoutOption = Annotated[
    float | None,
    typer.Option(min=0, help="Seconds after which to stop following (the run goes on)."),
]
RunIdArgument = Annotated[str, typer.Argument(help="The run id (the SQS message id by default).")]


def ledger_of(deployment: Deployment) -> LedgerView:
    return LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))


def find_run(stack: str | None, region: str | None, run_id: str) -> tuple[Deployment, Run]:
    """The deployment and the run in its ledger.

    Raises:
        CommandFailed: no such deployment or run.
    """
    deployment = find_deployment(stack, region)
    ledger = ledger_of(deployment)
    run = ledger.run(run_id)
    if run is None and (drawn := ledger.drawn_run_id(run_id)):
        raise CommandFailed(
            f"{run_id} is a message, whose run id was drawn: {drawn}; ask for that run", NOT_FOUND
        )
    if run is None:
        raise CommandFailed(
            f"no run {run_id} in the ledger {deployment.output('LedgerTable')}: its message may not"
            " be delivered yet, or was refused (pipeline dead-letters)",
            NOT_FOUND,
        )
    return deployment, run
