"""`pipeline dataset`: contracts checked before they are deployed, proposed, and their schema."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from botocore.exceptions import ClientError

from cli.client.deployment import find_deployment
from cli.client.local_pools import is_pools_file
from cli.command_class import PipelineCommand, PipelineGroup, epilog
from cli.dataset_schema import schema_text
from cli.documents.base import print_document
from cli.documents.datasets import (
    CheckedContract,
    ContractColumn,
    ContractProblem,
    ProposedContract,
)
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.pools_schema import pools_schema_text
from cli.views.printing import make_console
from cli.views.tables import records_table
from contracts import layout
from contracts.errors import InvalidDataset, InvalidInput
from remote_jobs.pools.pools_file import parse_pools, version_of

if TYPE_CHECKING:
    from dataset_loading.check import CheckedDataset

SAMPLE_MEGABYTES_AT_MOST: Final = 1024
LARGE_SAMPLE: Final = 8 * 1024 * 1024  # bytes; takes more than a second or two
dataset_app = typer.Typer(cls=PipelineGroup, no_args_is_help=True)


@dataset_app.callback()
def _group() -> None:
    """Write and check dataset contracts (datasets/NAME.yaml)."""


@dataset_app.command(
    cls=PipelineCommand, epilog=epilog("pipeline dataset check datasets/orders.yaml")
)
def check(
    file: Annotated[
        Path,
        typer.Argument(
            help="File of the contract, such as datasets/orders.yaml; or pools.yaml, with limits of"
            " pools."
        ),
    ],
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check a contract before it is deployed: its fields, rules, SQL and targets.

    Lists every problem with its place in the file. Functions of jobs (engine lambda) are checked
    against those that the deployment allows: the stack's, else the local cloud's if one runs. A
    valid contract is deployed by pipeline upload. Pools that jobs name need a limit in pools.yaml,
    which can be checked, too.
    """
    text = _contract_text(file)
    try:
        if is_pools_file(file):
            limits = parse_pools(text, str(file)).limits
            _show_valid_pools(file, version_of(text.encode()), limits, json_output=json_output)
            return
        checked = _checked(text, file, stack, region)
    except InvalidInput as error:
        if json_output:
            problems = tuple(
                ContractProblem(path=each.path, message=each.message, value=each.value)
                for each in error.problems
            )
            print_document(CheckedContract(valid=False, problems=problems))
            raise typer.Exit(REFUSED) from None
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        count = len(error.problems)
        raise CommandFailed(
            f"{file} is not valid; {count} problem{'s' if count > 1 else ''}:\n{lines}",
            REFUSED,
            "docs/datasets.md describes the fields of contracts, docs/operations.md pools.yaml",
        ) from None
    notes = _notes(checked)
    if json_output:
        columns = tuple(ContractColumn(name=n, type=t) for n, t in checked.output_columns)
        document = CheckedContract(
            valid=True, version=checked.version, output_columns=columns, notes=notes
        )
        print_document(document)
        return
    console = make_console()
    console.print(f"{file}: valid, version {checked.version}; its result has these columns:")
    console.print(records_table(("column", "type"), checked.output_columns))
    for note in notes:
        console.print(f"note: {note}")


def _checked(text: str, file: Path, stack: str | None, region: str | None) -> CheckedDataset:
    """The contract.

    Raises:
        InvalidDataset: with every problem.
    """
    # Only here: it needs DuckDB, which the other commands do without.
    from cli.client.allowed_functions import problems_of_functions
    from cli.client.local_pools import problems_of_pools
    from dataset_loading.check import check_dataset

    checked = check_dataset(text, file.stem)
    refused = problems_of_functions(checked.dataset, stack, region)
    if refused := [*refused, *problems_of_pools(checked.dataset)]:
        raise InvalidDataset(str(file), refused)
    return checked


def _notes(checked: CheckedDataset) -> tuple[str, ...]:
    from dataset_loading.changed_defaults import notes_on_defaults

    return tuple(notes_on_defaults(checked.dataset))


def _show_valid_pools(
    file: Path, version: str, limits: Mapping[str, int], *, json_output: bool
) -> None:
    if json_output:
        print_document(CheckedContract(valid=True, version=version))
        return
    console = make_console()
    console.print(f"{file}: valid, version {version}; it limits {len(limits)} pools")
    if limits:
        console.print(records_table(("pool", "limit"), sorted(limits.items())))


