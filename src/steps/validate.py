"""validate: split a unit's rows into valid ones (typed, Parquet) and rejected ones (with reasons).

Nothing is dropped: what the job or this step cannot take lies in the quarantine, and the counts of
the two must agree with the rows that were read. What rules of severity `warn` say is counted, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot, ParquetFormat, Severity
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from contracts.messages import Validate, Validated
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from remote_jobs.invoked import record_ends
from remote_jobs.ledger import JobLedger
from runtime import clients, s3
from runtime.handler import metrics, settings_from_environment, step_handler, utc_now
from sources import fetch, frozen
from tabular import workspace
from tabular.parts import part_name
from tabular.workspace import Workspace
from validation import job_output, object_checks
from validation.job_output import JobOutput
from validation.quarantine import Quarantine
from validation.row_classes import Split
from validation.unit_split import UnitRows, split_parquet, split_text
from validation.violations import BrokenRules

UPLOADS: Final = 4  # at a time


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it
    ephemeral_megabytes: str = "10240"  # of disk


@dataclass(frozen=True)
class Input:
    """What a unit's rows are read from: a text, or Parquet files.

    Attributes:
        url: of the object, as the quarantine names it.
        dataset: the contract, with the format of what is read.
        job: the output it is, if jobs ran before.
    """

    url: str
    dataset: Dataset
    text: Generator[bytes, None, None] | None = None
    files: tuple[Path, ...] = ()
    job: JobOutput | None = None


@step_handler(Validate)
def handler(message: Validate) -> Validated:
    ledger = Ledger(settings_from_environment(LedgerSettings).ledger_table)
    record_ends(JobLedger(ledger), message.ended_jobs, utc_now())
    refuse_stopped(ledger, message.run_id)
    return validate(message, settings_from_environment(Settings))


def validate(message: Validate, settings: Settings) -> Validated:
    """Check every row of a unit against the contract.

    Raises:
        InvalidData: the object is unreadable, too large or not what the job reported; too many rows
            are rejected; a rule of severity `fail` is broken.
    """
    snapshot = frozen.read_snapshot(settings.data_bucket, message.run_id)
    entry = frozen.read_unit(settings.data_bucket, message.run_id, message.unit_id)
    disk = int(settings.ephemeral_megabytes)
    _check_size(entry, snapshot.dataset, disk)
    memory = int(settings.aws_lambda_function_memory_size)
    with workspace.workspace(memory) as space:
        found = _input(space, message, entry, snapshot.dataset, disk)
        split = Split(found.dataset, None if message.input_url else snapshot.query)
        rows = _split(space, found, split, workspace.processors(memory))
        if found.job and message.input_url:
            job_output.hold_against_report(
                found.job, message.input_url, rows.records, rows.malformed
            )
            job_output.refuse_lost_items(found.job.report, message.input_url, entry.items)
        answer = _leave_behind(space, message, settings.data_bucket, snapshot, entry, found, rows)
    for name, value in (("RowsValid", answer.valid), ("RowsRejected", answer.rejected)):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return answer


def _check_size(entry: ManifestEntry, dataset: Dataset, disk: int) -> None:
    limit = dataset.limits.object_megabytes
    if entry.size > limit * workspace.MEGABYTE:
        fits = fetch.megabytes_that_fit(entry.key, dataset.format, disk)
        raise InvalidData(
            f"{entry.url} has {entry.size / workspace.MEGABYTE:.0f} MB, over the contract's limit"
            f" of {limit} MB (limits.objectMegabytes); split it, raise the limit (this function's"
            f" disk takes up to {fits} MB of such an object), or for more give the dataset a Spark"
            " job (docs/jobs.md) and raise the limit to what that reads"
        )


def _input(
    space: Workspace, message: Validate, entry: ManifestEntry, dataset: Dataset, disk: int
) -> Input:
    if message.input_url:
        output = job_output.fetch_output(space, message.input_url, dataset, disk)
        return Input(output.url, output.dataset, output.text, output.files, output)
    form = dataset.format
    fetch.refuse_what_cannot_fit(entry.size, entry.key, form, disk, entry.url)
    room = fetch.room_for_source(disk)
    if isinstance(form, ParquetFormat):
        path = space.path("source.parquet")
        fetch.fetch(entry.bucket, entry.key, path, form, etag=entry.etag, room=room)
        return Input(entry.url, dataset, files=(path,))
    text = fetch.text_of(entry.bucket, entry.key, form, etag=entry.etag, room=room)
    return Input(entry.url, dataset, text)


def _split(space: Workspace, found: Input, split: Split, processors: int) -> UnitRows:
    if found.text is None:
        return split_parquet(space, found.files, split, found.url, processors)
    with closing(found.text) as text:
        return split_text(space, text, split, found.url, processors)


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
    quarantined, rules = _join_rejects(rejects, found, rows)
    object_checks.check_row_count(snapshot.dataset, rows_in, rules)
    object_checks.check_freshness(space, snapshot.dataset, rows.parts, entry, rows_in, rules)
    rejected_url = findings_url = None
    if quarantined:
        key = layout.quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
        rejected_url = workspace.upload(rejects, bucket, key)
    if rules:
        key = layout.findings_key(message.run_id, message.unit_id)
        findings_url = s3.write_json(bucket, key, rules.to_json())
    _refuse_too_many(rules, quarantined, rows_in, snapshot.dataset, entry.url, rejected_url)
    answer = Validated(
        rows_in=rows_in,
        filtered=rows.filtered + (report.filtered if report else 0),
        removed=report.removed if report else 0,
        rejected=quarantined,
        valid=rows.valid,
        warned=rows.warned,
        valid_url=layout.s3_url(bucket, layout.valid_prefix(message.run_id, message.unit_id)),
        files=len(rows.parts),
        rejected_url=rejected_url,
        findings_url=findings_url,
    )
    _check_balance(answer, entry.url)
    _upload_parts(rows.parts, bucket, layout.valid_prefix(message.run_id, message.unit_id))
    return answer


def _join_rejects(path: Path, found: Input, rows: UnitRows) -> tuple[int, BrokenRules]:
    """One file of all rejected rows: first the job's, then those of the pieces."""
    rules = BrokenRules()
    count = rows.rejected
    with path.open("w", encoding="utf-8") as file:
        if found.job:
            quarantine = Quarantine(file, found.url, (), {}, rules)
            quarantine.take_from_job(found.job.rejects)
            count += quarantine.count
    with path.open("ab") as joined:
        for part in rows.rejects:
            with part.open("rb") as lines:
                shutil.copyfileobj(lines, joined, workspace.MEGABYTE)
            part.unlink()
    rules.add(rows.rules)
    return count, rules


def _upload_parts(files: Sequence[Path], bucket: str, prefix: str) -> None:
    names = (prefix + part_name(number) for number in range(len(files)))
    clients.client("s3")  # made here: making clients is not thread-safe
    with ThreadPoolExecutor(UPLOADS) as pool:
        for _ in pool.map(lambda file, key: workspace.upload(file, bucket, key), files, names):
            pass


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
