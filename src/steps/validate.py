"""validate: split a unit's rows into valid ones (typed, Parquet) and rejected ones (with reasons).

Nothing is dropped: what the job or this step cannot take lies in the quarantine, and the counts of
the two must agree with the rows that were read. What rules of severity `warn` say is counted, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.dataset import CsvFormat, Dataset, DatasetSnapshot, Severity
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from contracts.messages import Validate, Validated
from steps import duck, fetching, job_output, malformed, notes, object_checks, storage
from steps.broken_rules import EXAMPLES, BrokenRules
from steps.checks import checks
from steps.duck import Workspace
from steps.fetching import Fetched
from steps.job_output import JobOutput
from steps.malformed import Malformed
from steps.quarantine import Quarantine
from steps.runtime import metrics, settings_from_environment, step_handler
from steps.splitting import split_of
from steps.unit_rows import UnitRows, split_rows


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it
    ephemeral_megabytes: str = "10240"  # of disk


@dataclass(frozen=True)
class Input:
    """What a unit's rows are read from.

    Attributes:
        url: of the object, as the quarantine names it.
        dataset: the contract, with the format of what is read.
        job: the output it is, if jobs ran before.
    """

    fetched: Fetched
    url: str
    dataset: Dataset
    job: JobOutput | None = None


@step_handler(Validate)
def handler(message: Validate) -> Validated:
    return validate(message, settings_from_environment(Settings))


def validate(message: Validate, settings: Settings) -> Validated:
    """Check every row of a unit against the contract.

    Raises:
        InvalidData: the object is unreadable, too large or not what the job reported; too many rows
            are rejected; a rule of severity `fail` is broken.
    """
    snapshot = storage.read_snapshot(settings.data_bucket, message.run_id)
    entry = storage.read_unit(settings.data_bucket, message.run_id, message.unit_id)
    disk = int(settings.ephemeral_megabytes)
    _check_size(entry, snapshot.dataset)
    with duck.workspace(int(settings.aws_lambda_function_memory_size)) as space:
        found = _input(space, message, entry, snapshot.dataset, disk)
        split = split_of(found.dataset, None if message.input_url else snapshot.query)
        rows = split_rows(space, found.fetched, split, found.url)
        if found.job and message.input_url:
            job_output.hold_against_report(
                found.job, message.input_url, rows.records, rows.malformed
            )
        answer = _leave_behind(space, message, settings.data_bucket, snapshot, entry, found, rows)
    for name, value in (("RowsValid", answer.valid), ("RowsRejected", answer.rejected)):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return answer


def _check_size(entry: ManifestEntry, dataset: Dataset) -> None:
    limit = dataset.limits.object_megabytes
    if entry.size > limit * duck.MEGABYTE:
        raise InvalidData(
            f"{entry.url} has {entry.size / duck.MEGABYTE:.0f} MB, over the contract's limit of"
            f" {limit} MB (limits.objectMegabytes); split it, or raise the limit"
        )


def _input(
    space: Workspace, message: Validate, entry: ManifestEntry, dataset: Dataset, disk: int
) -> Input:
    if message.input_url:
        output = job_output.fetch_output(space, message.input_url, dataset, disk)
        return Input(output.fetched, output.url, output.dataset, output)
    fetching.refuse_what_cannot_fit(entry.size, entry.key, dataset.format, disk, entry.url)
    room = fetching.room_for_source(disk)
    fetched = fetching.fetch(
        entry.bucket, entry.key, space.directory, dataset.format, etag=entry.etag, room=room
    )
    return Input(fetched, entry.url, dataset)


def _leave_behind(
    space: Workspace,
    message: Validate,
    bucket: str,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry,
    found: Input,
    rows: UnitRows,
) -> Validated:
    """Write what came of the rows, the evidence first."""
    report = found.job.report if found.job else None
    rows_in = report.rows_in if report else rows.records
    rejects = space.path("rejected.jsonl")
    quarantined, rules = _write_rejects(space, rejects, found, rows)
    object_checks.check_row_count(snapshot.dataset, rows_in, rules)
    object_checks.check_freshness(space, snapshot.dataset, rows.path, entry, rows_in, rules)
    rejected_url = findings_url = None
    if quarantined:
        key = layout.quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
        rejected_url = duck.upload(rejects, bucket, key)
    if rules:
        key = layout.findings_key(message.run_id, message.unit_id)
        findings_url = storage.write_json(bucket, key, rules.to_json())
    _refuse_too_many(rules, quarantined, rows_in, snapshot.dataset, entry.url, rejected_url)
    answer = Validated(
        rows_in=rows_in,
        filtered=rows.filtered + (report.filtered if report else 0),
        removed=report.removed if report else 0,
        rejected=quarantined,
        valid=rows.valid,
        warned=rows.warned,
        valid_url=layout.s3_url(bucket, layout.valid_key(message.run_id, message.unit_id)),
        rejected_url=rejected_url,
        findings_url=findings_url,
    )
    _check_balance(answer, entry.url)
    duck.upload(rows.path, bucket, layout.valid_key(message.run_id, message.unit_id))
    return answer


def _write_rejects(
    space: Workspace, path: Path, found: Input, rows: UnitRows
) -> tuple[int, BrokenRules]:
    """Write every rejected row: first the job's, then the malformed, then those against checks."""
    form = found.dataset.format
    encoding = form.encoding if isinstance(form, CsvFormat) else "utf-8"
    every = checks(found.dataset)
    spans: list[tuple[int, int]] = []

    def unread() -> Iterator[Malformed]:
        for row in malformed.malformed_rows(space, rows.fetched, encoding):
            spans.append((row.line, row.height))
            yield row

    with path.open("w", encoding="utf-8") as file:
        quarantine = Quarantine(file, found.url, every, rows.source, form)
        if found.job:
            quarantine.take_from_job(found.job.rejects)
        if rows.malformed:
            quarantine.take_malformed(unread())
        if rows.aside is not None:
            quarantine.take_rejected(rows.aside.notes())
        elif rows.others:
            lines = notes.lines_of(space, rows.fetched, rows.source, rows.others, spans)
            quarantine.take_rejected(notes.rejected_rows(space, rows.source, lines, rows.others))
            quarantine.note_warned(
                rows.others,
                lambda code: notes.warned_rows(space, rows.source, lines, code, EXAMPLES),
            )
    return quarantine.count, quarantine.rules