def _contract_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(
            f"{file} cannot be read: {error}", REFUSED, "give the path of a contract"
        ) from None


@dataset_app.command(
    cls=PipelineCommand,
    epilog=epilog("pipeline dataset schema > datasets/dataset.schema.json"),
)
def schema(
    pools: Annotated[
        bool, typer.Option("--pools", help="Print that of pools.yaml, the limits of pools.")
    ] = False,
) -> None:
    """Print the JSON Schema of contracts, for editors to check and complete contract files.

    It ships as datasets/dataset.schema.json, which the contracts in datasets/ name; that of
    pools.yaml as datasets/pools.schema.json.
    """
    typer.echo(pools_schema_text() if pools else schema_text(), nl=False)


class NewTarget(StrEnum):
    """The target of a proposed contract."""

    DYNAMODB = "dynamodb"
    FILES = "files"


@dataset_app.command(
    cls=PipelineCommand,
    epilog=epilog(
        "pipeline dataset new visits.csv --out datasets/visits.yaml",
        "pipeline dataset new s3://my-bucket/landing/visits/dt=2026-11-01/visits.csv.gz",
    ),
)
def new(
    sample: Annotated[
        str, typer.Argument(help="A sample object: a file here, or s3://bucket/key.")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the dataset. Default: derived from the sample's path."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the contract to this new file. Default: print it.")
    ] = None,
    target: Annotated[
        NewTarget, typer.Option(help="Where results are stored: DynamoDB items, or files.")
    ] = NewTarget.DYNAMODB,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Propose a contract from a sample object: format, types, keys, ranges and allowed values.

    Every row of the sample that can be read passes it. Review it: one sample does not show what
    later objects may hold. Then check it: pipeline dataset check.
    """
    if out is not None and out.exists():
        raise CommandFailed(f"--out {out} exists already", REFUSED, "give another name")
    called, text = _proposal(sample, name or (out.stem if out else None), target, stack, region)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    if json_output:
        path = str(out) if out else None
        print_document(ProposedContract(dataset_name=called, contract=text, out=path))
    elif out is None:
        typer.echo(text, nl=False)
    else:
        key = "" if target is NewTarget.FILES else ", above all its key, which is a guess"
        next_step = f"{out}: review it{key}, then: pipeline dataset check {out}"
        make_console(stderr=True).print(next_step, soft_wrap=True)


def _proposal(
    sample: str, name: str | None, target: NewTarget, stack: str | None, region: str | None
) -> tuple[str, str]:
    """The name of the dataset, and its contract."""
    # Only here: these need DuckDB, which the other commands do without.
    from cli.proposal.contract import Origin, dataset_name
    from cli.proposal.propose import propose

    with tempfile.TemporaryDirectory(prefix="sample-") as folder:
        scratch = Path(folder)
        if sample.startswith("s3://"):
            file, bucket = _fetched(sample, scratch, stack, region)
            origin = Origin(layout.split_s3_url(sample)[1], bucket)
        else:
            file, origin = Path(sample), Origin(Path(sample).name)
        called = name or dataset_name(origin)
        files = target is NewTarget.FILES
        report = _reporter(file)
        return called, propose(called, origin, file, scratch, files=files, report=report)


def _reporter(sample: Path) -> Callable[[str], None]:
    """Shows what is being done with a large sample; of a small one it is done at once."""
    size = sample.stat().st_size if sample.exists() else 0
    console = make_console(stderr=True)

    def report(doing: str) -> None:
        if size > LARGE_SAMPLE:
            console.print(f"{sample.name} ({size / 1024 / 1024:.0f} MB): {doing}", soft_wrap=True)

    return report


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
                f"{url} has {size / 1024 / 1024:.0f} MB; a sample may have"
                f" {SAMPLE_MEGABYTES_AT_MOST} MB",
                REFUSED,
                "give a smaller object",
            )
        s3.download_file(bucket, key, str(path))
    except ClientError as error:
        raise CommandFailed(f"{url} cannot be read: {error}", REFUSED) from None
    return path, None if bucket == deployment.output("DataBucketName") else bucket
