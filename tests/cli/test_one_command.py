"""A start of `pipeline` imports the command that it is to run, and looks as if it had all."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

from cli.main import COMMANDS, GROUPS, application

LISTED = """
import sys
from cli.main import main
sys.argv = ["pipeline", *sys.argv[1:]]
try:
    main()
finally:
    print(*(name for name in sys.modules if name.startswith("cli.commands.")), file=sys.stderr)
"""


def imported(*words: str) -> set[str]:
    command = [sys.executable, "-c", LISTED, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return set(done.stderr.splitlines()[-1].split())


def commands(app: typer.Typer) -> dict[str, Any]:
    return typer.main.get_command(app).commands  # type: ignore[attr-defined, no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "there", "elsewhere"),
    [
        (("ls", "-h"), "cli.commands.ls", "cli.commands.run"),
        (("runs", "-h"), "cli.commands.ls", "cli.commands.run"),
        (("dataset", "-h"), "cli.commands.dataset", "cli.commands.doctor"),
    ],
)
def test_other_commands_are_not_imported(
    words: tuple[str, ...], there: str, elsewhere: str
) -> None:
    found = imported(*words)
    assert there in found
    assert elsewhere not in found


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("-h",), ("nope",)])
def test_help_and_what_is_no_command_have_all_of_them(words: tuple[str, ...]) -> None:
    assert {entry.module for entry in COMMANDS.values()} - imported(*words) <= {
        "cli.verify.command"  # another room
    }


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_one_alone_is_the_same_as_among_all(name: str) -> None:
    (alone,) = commands(application(name)).items()
    among_all = commands(application())[name]
    assert alone[0] == name
    assert alone[1].get_short_help_str() == among_all.get_short_help_str()
    assert alone[1].epilog == among_all.epilog
    assert [each.name for each in alone[1].params] == [each.name for each in among_all.params]
