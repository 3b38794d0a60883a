"""`pipeline dataset`: contracts checked before they are deployed, proposed, and their schema."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from botocore.exceptions import ClientError

from cli.client.deployment import find_deployment
from cli.dataset_schema import schema_text
from cli.exit_codes import EPILOG, REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.tables import make_console, print_json, records_table
from contracts import layout
from contracts.errors import InvalidDataset

SAMPLE_MEGABYTES_AT_MOST: Final = 1024
dataset_app = typer.Typer(help="Dataset contracts.", no_args_is_help=True)


@dataset_app.callback()
def _group() -> None:
    """Dataset contracts."""


@dataset_app.command(epilog=EPILOG)
def check(
    file: Annotated[Path, typer.Argument(help="The contract, such as datasets/orders.yaml.")],
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check a contract as load-dataset will: its fields, rules, SQL and targets.

    Whether its functions (engine lambda) are allowed is checked where a deployment says so: the
    stack, else the local cloud if one runs.

    Example: pipeline dataset check datasets/orders.yaml
    """
    # Only here: it needs DuckDB, which the other commands do without.
    from cli.client.allowed_functions import problems_of_functions
    from dataset_loading.check import check_dataset

    console = make_console()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}", REFUSED) from None
    try:
        checked = check_dataset(text, file.stem)
        if refused := problems_of_functions(checked.dataset, stack, region):
            raise InvalidDataset(str(file), refused)
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


@dataset_app.command(epilog=EPILOG)
def schema() -> None:
    """The JSON Schema of contracts, for editors; it ships as datasets/dataset.schema.json.

    Example: pipeline dataset schema > datasets/dataset.schema.json
    """
    typer.echo(schema_text(), nl=False)


class NewTarget(StrEnum):
    """The target of a proposed contract."""

    DYNAMODB = "dynamodb"
    FILES = "files"


@dataset_app.command(epilog=EPILOG)
def new(
    sample: Annotated[str, typer.Argument(help="A local file, or s3://bucket/key.")],
    name: Annotated[
        str | None, typer.Option(help="The dataset's name; absent: made of where the sample lies.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write it; absent: to standard output.")
    ] = None,
    target: Annotated[
        NewTarget, typer.Option(help="Where results go: items of DynamoDB, or files.")
    ] = NewTarget.DYNAMODB,
    stack: StackOption = None,
    region: RegionOption = None,
) -> None:
    """Propose a contract from a sample object: format, types, keys, ranges, allowed values.

    Every row of the sample that can be read passes it. It is a beginning: go through it.

    Example: pipeline dataset new s3://my-bucket/landing/visits/dt=2026-11-01/visits.csv.gz
    """
    # Only here: these need DuckDB, which the other commands do without.
    from cli.proposal.contract import Origin, dataset_name, proposed_contract
    from cli.proposal.profile import profile
    from cli.proposal.sample import look_at
    from dataset_loading.check import check_dataset

    if out is not None and out.exists():
        raise CommandFailed(f"{out} exists already; take another name", REFUSED)
    with tempfile.TemporaryDirectory(prefix="sample-") as folder:
        scratch = Path(folder)
        if sample.startswith("s3://"):
            file, bucket = _fetched(sample, scratch, stack, region)
            origin = Origin(layout.split_s3_url(sample)[1], bucket)
        else:
            file, origin = Path(sample), Origin(Path(sample).name)
        found = look_at(file, scratch)
        called = name or (out.stem if out else dataset_name(origin))
        text = proposed_contract(
            called, origin, found, profile(found), files=target is NewTarget.FILES
        )
    try:
        check_dataset(text, called)
    except InvalidDataset as error:
        raise CommandFailed(f"no contract can be proposed: {error}", REFUSED) from None
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    next_step = f"{out}: go through it, then: pipeline dataset check {out}"
    make_console(stderr=True).print(next_step, soft_wrap=True)


def _fetched(
    url: str, scratch: Path, stack: str | None, region: str | None
) -> tuple[Path, str | None]:
    """A copy of the object, and its bucket unless that is the deployment's own."""
    try:
        bucket, key = layout.split_s3_url(url)
    except ValueError as error:
        raise CommandFailed(str(error), REFUSED) from None
    deployment = find_deployment(stack, region)
    s3, path = deployment.client("s3"), scratch / key.rsplit("/", 1)[-1]
    try:
        size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        if size > SAMPLE_MEGABYTES_AT_MOST * 1024 * 1024:
            raise CommandFailed(
                f"{url} has {size / 1024 / 1024:.0f} MB; take a smaller object as the sample (up to"
                f" {SAMPLE_MEGABYTES_AT_MOST} MB)",
                REFUSED,
            )
        s3.download_file(bucket, key, str(path))
    except ClientError as error:
        raise CommandFailed(f"{url} cannot be read: {error}", REFUSED) from None
    return path, None if bucket == deployment.output("DataBucketName") else bucket
