"""`pipeline dataset rebuild-stored`: which objects are stored, anew from the ledger."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

import typer

from cli.client.deployment import find_deployment
from cli.client.rebuilding import Rebuild, RebuildProgress
from cli.documents.base import print_document
from cli.documents.datasets import RebuiltDocument
from cli.exit_codes import FAILED, REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console
from contracts.errors import PipelineError
from contracts.run_request import DATASET_NAME_PATTERN

_DAYS: Final = 730


def rebuild_stored(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset, such as orders.")],
    since: Annotated[
        str | None,
        typer.Option(help="Read the runs of this day (UTC) and later. Default: of two years."),
    ] = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Make the files anew that say which objects of a dataset are stored, for --only-new.

    Runs write them as they end. Needed once for what releases without them have stored, and where a
    file is lost or broken. It reads the units of the dataset's runs in the ledger, and manifests
    where these lack ETags; no object that is known as stored becomes new. Runs of releases without
    a list of runs are found after pipeline ledger index. Interrupted, it goes on where it was. On
    AWS it needs the stack's OperatorUpkeepPolicy besides.
    """
    if not re.fullmatch(DATASET_NAME_PATTERN, dataset):
        raise CommandFailed(
            f"{dataset!r} is no name of a dataset", REFUSED, "such as orders, without datasets/"
        )
    today = datetime.now(UTC).date()
    first = _day(since, today)
    deployment = find_deployment(stack, region)
    rebuild = Rebuild(
        s3=deployment.client("s3"),
        dynamodb=deployment.client("dynamodb"),
        bucket=deployment.output("DataBucketName"),
        table=deployment.output("LedgerTable"),
        dataset_name=dataset,
        since=first,
    )
    console = make_console(stderr=json_output)
    progress = RebuildProgress()
    try:
        for progress in rebuild.days(today):
            console.print(_text(dataset, progress), soft_wrap=True)
    except PipelineError as error:
        raise CommandFailed(str(error), FAILED, "the same command goes on where it was") from error
    if json_output:
        print_document(
            RebuiltDocument(
                dataset_name=dataset,
                since=first.isoformat(),
                resumed=progress.resumed,
                runs=progress.runs,
                objects=progress.objects,
                unknown=progress.unknown,
                left_out=progress.left_out,
            )
        )
        return
    for key in progress.left_out:
        console.print(f"left out, as it was broken or missing: {key}", soft_wrap=True)
    if progress.unknown:
        console.print(
            f"{progress.unknown:,} stored units have neither an ETag in the ledger nor a manifest"
            " any more; their objects are new to --only-new",
            soft_wrap=True,
        )
    console.print("done", soft_wrap=True)


def _day(text: str | None, today: date) -> date:
    try:
        first = today - timedelta(days=_DAYS) if text is None else date.fromisoformat(text)
    except ValueError:
        raise CommandFailed(
            f"--since {text} is no day", REFUSED, "write it as 2026-11-01"
        ) from None
    if first > today:
        raise CommandFailed(f"--since {text} lies in the future", REFUSED)
    return first


def _text(dataset: str, progress: RebuildProgress) -> str:
    went_on = " since the call before" if progress.resumed else ""
    return (
        f"{dataset}: up to {progress.day}: {progress.runs:,} runs with {progress.objects:,} stored"
        f" objects{went_on}"
    )
