"""What the last job of a chain wrote: its report, its rows, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts import layout
from contracts.dataset import CsvFormat, Dataset, Format, ParquetFormat
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from runtime import s3
from sources import fetch
from tabular import workspace
from tabular.workspace import Workspace

_DEFAULT_FILES: Final = ("data/part-00000.csv",)
_FORMATS: Final[dict[str, Format]] = {
    "csv": CsvFormat(),
    "parquet": ParquetFormat(type="parquet"),
}


@dataclass(frozen=True)
class Report:
    """What a job says it did; its counts go back to the source object, over the whole chain.

    Attributes:
        filtered: rows left out by the query.
        bad: malformed rows; they lie in `rejected.jsonl`.
        removed: rows taken out for what the job is for, such as doubles.
        files: the data files, relative to the job's prefix; of a job that reads several objects, to
            that of its part of them.
    """

    rows_in: int
    rows_out: int
    filtered: int
    bad: int
    removed: int
    format: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class JobOutput:
    """A job's rows in the workspace.

    Attributes:
        text, files: its data, either CSV or Parquet files.
        url: of its first data file.
        dataset: the contract, with the format of the job's output.
        rejects: the malformed rows of the source, as JSON lines.
    """

    text: Generator[bytes, None, None] | None
    files: tuple[Path, ...]
    url: str
    dataset: Dataset
    report: Report
    rejects: Path


@dataclass(frozen=True)
class Written:
    """What a job wrote of one object.

    Attributes:
        url: the prefix it lies under, with a slash at its end.
        report: what the job reports of the object; absent: it lies there itself.
    """

    url: str
    report: Report | None = None


def fetch_output(
    space: Workspace, written: Written, dataset: Dataset, disk_megabytes: int | None = None
) -> JobOutput:
    """Fetch what a job wrote.

    Args:
        disk_megabytes: what the function has.

    Raises:
        InvalidData: the report is not one, or the output is too large for the function's disk.
        NotFound: there is no report: the job did not finish.
    """
    url = written.url
    bucket, prefix = layout.split_s3_url(url)
    report = written.report or report_of(s3.read_json(bucket, f"{prefix}report.json"), url)
    form = _FORMATS[report.format]
    room = None if disk_megabytes is None else fetch.room_for_source(disk_megabytes)
    text: Generator[bytes, None, None] | None = None
    files: list[Path] = []
    if isinstance(form, CsvFormat):
        text = fetch.text_of(bucket, prefix + report.files[0], form, room=room)
    else:
        files = _fetched(space, bucket, [prefix + name for name in report.files], form, room)
    rejects = space.path("job-rejected.jsonl")
    rejects.touch()
    if report.bad:
        workspace.download(bucket, f"{prefix}rejected.jsonl", rejects)
    read_as = dataset.model_copy(update={"format": form})
    return JobOutput(text, tuple(files), url + report.files[0], read_as, report, rejects)


def written_of_each(
    url: str, entries: Sequence[ManifestEntry], first: int, last: int
) -> list[Written]:
    """What a job wrote that read several objects of a unit, in their order.

    Args:
        url: the job's output prefix, with a slash at its end.
        entries: the unit's objects.
        first, last: places of those that the job read.

    Raises:
        InvalidData: the report is not one of these objects.
        NotFound: there is no report: the job did not finish.
    """
    bucket, prefix = layout.split_s3_url(url)
    document = s3.read_json(bucket, f"{prefix}report.json")
    objects = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(objects, list):
        raise InvalidData(
            f"{url}report.json has no list of objects: a job of units of several objects (the"
            " contract's source.group) reads those that --INPUT_URLS lists, and reports each"
            " (docs/jobs.md)"
        )
    wanted = [(place, entries[place].url) for place in range(first, last + 1)]
    reported = [_place_and_url(one) for one in objects]
    if reported != wanted:
        differ = (
            n for n, pair in enumerate(zip(reported, wanted, strict=False)) if pair[0] != pair[1]
        )
        at = next(differ, min(len(reported), len(wanted)))
        raise InvalidData(
            f"{url}report.json reports other objects than the {len(wanted)} that the job read, in"
            f" their order: object {at + 1} of it is {_named(reported, at)}, and should be"
            f" {_named(wanted, at)}"
        )
    return [
        Written(where, report_of(one, where))
        for place, one in zip(range(first, last + 1), objects, strict=True)
        for where in [url + layout.object_output_prefix(place)]
    ]


def _place_and_url(reported: Any) -> tuple[Any, Any]:
    return (
        (reported.get("place"), reported.get("url")) if isinstance(reported, dict) else ("?", "?")
    )


def _named(objects: Sequence[tuple[Any, Any]], at: int) -> str:
    return "{1} (place {0})".format(*objects[at]) if at < len(objects) else "none"


def _fetched(
    space: Workspace, bucket: str, keys: Sequence[str], form: Format, room: int | None
) -> list[Path]:
    files: list[Path] = []
    for number, key in enumerate(keys):
        files.append(space.path(f"output-{number:05d}.parquet"))
        fetch.fetch(bucket, key, files[-1], form, room=room)
        if room is not None:
            room -= files[-1].stat().st_size
    return files


def report_of(document: Any, url: str) -> Report:
    """What a job says of one object.

    Raises:
        InvalidData: it is no report.
    """
    try:
        report = Report(
            rows_in=int(document["rowsIn"]),
            rows_out=int(document["rowsOut"]),
            filtered=int(document["rowsFiltered"]),
            bad=int(document["rowsBad"]),
            removed=int(document.get("rowsRemoved", 0)),
            format=str(document.get("format", "csv")),
            files=tuple(str(name) for name in document.get("files", _DEFAULT_FILES)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"{url}report.json is not a job's report: {error!r}") from error
    files = len(report.files)
    if report.format not in _FORMATS or not files or (report.format == "csv" and files > 1):
        raise InvalidData(
            f"{url}report.json is not a job's report: it has {files} files of the format"
            f" {report.format!r}; an output is one file of csv, or at least one of parquet"
        )
    return report


def reconcile_with_report(output: JobOutput, url: str, rows: int, malformed: int) -> None:
    """Compare the rows that were read with the job's report.

    Args:
        rows: all records of the output, malformed ones included.

    Raises:
        InvalidData: they differ.
    """
    report = output.report
    with output.rejects.open("rb") as lines:
        bad_found = sum(1 for line in lines if line.strip())
    accounted_for = report.rows_out + report.filtered + report.bad + report.removed
    for what, reported, found in (
        ("rowsOut", report.rows_out, rows),
        ("malformed rows in the output", 0, malformed),
        ("rowsBad", report.bad, bad_found),
        ("rowsIn", report.rows_in, accounted_for),
    ):
        if reported != found:
            raise InvalidData(
                f"{url}: the job's {what} should be {reported}, but there are {found}"
            )


def refuse_lost_items(report: Report, url: str, items: int | None) -> None:
    """Refuse the output of a batch of items whose rows cannot be matched to the items.

    Args:
        items: how many items the batch holds; None: it is an object like any other.

    Raises:
        InvalidData: the job read another number of items, or left some out without a reason.
    """
    if items is None:
        return
    for what, reported, wanted in (
        ("rowsIn", report.rows_in, items),
        ("rowsFiltered", report.filtered, 0),
        ("rowsRemoved", report.removed, 0),
    ):
        if reported != wanted:
            raise InvalidData(
                f"{url}: the job's {what} should be {wanted}, but it is {reported}: each of the"
                f" {items} items is one row of the output, in their order, or one line of"
                " rejected.jsonl"
            )
