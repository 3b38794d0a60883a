"""`pipeline upload`: contracts, scripts, tables, a wheel to where the deployment reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.client.deployment import Deployment, find_deployment
from cli.client.wheel import upload_stand_in, upload_wheel
from cli.documents.base import print_document
from cli.documents.datasets import UploadDocument
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console
from contracts import layout
from contracts.errors import InvalidInput
from remote_jobs.pools.pools_file import parse_pools_bytes

ROOT: Final = Path(__file__).resolve().parents[2]
PATTERNS: Final = ("datasets/*.yaml", "jobs/*.py", "sql/*.sql", "pools.yaml")


def upload(
    sample: Annotated[
        bool,
        typer.Option(
            "--sample", help="Upload sample orders and readings to the data bucket, too (0.5 MB)."
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of the sample data: the same seed gives the same rows.")
    ] = 1,
    wheel: Annotated[
        Path | None,
        typer.Option(
            help="File of DuckDB's wheel for the Glue job. Default: pip downloads it (AWS only)."
        ),
    ] = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Upload contracts, job scripts, DDL and the Glue job's DuckDB wheel to the code bucket.

    These are the files of datasets/, jobs/ and sql/, and pools.yaml; run it after each deploy and
    after each change to them. Runs that have begun keep the contract that they read. The local
    cloud needs no wheel, as its jobs have DuckDB: it gets a text in the wheel's place.
    """
    refuse_broken_pools()
    deployment = find_deployment(stack, region)
    s3, bucket = deployment.client("s3"), deployment.output("CodeBucketName")
    urls = upload_code(s3, bucket)
    if sample:
        urls += upload_sample(deployment, seed)
    done: str | None = None
    if wheel is not None or not deployment.local:
        done = upload_wheel(s3, bucket, wheel)
        make_console(stderr=json_output).print(done, soft_wrap=True)
    else:
        urls.append(upload_stand_in(s3, bucket))
    if json_output:
        print_document(UploadDocument(urls=tuple(urls), wheel=done))
        return
    console = make_console()
    for url in urls:
        console.print(url, soft_wrap=True)


def refuse_broken_pools(root: Path = ROOT) -> None:
    """Raises CommandFailed for a pools.yaml with problems, before anything is uploaded."""
    file = root / layout.POOLS_KEY
    try:
        if file.exists():
            parse_pools_bytes(file.read_bytes(), layout.POOLS_KEY)
    except InvalidInput as error:
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise CommandFailed(
            f"{layout.POOLS_KEY} is not valid; nothing was uploaded:\n{lines}",
            REFUSED,
            f"correct it, then: pipeline dataset check {layout.POOLS_KEY}",
        ) from None


def upload_code(s3: Any, bucket: str, root: Path = ROOT) -> list[str]:
    """Put contracts, job scripts and tables into the code bucket; returns their URLs."""
    paths = [path for pattern in PATTERNS for path in sorted(root.glob(pattern))]
    urls = []
    for path in paths:
        key = path.relative_to(root).as_posix()
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        urls.append(layout.s3_url(bucket, key))
    return urls


def upload_sample(deployment: Deployment, seed: int) -> list[str]:
    """Put sample data into the data bucket; returns the URLs."""
    # Only here: nothing of the local cloud is needed to speak to AWS.
    from local import sample_data

    data_bucket = deployment.output("DataBucketName")
    urls: list[str] = []
    sample_data.upload(
        deployment.client("s3"),
        data_bucket,
        deployment.output("CodeBucketName"),
        seed=seed,
        progress=urls.append,
    )
    return [url for url in urls if url.startswith(f"s3://{data_bucket}/landing/")]
