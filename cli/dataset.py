"""`pipeline dataset check`: a contract looked at before it is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.exit_codes import EPILOG, REFUSED, CommandFailed
from cli.options import JsonOption
from cli.tables import make_console, print_json, records_table
from contracts.errors import InvalidDataset

dataset_app = typer.Typer(help="Dataset contracts.", no_args_is_help=True)


@dataset_app.callback()
def _group() -> None:
    """Dataset contracts."""


@dataset_app.command(epilog=EPILOG)
def check(
    file: Annotated[Path, typer.Argument(help="The contract, such as datasets/orders.yaml.")],
    json_output: JsonOption = False,
) -> None:
    """Check a contract as load-dataset will: its fields, rules, SQL and targets.

    Example: pipeline dataset check datasets/orders.yaml
    """
    # Only here: it needs DuckDB, which the other commands do without.
    from steps.dataset_check import check_dataset

    console = make_console()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}", REFUSED) from None
    try:
        checked = check_dataset(text, file.stem)
    except InvalidDataset as error:
        if json_output:
            problems = [problem.to_json() for problem in error.problems]
            print_json(console, {"valid": False, "problems": problems})
            raise typer.Exit(REFUSED) from None
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise CommandFailed(f"{file}: {len(error.problems)} problems\n{lines}", REFUSED) from None
    if json_output:
        columns = [{"name": name, "type": kind} for name, kind in checked.output_columns]
        document = {"valid": True, "version": checked.version, "outputColumns": columns}
        print_json(console, document)
        return
    console.print(f"{file}: valid, version {checked.version}; its result has these columns:")
    console.print(records_table(("column", "type"), checked.output_columns))
