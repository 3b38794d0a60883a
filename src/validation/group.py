"""Validates a unit that holds several objects: one after another, each by itself.

What the contract says of an object is checked of each: its limits, `unique` and `references`, the
columns that come from its key. Only one object at a time is in memory and, as a source, on the
disk; valid rows become the unit's Parquet files once all objects are read, in their order.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidData, NotFound, PipelineError
from contracts.manifest import ManifestEntry
from contracts.messages import PartOutput, Validate, Validated
from contracts.run import StageFailure
from contracts.source.object_outcomes import ObjectOutcome, ObjectOutcomes, rows_of
from contracts.steps import Steps
from reading_rules.no_data import advice_for
from remote_jobs.record import WITHHELD
from runtime import s3
from sources import frozen
from sources.private_errors import shown
from tabular import workspace
from tabular.capacity import Capacity
from tabular.part_files import RowFiles, Rows, write_parts
from tabular.sql import sql_literal
from tabular.workspace import MEGABYTE, Workspace
from validation.job_output import Written, written_of_each
from validation.object_rows import judge_object
from validation.unit_outputs import Judged, write_evidence
from validation.violations import BrokenRules

RELATION: Final = "valid-of-all"  # the hyphens keep it apart from every table
MESSAGE_CHARACTERS: Final = 2000


def is_of_the_object(error: PipelineError) -> bool:
    """Whether an object by itself is the reason: its rows, that it is gone, that S3 refuses it."""
    return isinstance(error, InvalidData | NotFound) or type(error) is PipelineError


def failure_of(
    error: PipelineError, stage: str, entry: ManifestEntry, snapshot: DatasetSnapshot
) -> StageFailure:
    """What is recorded of an object that its unit leaves out."""
    text = shown(error, f"{stage} of {entry.url}", examples=snapshot.dataset.examples)
    return StageFailure(
        stage=stage, error_type=type(error).__name__, message=text[:MESSAGE_CHARACTERS]
    )


def refuse_if_none_is_left(outcomes: list[ObjectOutcome], unit_id: str) -> None:
    """A unit of which nothing is left fails, as an object that is a unit by itself does.

    Raises:
        InvalidData: so it is.
    """
    failures = [one.failure for one in outcomes if one.failure]
    if len(failures) < len(outcomes) or not failures:
        return
    first = failures[0]
    if len(failures) == 1:
        raise InvalidData(first.message).without_values()
    raise InvalidData(
        f"all {len(failures)} objects of unit {unit_id} failed; the first one:"
        f" {first.stage}: {first.error_type}: {first.message}"
    ).without_values()


@contextmanager
def own_directory(space: Workspace, place: int) -> Iterator[Workspace]:
    """The same connection, with a directory for one object; it goes with its files."""
    directory = space.path(f"object-{place:04d}")
    directory.mkdir()
    try:
        yield replace(space, directory=directory)
    finally:
        shutil.rmtree(directory)


def validate_group(
    message: Validate,
    data_bucket: str,
    capacity: Capacity,
    snapshot: DatasetSnapshot,
    unit: ManifestEntry,
) -> Validated:
    """Check every row of every object of a unit against the contract.

    Raises:
        InvalidData: all objects fail by themselves, or one does and the contract says
            `badObject: fail`; or a job does not report each of them.
    """
    entries = frozen.objects_of(unit)
    written = _of_jobs(message, entries, snapshot)
    with workspace.workspace(capacity.memory) as space:
        valid = _ValidRows(space, message, data_bucket, snapshot)
        for place, (entry, by_job) in enumerate(zip(entries, written, strict=True)):
            if isinstance(by_job, StageFailure):
                valid.leave_out_for(entry, by_job)
                continue
            with own_directory(space, place) as own:
                try:
                    judged = judge_object(own, by_job, data_bucket, capacity, snapshot, entry)
                except PipelineError as error:
                    if not is_of_the_object(error):
                        raise
                    valid.leave_out(entry, error)
                else:
                    if by_job is not None:
                        _name_object(judged.rejects, entry.url)
                    valid.take(place, entry, judged)
        return valid.write()


def _of_jobs(
    message: Validate, entries: Sequence[ManifestEntry], snapshot: DatasetSnapshot
) -> list[Written | StageFailure | None]:
    """What the last job made of each object, or why none could; None: there is no job.

    Raises:
        InvalidData: a job does not report each object that it read, or the parts are not the unit.
    """
    if not message.input_url:
        return [None] * len(entries)
    whole = PartOutput(first=0, last=len(entries) - 1, output_url=message.input_url)
    found: list[Written | StageFailure | None] = []
    for part in message.parts or (whole,):
        if part.first != len(found) or part.last >= len(entries):
            break
        if part.output_url:
            found += written_of_each(part.output_url, entries, part.first, part.last)
        elif part.failure:
            found.append(_shown(part.failure, snapshot))
    if len(found) != len(entries):
        raise InvalidData(
            f"unit {message.unit_id} of run {message.run_id} has {len(entries)} objects, and its"
            f" jobs {len(found)}"
        )
    return found


def _shown(failure: StageFailure, snapshot: DatasetSnapshot) -> StageFailure:
    """Without what a job said of its end, if the contract says `examples: false`."""
    if snapshot.dataset.examples:
        return failure
    return failure.model_copy(update={"message": WITHHELD})


def _name_object(rejects: Path, url: str) -> None:
    """Add the source object to each rejected row, whose `source` is what the job wrote of it."""
    named = rejects.with_suffix(".named")
    begin = f'{{"object": {json.dumps(url, ensure_ascii=False)}'.encode()
    with rejects.open("rb") as lines, named.open("wb") as file:
        for line in lines:
            file.write(begin + (b"" if line.startswith(b"{}") else b", ") + line[1:])
    named.replace(rejects)


class _ValidRows:
    """Gathers what comes of the objects, in the unit's workspace."""

    def __init__(
        self, space: Workspace, message: Validate, bucket: str, snapshot: DatasetSnapshot
    ) -> None:
        self._space, self._message, self._bucket = space, message, bucket
        self._snapshot = snapshot
        self._outcomes: list[ObjectOutcome] = []
        self._refused: PipelineError | None = None  # the first one
        self._rules = BrokenRules()
        self._rejects = space.path("rejected-of-all.jsonl")
        self._rejected = 0
        self._empty: Path | None = None
        self._parts: list[Path] = []
        key = layout.quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
        self._rejected_url = layout.s3_url(bucket, key)

    def take(self, place: int, entry: ManifestEntry, judged: Judged) -> None:
        """An object whose rows are split; too many of them may be rejected."""
        counts = judged.counts
        if counts.rejected:
            with self._rejects.open("ab") as joined, judged.rejects.open("rb") as lines:
                shutil.copyfileobj(lines, joined, MEGABYTE)
            self._rejected += counts.rejected
        self._rules.add_object(judged.rules, entry.url)
        try:
            judged.refuse_bad(self._snapshot.dataset, self._rejected_url)
        except InvalidData as error:
            self.leave_out(entry, error)
            return
        self._outcomes.append(ObjectOutcome(url=entry.url, etag=entry.etag, rows=counts))
        for number, part in enumerate(judged.parts):
            whole = self._space.path(f"rows-{place:04d}-{number:05d}.parquet")
            if counts.stored:
                self._parts.append(part.rename(whole))
            elif self._empty is None:
                self._empty = part.rename(whole)  # it has the columns

    def leave_out(self, entry: ManifestEntry, error: PipelineError) -> None:
        """An object that fails by itself."""
        if isinstance(error, InvalidData) and (advice := advice_for(entry.key)):
            advised = InvalidData(f"{error}{advice}")
            error = advised.without_values() if error.has_no_values else advised
        self._refused = self._refused or error
        failure = failure_of(error, Steps.validate.name, entry, self._snapshot)
        self._outcomes.append(ObjectOutcome(url=entry.url, etag=entry.etag, failure=failure))

    def leave_out_for(self, entry: ManifestEntry, failure: StageFailure) -> None:
        """An object whose job failed."""
        outcome = ObjectOutcome(url=entry.url, etag=entry.etag, failure=failure)
        self._outcomes.append(outcome)

    def write(self) -> Validated:
        """Write the unit's files; evidence comes first.

        Raises:
            InvalidData: see `validate_group`.
        """
        message, bucket, snapshot = self._message, self._bucket, self._snapshot
        rejected_url, findings_url = write_evidence(
            message, bucket, snapshot, self._rejects, self._rejected, self._rules
        )
        run_id, unit_id = message.run_id, message.unit_id
        document = ObjectOutcomes(run_id=run_id, unit_id=unit_id, objects=tuple(self._outcomes))
        s3.write_json(bucket, layout.objects_valid_key(run_id, unit_id), document.to_json())
        if self._refused is not None and snapshot.group and snapshot.group.bad_object == "fail":
            raise self._refused
        refuse_if_none_is_left(self._outcomes, unit_id)
        prefix = layout.valid_prefix(run_id, unit_id)
        counts = rows_of(self._outcomes)
        return Validated(
            rows_in=counts.rows_in,
            filtered=counts.filtered,
            removed=counts.removed,
            rejected=counts.rejected,
            valid=counts.stored,
            warned=counts.warned,
            valid_url=layout.s3_url(bucket, prefix),
            files=self._write_parts(prefix),
            rejected_url=rejected_url,
            findings_url=findings_url,
        )

    def _write_parts(self, prefix: str) -> int:
        """One set of Parquet files of the rows of all objects; how many there are."""
        files = joined(self._space, self._parts, self._empty)
        part_bytes = self._snapshot.dataset.limits.part_megabytes * MEGABYTE
        return write_parts(
            self._space,
            Rows(files, RELATION),
            part_bytes,
            lambda part, name: workspace.upload(part, self._bucket, prefix + name),
        )


def joined(space: Workspace, parts: list[Path], empty: Path | None) -> RowFiles:
    """Files of rows as one relation; without any, the empty one."""
    paths = parts or [path for path in (empty,) if path is not None]
    names = ", ".join(sql_literal(path) for path in paths)
    # Of each file its number of rows by one look at their footers.
    found = space.connection.execute(
        f"SELECT file_name, num_rows FROM parquet_file_metadata([{names}])"
    ).fetchall()
    rows = {Path(name).name: int(count) for name, count in found}
    return RowFiles(tuple(paths), tuple(rows[path.name] for path in paths))
