"""`pipeline dead-letters`: refused messages, their reasons, and what can be done with them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.client.contract_check import check_against_contract
from cli.client.dead_letters import DeadLetterQueue
from cli.client.deployment import Deployment, find_deployment
from cli.client.messages import DeadLetter, check_message, read_message, with_bucket
from cli.client.replay import Replayed, Replayer, ReplayOutcome
from cli.client.run_reasons import with_run_reasons
from cli.command_class import PipelineCommand, PipelineCommandGroup, epilog
from cli.documents.base import print_document
from cli.documents.runs import (
    DeadLettersDocument,
    DeletedLettersDocument,
    ReplayDocument,
    ReplayedLetter,
    dead_letter_document,
)
from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption, confirm, ledger_of
from cli.views.dead_letters import (
    dead_letters_table,
    no_such_letter,
    print_letter,
    replayed_text,
)
from cli.views.printing import make_console, printable

LettersArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of messages, as pipeline dead-letters lists them, or of their runs."),
]

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

    The same as pipeline dead-letters ls. They stay on the queue. To see one whole: pipeline
    dead-letters show. Once the cause is fixed: pipeline dead-letters replay, of a message that is
    wrong itself with --corrected FILE. What nobody wants: pipeline dead-letters delete.
    """
    if context.invoked_subcommand is not None:
        _refuse_misplaced_options(context)
        return
    _list(stack, region, json_output=json_output)


