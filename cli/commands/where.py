"""`pipeline where`: the run, the object and the line that a stored row comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client.contracts import checked_contract
from cli.client.deployment import Deployment, find_deployment
from cli.client.origin import Origin, find_origin, key_values
from cli.documents.base import print_document
from cli.documents.where import where_document
from cli.exit_codes import NOT_FOUND, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console


def where(
    key: Annotated[
        list[str],
        typer.Argument(help="The row's natural key: a value for each of its columns, in order."),
    ],
    dataset: Annotated[str, typer.Option(help="The dataset that the row is of.")],
    index: Annotated[
        str | None,
        typer.Option(help="The collection it is stored under. Default: the dataset's name."),
    ] = None,
    line: Annotated[
        bool,
        typer.Option("--line/--no-line", help="Read the object again to find the row's line."),
    ] = True,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Find where a stored row comes from: its run, unit, job and object, and its line there.

    Reads the item in the result table by its key. The line is found by reading the object again,
    as the run's contract says; if the object has changed since, it says so.
    """
    deployment = find_deployment(stack, region)
    checked = checked_contract(deployment, dataset)
    values = key_values(checked, key)
    origin = find_origin(deployment, index or dataset, values, with_line=line)
    if origin is None:
        raise CommandFailed(
            f"no row of {dataset} with the key {', '.join(key)} is stored under the index"
            f" {index or dataset}",
            NOT_FOUND,
            "if its run rejected it, pipeline rejected RUN_ID shows it with the reason",
        )
    if json_output:
        print_document(where_document(origin))
    else:
        console = make_console()
        for name, value in _rows(origin, deployment):
            console.print(f"{name:<9}  {value}", soft_wrap=True)


def _rows(origin: Origin, deployment: Deployment) -> list[tuple[str, str]]:
    item = origin.item
    where_ = f" --stack {deployment.stack}" if deployment.stack else ""
    rows = [
        ("key", origin.key),
        ("run", str(item["run_id"])),
        ("unit", str(item["unit_id"])),
        ("job", str(item.get("job_id") or "none")),
        ("stored", str(item.get("stored_at") or "not recorded")),
        ("object", origin.url or str(item.get("source_key") or "not recorded")),
        ("", origin.state.said),
    ]
    if origin.run_expired:
        document = f"; results document at {origin.results_url}" if origin.results_url else ""
        rows.insert(2, ("", f"expired from the ledger{document}"))
    if origin.lines.numbers:
        rows.append(("line", _numbers(origin.lines.numbers, origin.lines.note)))
    elif origin.lines.note:
        rows.append(("line", f"not found: {origin.lines.note}"))
    if not origin.run_expired:
        rows.append(("next", f"pipeline results {item['run_id']}{where_}"))
    return rows


def _numbers(numbers: tuple[int, ...], what: str | None) -> str:
    shown = ", ".join(f"{number:,}" for number in numbers[:10])
    more = f" and {len(numbers) - 10:,} more" if len(numbers) > 10 else ""
    which = f" ({what})" if what else ""
    several = "; one of them is stored" if len(numbers) > 1 else ""
    return shown + more + which + several