def _refuse_too_many(
    rules: BrokenRules, rejected: int, rows_in: int, dataset: Dataset, source: str, url: str | None
) -> None:
    fatal = rules.of_severity(Severity.FAIL)
    if fatal:
        broken = "; ".join(
            f"{rule.name} ({rule.rows} rows)" if rule.examples else f"{rule.rule}: {rule.reason}"
            for rule in fatal
        )
        where = f"; the rejected rows are in {url}" if url else ""
        raise InvalidData(f"{source} breaks rules of severity fail: {broken}{where}")
    limit = dataset.limits.rejected_percentage
    if rejected * 100 > limit * rows_in:
        most = [rule for rule in rules.most_frequent() if rule.severity is Severity.QUARANTINE]
        top = ", ".join(f"{rule.name} ({rule.rows})" for rule in most[:3])
        raise InvalidData(
            f"{source}: {rejected} of {rows_in} rows are rejected"
            f" ({rejected * 100 / rows_in:.1f} %, the contract allows {limit:g} %); most of"
            f" them by: {top}; they are in {url}"
        )


def _check_balance(answer: Validated, source: str) -> None:
    parts = answer.filtered + answer.removed + answer.rejected + answer.valid
    if answer.rows_in != parts:
        raise InvalidData(
            f"{source}: {answer.rows_in} rows were read, but {answer.filtered} filtered,"
            f" {answer.removed} removed, {answer.rejected} rejected and {answer.valid} valid ones"
            " came of them"
        )
