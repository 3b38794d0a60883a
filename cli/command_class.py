"""How commands end with an error: one sentence for people, one JSON document for programs.

With `--json` standard output holds exactly one document, whatever happens: the command's own, or
`{"error": {"code", "message", "hint"}}`. People read the sentence on standard error either way.
"""

from __future__ import annotations

import inspect
import os
from typing import Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from cli.client.deployment import STATE_DIR
from cli.documents.base import print_document
from cli.documents.errors import ErrorDetails, ErrorDocument
from cli.exit_codes import (
    ERROR_CODES,
    EXIT_STATUS,
    FAILED,
    INTERRUPTED,
    USAGE,
    CommandFailed,
)
from cli.views.printing import printable

_JSON: Final = "--json"
_STATE_DIR: Final = "--state-dir"
# What people also try.
OTHER_NAMES: Final = {"runs": "ls"}
_AWS_HINT: Final = (
    "check your credentials and region; the policy of the output OperatorPolicyArn allows all that"
    " the commands call"
)


class _OneDocument:
    """A command whose help and errors are printed the same way, whichever command it is."""

    help: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help with its paragraphs as wide as the terminal, not as the source is."""
        self.help = self.help and _flowing(self.help)
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; wrong usage with `--json` is an error document, too."""
        wants_json = _JSON in args
        args = self._without_state_dir(ctx, args)
        try:
            parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
            return parsed
        except TyperException as error:  # typer goes on to print it to standard error
            if wants_json:
                _print_usage_error(error, f"{ctx.command_path} --help lists its options")
            raise

    def _without_state_dir(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments but `--state-dir DIR`, which every command takes that has none of its own.

        It is put where the environment may name it, too.
        """
        own = [name for option in self.get_params(ctx) for name in option.opts]  # type: ignore[attr-defined]
        if _STATE_DIR in own:
            return args
        left: list[str] = []
        words = iter(args)
        for word in words:
            name, equals, value = word.partition("=")
            if word == "--":
                return [*left, word, *words]
            if name != _STATE_DIR:
                left.append(word)
            elif value := value if equals else next(words, ""):
                os.environ[STATE_DIR] = value
            else:
                left.append(word)  # refused as an option that needs a value
        return left

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            typer.Exit: with the exit status of the error, which has been printed.
        """
        try:
            return super().invoke(ctx)  # type: ignore[misc]
        except CommandFailed as error:
            failed = error
        except (ClientError, BotoCoreError) as error:
            failed = CommandFailed(f"AWS refused a call: {error}", FAILED, _AWS_HINT)
        except KeyboardInterrupt:
            failed = CommandFailed("interrupted", INTERRUPTED)
        _print_error(failed, json_output=bool(ctx.params.get("json_output")))
        raise typer.Exit(failed.exit_code) from None


class PipelineCommand(_OneDocument, TyperCommand):
    """A command."""


class PipelineGroup(TyperGroup):
    """The commands; an unknown one with `--json` is an error document, too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names."""
        args = [OTHER_NAMES.get(args[0], args[0]), *args[1:]]
        try:
            return super().resolve_command(ctx, args)
        except TyperException as error:
            if _JSON in args:
                _print_usage_error(error, f"{ctx.command_path} --help lists the commands")
            raise


class PipelineCommandGroup(_OneDocument, PipelineGroup):
    """Commands whose group is a command, too, when none of them is named."""


def _flowing(text: str) -> str:
    """Text whose paragraphs are one line each, but for those that are marked to stay (`\\b`)."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        each if each.startswith("\b") else " ".join(each.split()) for each in paragraphs
    )


def _print_usage_error(error: TyperException, hint: str) -> None:
    details = ErrorDetails(code=USAGE, message=error.format_message(), hint=hint)
    print_document(ErrorDocument(error=details))


def _print_error(failed: CommandFailed, *, json_output: bool) -> None:
    typer.secho(printable(failed.reason), err=True, fg="red")
    if json_output:
        code = ERROR_CODES[failed.exit_code]
        details = ErrorDetails(code=code, message=failed.message, hint=failed.hint)
        print_document(ErrorDocument(error=details))


def epilog(*examples: str) -> str:
    """The text below a command's help: commands to type, and the exit status."""
    lines = ["Examples:", *(f"  {example}" for example in examples), EXIT_STATUS]
    return "\n\n".join(lines)
