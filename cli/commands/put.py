"""`pipeline put`: files of one's own, uploaded to where a dataset's contract looks for them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import ClientError

from cli.client.contracts import read_contract
from cli.client.deployment import Deployment, find_deployment
from cli.client.new_objects import ObjectExists, put_object
from cli.client.placing import CannotPlace, Place, place_of, range_of
from cli.documents.base import print_document
from cli.documents.datasets import PutDocument, PutObject
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console
from contracts import layout
from contracts.dataset import Dataset
from contracts.run_request import parse_timestamp

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_STARTS_RUNS = "StartRunsOnUpload"


def put(
    files: Annotated[list[Path], typer.Argument(help="Files to upload, each as one object.")],
    dataset: Annotated[str, typer.Option(help="The dataset whose objects they are.")],
    day: Annotated[
        str | None,
        typer.Option(
            help="Day (or instant) that the objects are of, such as 2026-11-01, where the contract"
            " has partitions. Default: today (UTC)."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put a new object where there is one already.")
    ] = False,
    ready: Annotated[
        bool,
        typer.Option(
            "--ready", help="Put the marker of a complete partition behind them (source.ready)."
        ),
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Upload files to where the dataset's contract looks for its objects.

    Bucket, prefix and partition are the contract's, and names are checked by it: nothing is
    uploaded that no run would read. With StartRunsOnUpload every upload starts a run by itself;
    else the command that starts one is printed.
    """
    deployment = find_deployment(stack, region)
    contract = read_contract(deployment, dataset)
    bucket = contract.source.bucket or deployment.output("DataBucketName")
    places = _places(contract, files, day, ready=ready)
    if not replace:
        _refuse_existing(deployment, bucket, places)
    console = make_console(stderr=json_output)
    s3 = deployment.client("s3")
    for count, (file, place) in enumerate(zip(files, places, strict=True)):
        url = layout.s3_url(bucket, place.key)
        console.print(f"{file} → {url}", soft_wrap=True)
        try:
            put_object(s3, file, bucket, place.key, replace=replace)
        except ObjectExists:
            raise CommandFailed(
                f"{url} was put there by another just now; it was left as it is, and {count} of"
                f" {len(files)} files were uploaded",
                REFUSED,
                "look at it, then put the rest; or --replace",
            ) from None
    markers = sorted({place.marker for place in places if place.marker}) if ready else []
    for marker in markers:
        console.print(f"marker → {layout.s3_url(bucket, marker)}", soft_wrap=True)
        s3.put_object(Bucket=bucket, Key=marker, Body=b"")
    command = _command(deployment, dataset, places)
    if json_output:
        print_document(_document(dataset, bucket, files, places, markers, command))
        return
    for line in _what_next(deployment, bucket, places, markers, command):
        console.print(line, soft_wrap=True)


def _places(contract: Dataset, files: list[Path], day: str | None, *, ready: bool) -> list[Place]:
    """The place of each file; every problem at once.

    Raises:
        CommandFailed: something is wrong with a file or the day; nothing was uploaded.
    """
    moment = None if day is None else _moment(day)
    if ready and contract.source.ready is None:
        raise CommandFailed(
            f"--ready was given, but partitions of {contract.name} need no marker",
            REFUSED,
            "leave it out",
        )
    places: list[Place] = []
    problems: list[str] = []
    for file in files:
        try:
            if not file.is_file():
                problems.append(f"{file} is {'a folder' if file.is_dir() else 'not there'}")
                continue
            places.append(place_of(contract, file.name, moment))
        except CannotPlace as error:
            problems.append(str(error))
    keys = [place.key for place in places]
    problems += [
        f"{key} would be put twice" for key in sorted({k for k in keys if keys.count(k) > 1})
    ]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise CommandFailed(f"nothing was uploaded:\n{lines}", REFUSED)
    return places


def _moment(day: str) -> datetime:
    try:
        return parse_timestamp(day)
    except ValueError as error:
        raise CommandFailed(f"--day: {error}", REFUSED, "write it as 2026-11-01") from None


def _refuse_existing(deployment: Deployment, bucket: str, places: list[Place]) -> None:
    taken = [place.key for place in places if _exists(deployment, bucket, place.key)]
    if taken:
        lines = "\n".join(f"  {layout.s3_url(bucket, key)}" for key in taken)
        raise CommandFailed(
            f"nothing was uploaded, as there are objects already:\n{lines}",
            REFUSED,
            "--replace puts new ones there; or rename the files",
        )


def _exists(deployment: Deployment, bucket: str, key: str) -> bool:
    try:
        deployment.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return False
        raise
    return True


def _command(deployment: Deployment, dataset: str, places: list[Place]) -> str:
    start, end = range_of(places, datetime.now(UTC).date())
    where = f" --stack {deployment.stack}" if deployment.stack else ""
    return f"pipeline run --dataset {dataset} --start {start} --end {end} --wait{where}"


def _what_next(
    deployment: Deployment, bucket: str, places: list[Place], markers: list[str], command: str
) -> list[str]:
    missing = sorted({place.marker for place in places if place.marker} - set(markers))
    lines = [
        f"its partition is read once the marker {layout.s3_url(bucket, key)} is there: --ready"
        for key in missing
    ]
    by_upload = deployment.parameters.get(_STARTS_RUNS) == "true"
    if by_upload and all(place.key.startswith(layout.LANDING_PREFIX) for place in places):
        return [
            *lines,
            "each upload starts a run by itself; to process all of the range again:",
            command,
        ]
    return [*lines, "to process them:", command]


def _document(
    dataset: str,
    bucket: str,
    files: list[Path],
    places: list[Place],
    markers: list[str],
    command: str,
) -> PutDocument:
    return PutDocument(
        dataset=dataset,
        objects=tuple(
            PutObject(
                file=str(file),
                url=layout.s3_url(bucket, place.key),
                day=place.day.isoformat() if place.day else None,
            )
            for file, place in zip(files, places, strict=True)
        ),
        marker_urls=tuple(layout.s3_url(bucket, key) for key in markers),
        command=command,
    )
