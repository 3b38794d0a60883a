"""Opens what a unit's rows are read from: its object, or the output of its last job."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot, ParquetFormat
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from contracts.run_request import parse_timestamp
from contracts.source.key_columns import texts_of_key
from reading_rules.source_lines import SourceLines
from sources import fetch
from tabular import workspace
from tabular.workspace import Workspace
from validation import job_output
from validation.job_output import JobOutput, Written


@dataclass(frozen=True)
class UnitInput:
    """What a unit's rows are read from: a text, or Parquet files.

    Attributes:
        url: of the object, as the quarantine names it.
        dataset: the contract, with the format of what is read.
        job: the output it is, if jobs ran before.
        lines: of the object, by those of the text.
    """

    url: str
    dataset: Dataset
    text: Generator[bytes, None, None] | None = None
    files: tuple[Path, ...] = ()
    job: JobOutput | None = None
    lines: SourceLines = field(default_factory=SourceLines)


def refuse_too_large(entry: ManifestEntry, dataset: Dataset, disk: int) -> None:
    """Check the object's size against the contract's limit.

    Raises:
        InvalidData: it is larger.
    """
    limit = dataset.limits.object_megabytes
    if entry.size > limit * workspace.MEGABYTE:
        fits = fetch.megabytes_that_fit(entry.key, dataset.format, disk)
        raise InvalidData(
            f"{entry.url} has {entry.size / workspace.MEGABYTE:.0f} MB, over the contract's limit"
            f" of {limit} MB (limits.objectMegabytes); split it, raise the limit (this function's"
            f" disk takes up to {fits} MB of such an object), or for more give the dataset a Spark"
            " job (docs/jobs.md) and raise the limit to what that reads"
        )


def open_input(
    space: Workspace, written: Written | None, entry: ManifestEntry, dataset: Dataset, disk: int
) -> UnitInput:
    """Fetch what to validate: what the unit's last job wrote of the object, or the object itself.

    Args:
        disk: of the function, in MB.

    Raises:
        InvalidData: it does not fit the disk, or is not what was listed or reported.
        NotFound: it is gone.
    """
    if written is not None:
        output = job_output.fetch_output(space, written, dataset, disk)
        return UnitInput(output.url, output.dataset, output.text, output.files, output)
    form = dataset.format
    fetch.refuse_what_cannot_fit(entry.size, entry.key, form, disk, entry.url)
    room = fetch.room_for_source(disk)
    if isinstance(form, ParquetFormat):
        path = space.path("source.parquet")
        fetch.fetch(entry.bucket, entry.key, path, form, etag=entry.etag, room=room)
        return UnitInput(entry.url, dataset, files=(path,))
    lines = SourceLines(space.path("source-lines"))
    text = fetch.text_of(entry.bucket, entry.key, form, etag=entry.etag, room=room, lines=lines)
    return UnitInput(entry.url, dataset, text, lines=lines)


def texts_given(
    snapshot: DatasetSnapshot, entry: ManifestEntry, data_bucket: str
) -> dict[str, str | None]:
    """The texts of the columns that come from the object's key, or the array's of a batch."""
    batched = snapshot.array is not None and snapshot.input_url is not None
    url = str(snapshot.input_url) if batched else entry.url
    if layout.resent_from(data_bucket, url):
        return {}  # rows that are sent again carry them
    key = layout.split_s3_url(url)[1]
    return texts_of_key(snapshot.dataset.columns, key, parse_timestamp(entry.last_modified))
