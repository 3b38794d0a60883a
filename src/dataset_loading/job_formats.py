"""What of a format the jobs of a dataset do not know: never silently read in another way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts.dataset import CsvFormat, Dataset
from contracts.job import Engine
from reading_rules.encodings import effective_compression
from reading_rules.plain_text import CHANGES

CLEANER: Final = "clean-csv"
_SINCE: Final = (
    *("nulls", "skip_lines", "footer_lines", "comment", "escape", "pad_short_rows"),
    *("concatenated", "records", "case_insensitive"),
)
_ENCODINGS: Final = ("utf-16-le", "utf-16-be")
_COMPRESSIONS: Final = ("bzip2", "zip")


def unknown_to_jobs(dataset: Dataset) -> Iterator[tuple[str, str, object]]:
    """Fields that the job which reads the objects does not heed: name, why, value.

    A job of one's own reads objects by rules of its own (docs/jobs.md), so nothing says that it
    knows fields that were added after it was written. `clean-csv` knows all of them.
    """
    if not dataset.jobs:
        return
    first = dataset.jobs[0]
    if first.engine is Engine.GLUE and first.glue_job == CLEANER:
        yield from _changed_behind_zstd(dataset)
        return
    form = dataset.format
    given = {name: getattr(form, name, None) for name in _SINCE}
    if getattr(form, "compression", None) in _COMPRESSIONS:
        given["compression"] = getattr(form, "compression", None)
    if isinstance(form, CsvFormat):
        given["encoding"] = form.encoding if form.encoding in _ENCODINGS else None
        given["delimiter"] = form.delimiter if len(form.delimiter) > 1 else None
    why = (
        f"is read by the Glue job {CLEANER}, but the first job here, {first.stage}, reads the"
        f" objects in its own way; put {CLEANER} before it"
    )
    for name, value in given.items():
        if value:
            alias = type(form).model_fields[name].alias or name
            yield alias, why, value


def _changed_behind_zstd(dataset: Dataset) -> Iterator[tuple[str, str, object]]:
    """Fields that change a text that only DuckDB sees in `clean-csv`.

    Python 3.9, on which Glue runs it, has no zstd, so DuckDB decompresses as it reads records.
    """
    form = dataset.format.to_json()
    compression = effective_compression(form.get("compression", "none"), dataset.source.suffix)
    if compression != "zstd":
        return
    why = (
        f"does not go with zstd in the Glue job {CLEANER}, which has no text of such an object"
        " before it is read; compress with gzip"
    )
    for name in CHANGES:
        if form.get(name):
            yield name, why, form[name]
    if form.get("encoding", "utf-8") != "utf-8":
        yield "encoding", why, form["encoding"]
