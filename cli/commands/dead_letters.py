"""`pipeline dead-letters`: refused messages and their reasons, and replaying them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.client.ledger import LedgerView
from cli.client.messages import peek_dead_letters
from cli.client.replay import Replayed, Replayer, ReplayOutcome
from cli.client.run_reasons import with_run_reasons
from cli.command_class import PipelineCommand, PipelineCommandGroup, epilog
from cli.documents.base import print_document
from cli.documents.runs import (
    DeadLettersDocument,
    ReplayDocument,
    ReplayedLetter,
    dead_letter_document,
)
from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console
from cli.views.tables import dead_letters_table

dead_letters_app = typer.Typer(
    cls=PipelineCommandGroup,
    invoke_without_command=True,
    epilog=epilog("pipeline dead-letters --stack durable-pipeline"),
)


@dead_letters_app.callback()
def dead_letters(
    context: typer.Context,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """List the messages on the dead-letter queue with the reason why each was refused.

    A message that was delivered too often has the reason why its run failed, from the ledger.
    They stay on the queue. Once the cause is fixed: pipeline dead-letters replay. A message that is
    wrong itself has to be sent again as it should be: pipeline run.
    """
    if context.invoked_subcommand is not None:
        _refuse_misplaced_options(context)
        return
    deployment = find_deployment(stack, region)
    queue_url = deployment.output("DeadLetterQueueUrl")
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    letters = with_run_reasons(peek_dead_letters(deployment.client("sqs"), queue_url), ledger)
    if json_output:
        messages = tuple(dead_letter_document(letter) for letter in letters)
        print_document(DeadLettersDocument(queue_url=queue_url, messages=messages))
    elif letters:
        make_console().print(dead_letters_table(letters))
    else:
        make_console().print("the dead-letter queue is empty")


@dead_letters_app.command(
    cls=PipelineCommand,
    epilog=epilog(
        "pipeline dead-letters replay november-1",
        "pipeline dead-letters replay --all --stack durable-pipeline",
    ),
)
def replay(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            help="Ids of messages, as pipeline dead-letters lists them, or of their runs."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Replay all messages on the dead-letter queue.")
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Send dead letters again, each under the id of its run, and take them off the queue.

    The run goes on: what it has stored stays stored, and the end of its range stays where it was. A
    letter that the pipeline would refuse again stays on the queue. If the command is broken off,
    repeat it: no run is started twice.
    """
    if bool(ids) == everything:
        raise CommandFailed(
            "no ids were given" if not ids else "ids and --all were given",
            REFUSED,
            "give the ids of messages or runs, or --all",
        )
    deployment = find_deployment(stack, region)
    replayed, missing = Replayer(deployment).replay(None if everything else ids)
    if json_output:
        letters = tuple(_replayed(each) for each in replayed)
        queue_url = deployment.output("DeadLetterQueueUrl")
        document = ReplayDocument(queue_url=queue_url, letters=letters, not_found=tuple(missing))
        print_document(document)
    else:
        make_console().print(_text(replayed, missing), soft_wrap=True, markup=False)
    if code := _exit_code(replayed, missing):
        raise typer.Exit(code)


def _refuse_misplaced_options(context: typer.Context) -> None:
    """Before the command they would be taken for those of the listing, and not be heard."""
    options = {"stack": "--stack", "region": "--region", "json_output": "--json"}
    for name, option in options.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise CommandFailed(
                f"{option} stands before {context.invoked_subcommand}",
                REFUSED,
                f"give it after: pipeline dead-letters {context.invoked_subcommand} … {option}",
            )


def _exit_code(replayed: Sequence[Replayed], missing: Sequence[str]) -> int:
    if missing:
        return NOT_FOUND
    refused = any(each.outcome is ReplayOutcome.REFUSED for each in replayed)
    return REFUSED if refused else SUCCEEDED


def _text(replayed: Sequence[Replayed], missing: Sequence[str]) -> str:
    lines = [_line(each) for each in replayed]
    lines += [f"{each}: there is no such letter on the dead-letter queue" for each in missing]
    return "\n".join(lines) or "the dead-letter queue is empty"


def _line(replayed: Replayed) -> str:
    message = replayed.letter.message_id
    if replayed.outcome is ReplayOutcome.REPLAYED:
        follow = f"pipeline status --follow {replayed.run_id}"
        return f"{message}: sent as run {replayed.run_id}; follow it: {follow}"
    if replayed.outcome is ReplayOutcome.DELETED:
        return f"{message}: deleted, as {replayed.detail}"
    return f"{message}: not sent, and still on the queue: {replayed.detail}"


def _replayed(replayed: Replayed) -> ReplayedLetter:
    return ReplayedLetter(
        message_id=replayed.letter.message_id,
        run_id=replayed.run_id,
        outcome=replayed.outcome,
        detail=replayed.detail,
        sent_message_id=replayed.sent_message_id,
    )
