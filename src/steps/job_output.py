"""What the last job of a chain wrote: its report, its rows, and the rows that could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts import layout
from contracts.dataset import CsvFormat, Dataset, Format, ParquetFormat
from contracts.errors import InvalidData
from steps import duck, reading, storage
from steps.duck import Workspace

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
        files: the data files, relative to the job's prefix.
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
    """A job's rows, in the workspace's tables as `reading.read_file` leaves them.

    Attributes:
        path: the file that was read; of several, the first.
        rejects: the malformed rows of the source, as JSON lines.
    """

    path: Path
    reading: reading.Reading
    report: Report
    rejects: Path


def read(space: Workspace, url: str, dataset: Dataset) -> JobOutput:
    """Read what a job wrote, and hold it against what it reported.

    Args:
        url: the job's output prefix, with a slash at its end.

    Raises:
        InvalidData: the report is none, or the output is not as it says.
        NotFound: there is no report, so the job has not come to its end.
    """
    bucket, prefix = layout.split_s3_url(url)
    report = _report(storage.read_json(bucket, f"{prefix}report.json"), url)
    paths = [
        space.path(f"output-{number:05d}.{report.format}") for number in range(len(report.files))
    ]
    for name, path in zip(report.files, paths, strict=True):
        duck.download(bucket, prefix + name, path)
    # A pattern for all of them: DuckDB reads several Parquet files as one.
    path = paths[0] if len(paths) == 1 else space.path("output-*.parquet")
    read_as = dataset.model_copy(update={"format": _FORMATS[report.format]})
    result = reading.read_file(space, path, read_as, url + report.files[0])
    rejects = space.path("job-rejected.jsonl")
    rejects.touch()
    if report.bad:
        duck.download(bucket, f"{prefix}rejected.jsonl", rejects)
    _agree(url, report, result, rejects)
    return JobOutput(paths[0], result, report, rejects)


def _report(document: Any, url: str) -> Report:
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


def _agree(url: str, report: Report, result: reading.Reading, rejects: Path) -> None:
    with rejects.open("rb") as lines:
        bad_found = sum(1 for line in lines if line.strip())
    accounted_for = report.rows_out + report.filtered + report.bad + report.removed
    for what, reported, found in (
        ("rowsOut", report.rows_out, result.rows + result.malformed),
        ("malformed rows in the output", 0, result.malformed),
        ("rowsBad", report.bad, bad_found),
        ("rowsIn", report.rows_in, accounted_for),
    ):
        if reported != found:
            raise InvalidData(
                f"{url}: the job's {what} should be {reported}, but there are {found}"
            )