@dead_letters_app.command(cls=PipelineCommand, epilog=epilog("pipeline dead-letters ls --json"))
def ls(
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """List the messages, oldest first, with their ages and reasons.

    A message that was delivered too often has the reason why its run failed, from the ledger.
    """
    _list(stack, region, json_output=json_output)


def _list(stack: str | None, region: str | None, *, json_output: bool) -> None:
    deployment = find_deployment(stack, region)
    queue = DeadLetterQueue(deployment)
    letters = with_run_reasons(queue.peek(), ledger_of(deployment))
    count = max(queue.count(), len(letters))
    if json_output:
        messages = tuple(dead_letter_document(letter) for letter in letters)
        print_document(
            DeadLettersDocument(queue_url=queue.url, approximate_count=count, messages=messages)
        )
        return
    console = make_console()
    if not letters:
        console.print(
            f"of about {count} letters none was returned: they are being replayed or looked at;"
            " try again in half a minute"
            if count
            else "the dead-letter queue is empty"
        )
        return
    console.print(dead_letters_table(letters, time.time()))
    if count > len(letters):
        console.print(f"{len(letters)} of about {count} letters")


@dead_letters_app.command(
    cls=PipelineCommand,
    epilog=epilog(
        "pipeline dead-letters show november-1",
        "pipeline dead-letters show november-1 --body > message.json",
    ),
)
def show(
    letter_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the message, or of its run.")
    ],
    body: Annotated[
        bool,
        typer.Option("--body", help="Print the message's body alone, as it was received."),
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show a dead letter whole: when it was sent, its reason, its body, and what to do.

    It stays on the queue. To correct it: write the message to a file by --body, and send that in
    its place by pipeline dead-letters replay ID --corrected FILE.
    """
    if body and json_output:
        raise CommandFailed("--body and --json were given", REFUSED, "leave one of them out")
    deployment = find_deployment(stack, region)
    letter = _find_letter(deployment, letter_id)
    if body:
        exact = not sys.stdout.isatty()  # a terminal would obey what is in it
        sys.stdout.write(letter.body if exact else printable(letter.body))
    elif json_output:
        print_document(dead_letter_document(letter))
    else:
        print_letter(make_console(), letter, time.time(), deployment.stack)


def _find_letter(deployment: Deployment, letter_id: str) -> DeadLetter:
    queue = DeadLetterQueue(deployment)
    found: list[DeadLetter] = []

    def look(letter: DeadLetter) -> bool:
        found.append(letter)
        return False

    if queue.visit([letter_id], look):
        raise CommandFailed(
            f"there is no letter {letter_id} on the dead-letter queue",
            NOT_FOUND,
            "pipeline dead-letters ls lists those that are there",
        )
    oldest = min(found, key=lambda each: each.sent_at_ms)
    return with_run_reasons([oldest], ledger_of(deployment))[0]


@dead_letters_app.command(
    cls=PipelineCommand,
    epilog=epilog(
        "pipeline dead-letters delete 6d3a0ad5-6a4c-4f44-9a8b-7d6b3f5f3a01",
        "pipeline dead-letters delete --all --yes",
    ),
)
def delete(
    ids: LettersArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Delete all messages on the dead-letter queue.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Delete dead letters for good, without sending them again.

    What they asked for is not done, unless it was sent otherwise. Rows that their runs have stored
    stay stored, and the ledger's records of these runs stay, too.
    """
    _refuse_none_or_both(ids, everything=everything)
    deployment = find_deployment(stack, region)
    queue = DeadLetterQueue(deployment)
    what = "all messages on the dead-letter queue" if everything else ", ".join(ids or ())
    if not yes:
        confirm(f"Delete {what}? They cannot be brought back.", json_output=json_output)
    deleted: list[DeadLetter] = []

    def remember(letter: DeadLetter) -> bool:
        deleted.append(letter)
        return True

    missing = queue.visit(None if everything else ids, remember)
    if json_output:
        letters = tuple(dead_letter_document(letter) for letter in deleted)
        print_document(
            DeletedLettersDocument(queue_url=queue.url, deleted=letters, not_found=tuple(missing))
        )
    else:
        lines = [f"{letter.message_id}: deleted" for letter in deleted]
        lines += [no_such_letter(each) for each in missing]
        text = "\n".join(lines) or "the dead-letter queue is empty"
        make_console().print(text, soft_wrap=True, markup=False)
    if missing:
        raise typer.Exit(NOT_FOUND)


@dead_letters_app.command(
    cls=PipelineCommand,
    epilog=epilog(
        "pipeline dead-letters replay november-1",
        "pipeline dead-letters replay november-1 --corrected message.json",
        "pipeline dead-letters replay --all --stack durable-pipeline",
    ),
)
def replay(
    ids: LettersArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Replay all messages on the dead-letter queue.")
    ] = False,
    corrected: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Send the message in this file in place of the letter's own; - reads standard"
            " input.",
        ),
    ] = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Send dead letters again, each under the id of its run, and take them off the queue.

    The run goes on: what it has stored stays stored, and the end of its range stays where it was. A
    letter that the pipeline would refuse again stays on the queue. If the command is broken off,
    repeat it: no run is started twice.
    """
    _refuse_none_or_both(ids, everything=everything)
    if corrected is not None and (ids is None or len(ids) != 1):
        raise CommandFailed(
            "--corrected takes the place of one letter", REFUSED, "give the id of that letter alone"
        )
    deployment = find_deployment(stack, region)
    if corrected is not None and ids:
        replayed, missing = _replay_corrected(deployment, ids[0], corrected)
    else:
        replayed, missing = Replayer(deployment).replay(None if everything else ids)
    if json_output:
        letters = tuple(_replayed(each) for each in replayed)
        queue_url = deployment.output("DeadLetterQueueUrl")
        document = ReplayDocument(queue_url=queue_url, letters=letters, not_found=tuple(missing))
        print_document(document)
    else:
        make_console().print(replayed_text(replayed, missing), soft_wrap=True, markup=False)
    if code := _exit_code(replayed, missing):
        raise typer.Exit(code)


def _replay_corrected(
    deployment: Deployment, letter_id: str, file: str
) -> tuple[list[Replayed], list[str]]:
    """The letter, sent as the file has it; else its id as that of no letter.

    Raises:
        CommandFailed: the pipeline would refuse the file's message, too; names every problem.
    """
    body = with_bucket(read_message(file), deployment.output("DataBucketName"))
    try:
        check_against_contract(deployment, check_message(body))
    except CommandFailed as error:
        stays = "correct the file; the letter is still on the queue"
        raise CommandFailed(error.message, error.exit_code, stays) from None
    done = Replayer(deployment).correct(letter_id, body)
    return ([], [letter_id]) if done is None else ([done], [])


def _refuse_none_or_both(ids: list[str] | None, *, everything: bool) -> None:
    if bool(ids) == everything:
        raise CommandFailed(
            "no ids were given" if not ids else "ids and --all were given",
            REFUSED,
            "give the ids of messages or runs, or --all",
        )


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


def _replayed(replayed: Replayed) -> ReplayedLetter:
    return ReplayedLetter(
        message_id=replayed.letter.message_id,
        run_id=replayed.run_id,
        outcome=replayed.outcome,
        detail=replayed.detail,
        sent_message_id=replayed.sent_message_id,
    )
