"""The reference of commands, docs/commands.md, made from the commands themselves.

python -m cli.documents.reference    # or: make reference
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer.main

from cli.exit_codes import EXIT_STATUS

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
_BEGINNING: Final = """# Commands

Made from the commands themselves by `make reference`; each prints the same with `--help`.

* `--stack NAME` (or `PIPELINE_STACK`) names a stack on AWS, `--region` its Region. Without it a
  command works on the local cloud that runs on this machine (`make local`).
* `--json` prints one JSON document, errors included: [json.md](json.md).
* Where an argument is the id of a run, a beginning that no other run has is enough, and `@last` is
  the newest.
"""
# Explained once, above.
_COMMON: Final = frozenset({"--stack", "--region", "--json", "--help"})


def reference() -> str:
    """The text of the file."""
    from cli.main import app  # the commands import what documents have

    found = dict(_commands(typer.main.get_command(app)))
    rows = [f"| [`{name}`](#{_anchor(name)}) | {_first(each)} |" for name, each in found.items()]
    table = ["| command | what it does |", "|---|---|", *rows]
    parts = [_BEGINNING, *table, "", EXIT_STATUS, ""]
    for name, command in found.items():
        parts += _section(name, command)
    return "\n".join(parts).rstrip() + "\n"


def _commands(group: Any, path: str = "pipeline") -> Iterator[tuple[str, Any]]:
    if not hasattr(group, "commands"):
        yield path, group
        return
    if group.invoke_without_command and path != "pipeline":
        yield path, group
    for name, command in group.commands.items():
        if not command.hidden:
            yield from _commands(command, f"{path} {name}")


def _section(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield inspect.cleandoc(command.help or "").replace("\b\n", "")
    yield ""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = " ".join(_usage(argument) for argument in arguments)
    yield f"    {name}{' ' if words else ''}{words} [OPTIONS]"
    yield ""
    shown = [p for p in command.params if not _COMMON & {*p.opts, *p.secondary_opts}]
    for parameter in shown:
        yield f"* {_title(parameter)}: {_said(parameter)}"
    if shown:
        yield ""
    examples = _examples(command)
    if examples:
        yield "```sh"
        yield from examples
        yield "```"
        yield ""


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    many = "…" if argument.nargs != 1 else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"


def _title(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    opts = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(f"`{option}`" for option in opts)


def _said(parameter: Any) -> str:
    return " ".join((parameter.help or "").split())


def _first(command: Any) -> str:
    """The first sentence of its help, without the full stop."""
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    return text.rstrip(".")


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _examples(command: Any) -> list[str]:
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    return [line for line in lines if line.startswith("pipeline ")]


def main() -> None:
    """Write the file."""
    FILE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
