"""`pipeline`: the commands, with examples for their help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli.command_class import PipelineCommand, PipelineGroup, epilog
from cli.commands.backfill_control import backfill_app
from cli.commands.console import console
from cli.commands.cost import cost
from cli.commands.dataset import dataset_app
from cli.commands.dead_letters import dead_letters_app
from cli.commands.demo import demo
from cli.commands.doctor import doctor
from cli.commands.history import history
from cli.commands.jobs import jobs
from cli.commands.ledger import ledger_app
from cli.commands.logs import logs
from cli.commands.ls import ls
from cli.commands.pools import pools
from cli.commands.purge import purge
from cli.commands.put import put
from cli.commands.rebuild_stored import rebuild_stored
from cli.commands.rejected import rejected
from cli.commands.resend import resend
from cli.commands.results import results
from cli.commands.resume import resume
from cli.commands.run import run
from cli.commands.schedules import schedules_app
from cli.commands.show import show, watch
from cli.commands.status import status
from cli.commands.stop import stop
from cli.commands.units import units
from cli.commands.upload import upload
from cli.commands.where import where
from cli.exit_codes import EXIT_STATUS
from cli.verify.command import verify
from cli.version import version

app = typer.Typer(
    name="pipeline",
    cls=PipelineGroup,
    help="Start runs of the data pipeline, follow them, and show their results.\n\n"
    "Commands work on the local cloud that runs on this machine (make local), or with --stack NAME"
    " (or PIPELINE_STACK) on a stack on AWS. A local cloud of another directory is found by"
    " --state-dir DIR after the command (or PIPELINE_STATE_DIR), or by AWS_ENDPOINT_URL alone. With"
    " --json each prints one JSON document: docs/json.md.",
    epilog=EXIT_STATUS,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pipeline {version()}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the program itself; its help is above."""


def _add(command: Callable[..., Any], *examples: str) -> None:
    name = command.__name__.replace("_", "-")
    app.command(name, cls=PipelineCommand, epilog=epilog(*examples))(command)


_add(
    demo,
    "pipeline demo",
    "pipeline demo events/run.json --keep",
)
_add(
    run,
    "pipeline run --dataset orders --start 2026-11-01 --end 2026-11-04 --wait",
    "pipeline run events/run.json --stack durable-pipeline",
    "pipeline run --dataset orders --input-url s3://my-bucket/landing/orders/orders.csv",
    "pipeline run --retry-of november-1",
)
_add(
    ls,
    "pipeline ls",
    "pipeline ls --since 7d --status FAILED",
    "pipeline ls --running --dataset orders --json",
)
_add(
    show,
    "pipeline show november-1",
    "pipeline show @last",
)
_add(
    watch,
    "pipeline watch november-1",
    "pipeline watch @last --timeout 600",
)
_add(
    status,
    "pipeline status november-1",
    "pipeline status --follow november-1",
)
_add(
    results,
    "pipeline results november-1",
    "pipeline results november-1 --json",
)
_add(
    history,
    "pipeline history november-1",
)
_add(
    units,
    "pipeline units november-1",
    "pipeline units november-1 --json",
)
_add(
    cost,
    "pipeline cost november-1",
    "pipeline cost --last 30d --dataset orders --stack durable-pipeline",
)
_add(
    jobs,
    "pipeline jobs november-1",
)
_add(
    logs,
    "pipeline logs november-1",
    "pipeline logs @last --unit 00000-003 --follow",
)
_add(
    pools,
    "pipeline pools",
    "pipeline pools --stack durable-pipeline --json",
)
_add(
    rejected,
    "pipeline rejected november-1",
    "pipeline rejected november-1 --out corrected.jsonl",
)
_add(
    resend,
    "pipeline resend corrected.jsonl --run november-1 --wait",
)
_add(
    stop,
    'pipeline stop november-1 --reason "wrong input"',
)
_add(
    resume,
    "pipeline resume november-1 --wait",
)
_add(
    purge,
    "pipeline purge november-1 --dry-run",
    "pipeline purge november-1 --stack durable-pipeline",
)
_add(
    console,
    "pipeline console --open",
    "pipeline console --stack durable-pipeline",
)
_add(
    upload,
    "pipeline upload --stack durable-pipeline",
    "pipeline upload --sample",
)
_add(
    put,
    "pipeline put orders.csv --dataset orders --day 2026-11-01",
    "pipeline put part-*.parquet --dataset events --ready --stack durable-pipeline",
)
_add(
    where,
    "pipeline where ORD-00000017 --dataset orders",
    "pipeline where sensor-1 2026-11-01T06:30:00Z --dataset readings --json",
)
_add(
    doctor,
    "pipeline doctor",
    "pipeline doctor --stack durable-pipeline --json",
)
_add(
    verify,
    "pipeline verify --stack durable-pipeline --json",
)
app.add_typer(dead_letters_app, name="dead-letters")
app.add_typer(backfill_app, name="backfill")
app.add_typer(schedules_app, name="schedules")
dataset_app.command(
    "rebuild-stored",
    cls=PipelineCommand,
    epilog=epilog(
        "pipeline dataset rebuild-stored orders",
        "pipeline dataset rebuild-stored orders --since 2025-01-01 --stack durable-pipeline",
    ),
)(rebuild_stored)
app.add_typer(dataset_app, name="dataset")
app.add_typer(ledger_app, name="ledger")

if __name__ == "__main__":
    app(prog_name="pipeline")
