"""docs/runbook.md: an entry for every alarm of the template, whose commands can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import typer.main
from deployed_code import ROOT
from deployed_template import resources
from typer._click.exceptions import UsageError

from cli.health.alarm_advice import ALARM_ADVICE
from cli.main import app

PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ENTRIES = {
    title: text
    for title, text in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
PARTS = ("Means", "Look at", "Then", "Worry")
COMMAND = typer.main.get_command(app)


def commands(text: str) -> Iterator[str]:
    """Those of blocks, and those within a sentence."""
    yield from (line.strip() for line in re.findall(r"^ {4}(.+)$", text, re.MULTILINE))
    flowing = " ".join(text.split())
    yield from (one for one in re.findall(r"`([^`]+)`", flowing) if one.startswith("pipeline "))


def parsed(line: str) -> None:
    """Parse as the command line does, without doing anything; where the output goes is the shell's.

    Raises:
        UsageError: no such command, option or argument.
    """
    words = shlex.split(line.partition(" > ")[0])
    assert words.pop(0) == "pipeline"
    command: Any = COMMAND
    context = command.make_context("pipeline", list(words))
    while hasattr(command, "commands") and context._protected_args:
        words = [*context._protected_args, *context.args]
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, list(words), parent=context)


def test_every_alarm_has_an_entry_and_every_entry_an_alarm() -> None:
    assert list(ENTRIES) == list(resources("AWS::CloudWatch::Alarm"))
    assert set(ENTRIES) == set(ALARM_ADVICE)


@pytest.mark.parametrize("alarm", ENTRIES)
def test_an_entry_says_what_it_means_what_to_do_and_when_to_worry(alarm: str) -> None:
    found = re.findall(r"^\*\*([\w ]+)\*\*", ENTRIES[alarm], re.MULTILINE)
    assert tuple(found) == PARTS
    assert any(commands(ENTRIES[alarm]))


@pytest.mark.parametrize("alarm", ENTRIES)
def test_its_commands_are_those_of_the_command_line(alarm: str) -> None:
    assert [line for line in commands(ENTRIES[alarm]) if line.startswith("pipeline ")]
    for line in commands(ENTRIES[alarm]):
        if line.startswith("pipeline "):
            parsed(line)
        else:
            of_aws(line)


def of_aws(line: str) -> None:
    """The AWS CLI's name of an operation is that of boto3's method, with hyphens; `logs tail` is a
    command of its own, which calls FilterLogEvents."""
    words = shlex.split(line)
    assert words[0] == "aws", line
    service, operation = words[1], words[2]
    if (service, operation) == ("logs", "tail"):
        assert words[3].startswith("/aws/lambda/durable-pipeline/"), line
        assert set(words[4::2]) <= {"--since", "--filter-pattern"}, line
        return
    client: Any = boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]
    assert operation.replace("-", "_") in client.meta.method_to_api_mapping, line


@pytest.mark.parametrize(
    "line", ["pipeline dead-letter ls", "pipeline units", "pipeline show RUN_ID --loud"]
)
def test_what_cannot_be_typed_is_found(line: str) -> None:
    with pytest.raises(UsageError):
        parsed(line)
