"""`pipeline`: the commands, with examples for their help.

Each start imports the one command that it is to run: all of them take twice as long.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Final

import typer

from cli.command_class import OTHER_NAMES, PipelineCommand, PipelineGroup, epilog
from cli.exit_codes import EXIT_STATUS
from cli.version import version


class Entry:
    """One command: the module that has it as a function of its name, and examples."""

    def __init__(self, module: str, *examples: str) -> None:
        self.module = module
        self.examples = examples


COMMANDS: Final = {
    "demo": Entry(
        "cli.commands.demo",
        "pipeline demo",
        "pipeline demo events/run.json --keep",
    ),
    "run": Entry(
        "cli.commands.run",
        "pipeline run --dataset orders --start 2026-11-01 --end 2026-11-04 --wait",
        "pipeline run events/run.json --stack durable-pipeline",
        "pipeline run --dataset orders --input-url s3://my-bucket/landing/orders/orders.csv",
        "pipeline run --retry-of november-1",
    ),
    "ls": Entry(
        "cli.commands.ls",
        "pipeline ls",
        "pipeline ls --since 7d --status FAILED",
        "pipeline ls --running --dataset orders --json",
    ),
    "show": Entry(
        "cli.commands.show",
        "pipeline show november-1",
        "pipeline show @last",
    ),
    "watch": Entry(
        "cli.commands.show",
        "pipeline watch november-1",
        "pipeline watch @last --timeout 600",
    ),
    "status": Entry(
        "cli.commands.status",
        "pipeline status november-1",
        "pipeline status --follow november-1",
    ),
    "results": Entry(
        "cli.commands.results",
        "pipeline results november-1",
        "pipeline results november-1 --json",
    ),
    "history": Entry(
        "cli.commands.history",
        "pipeline history november-1",
    ),
    "units": Entry(
        "cli.commands.units",
        "pipeline units november-1",
        "pipeline units november-1 --json",
    ),
    "cost": Entry(
        "cli.commands.cost",
        "pipeline cost november-1",
        "pipeline cost --last 30d --dataset orders --stack durable-pipeline",
    ),
    "jobs": Entry(
        "cli.commands.jobs",
        "pipeline jobs november-1",
    ),
    "logs": Entry(
        "cli.commands.logs",
        "pipeline logs november-1",
        "pipeline logs @last --unit 00000-003 --follow",
    ),
    "pools": Entry(
        "cli.commands.pools",
        "pipeline pools",
        "pipeline pools --stack durable-pipeline --json",
    ),
    "rejected": Entry(
        "cli.commands.rejected",
        "pipeline rejected november-1",
        "pipeline rejected november-1 --out corrected.jsonl",
    ),
    "resend": Entry(
        "cli.commands.resend",
        "pipeline resend corrected.jsonl --run november-1 --wait",
    ),
    "stop": Entry(
        "cli.commands.stop",
        'pipeline stop november-1 --reason "wrong input"',
    ),
    "resume": Entry(
        "cli.commands.resume",
        "pipeline resume november-1 --wait",
    ),
    "purge": Entry(
        "cli.commands.purge",
        "pipeline purge november-1 --dry-run",
        "pipeline purge november-1 --stack durable-pipeline",
    ),
    "console": Entry(
        "cli.commands.console",
        "pipeline console --open",
        "pipeline console --stack durable-pipeline",
    ),
    "upload": Entry(
        "cli.commands.upload",
        "pipeline upload --stack durable-pipeline",
        "pipeline upload --sample",
    ),
    "put": Entry(
        "cli.commands.put",
        "pipeline put orders.csv --dataset orders --day 2026-11-01",
        "pipeline put part-*.parquet --dataset events --ready --stack durable-pipeline",
    ),
    "where": Entry(
        "cli.commands.where",
        "pipeline where ORD-00000017 --dataset orders",
        "pipeline where sensor-1 2026-11-01T06:30:00Z --dataset readings --json",
    ),
    "doctor": Entry(
        "cli.commands.doctor",
        "pipeline doctor",
        "pipeline doctor --stack durable-pipeline --json",
    ),
    "verify": Entry(
        "cli.verify.command",
        "pipeline verify --stack durable-pipeline --json",
    ),
}
# Commands that have commands of their own: the module and its application.
GROUPS: Final = {
    "dead-letters": ("cli.commands.dead_letters", "dead_letters_app"),
    "backfill": ("cli.commands.backfill_control", "backfill_app"),
    "schedules": ("cli.commands.schedules", "schedules_app"),
    "dataset": ("cli.commands.dataset", "dataset_app"),
    "ledger": ("cli.commands.ledger", "ledger_app"),
}
REBUILD_STORED: Final = Entry(
    "cli.commands.rebuild_stored",
    "pipeline dataset rebuild-stored orders",
    "pipeline dataset rebuild-stored orders --since 2025-01-01 --stack durable-pipeline",
)


def application(only: str | None = None) -> typer.Typer:
    """The commands.

    Args:
        only: of them, this one, if it is one; None: all.
    """
    made = typer.Typer(
        name="pipeline",
        cls=PipelineGroup,
        help="Start runs of the data pipeline, follow them, and show their results.\n\n"
        "Commands work on the local cloud that runs on this machine (make local), or with --stack"
        " NAME (or PIPELINE_STACK) on a stack on AWS. A local cloud of another directory is found"
        " by --state-dir DIR after the command (or PIPELINE_STATE_DIR), or by AWS_ENDPOINT_URL"
        " alone. With --json each prints one JSON document: docs/json.md.",
        epilog=EXIT_STATUS,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    made.callback()(_options)
    for name, entry in COMMANDS.items():
        if only in (None, name):
            _add(made, name, entry)
    for name, (module, attribute) in GROUPS.items():
        if only in (None, name):
            group: typer.Typer = getattr(import_module(module), attribute)
            if name == "dataset" and "rebuild-stored" not in _names_of(group):
                _add(group, "rebuild-stored", REBUILD_STORED)
            made.add_typer(group, name=name)
    return made


def main() -> None:
    """Run the command that the arguments name."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    name = OTHER_NAMES.get(word, word)
    is_known = name in COMMANDS or name in GROUPS or name == "--version"
    application(name if is_known else None)(prog_name="pipeline")


def __getattr__(name: str) -> typer.Typer:
    """`app`: all of them, made when it is first asked for."""
    if name != "app":
        raise AttributeError(name)
    globals()[name] = application()
    found: typer.Typer = globals()[name]
    return found


def _add(to: typer.Typer, name: str, entry: Entry) -> None:
    function = getattr(import_module(entry.module), name.replace("-", "_"))
    to.command(name, cls=PipelineCommand, epilog=epilog(*entry.examples))(function)


def _names_of(group: typer.Typer) -> list[str | None]:
    return [command.name for command in group.registered_commands]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pipeline {version()}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the program itself; its help is above."""


if __name__ == "__main__":
    main()
