"""`pipeline dead-letters`: refused messages and their reasons."""

from __future__ import annotations

from cli.client.deployment import find_deployment
from cli.client.messages import peek_dead_letters
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.tables import dead_letters_table, make_console, print_json


def dead_letters(
    stack: StackOption = None, region: RegionOption = None, json_output: JsonOption = False
) -> None:
    """Refused messages and their reasons; the queue keeps them.

    Example: pipeline dead-letters --stack durable-pipeline
    """
    deployment = find_deployment(stack, region)
    letters = peek_dead_letters(deployment.client("sqs"), deployment.output("DeadLetterQueueUrl"))
    console = make_console()
    if json_output:
        print_json(console, [letter.to_json() for letter in letters])
    elif letters:
        console.print(dead_letters_table(letters))
    else:
        console.print("the dead-letter queue is empty")
