"""Writes a unit's valid rows, quarantine and findings, and checks that the counts add up."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot, Severity
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from contracts.messages import Validate, Validated
from runtime import clients, s3
from tabular import workspace
from tabular.parts import part_name
from tabular.workspace import Workspace
from validation import object_checks
from validation.quarantine import Quarantine
from validation.unit_input import UnitInput
from validation.unit_split import SplitResult
from validation.violations import BrokenRules

UPLOADS: Final = 4  # at a time


def write_outputs(
    space: Workspace,
    message: Validate,
    bucket: str,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry,
    found: UnitInput,
    rows: SplitResult,
) -> Validated:
    """Write the results; the quarantine and the findings come first, as evidence of a failure.

    Args:
        bucket: the data bucket.

    Raises:
        InvalidData: too many rows are rejected, a rule of severity `fail` is broken, or the counts
            do not agree with the rows that were read.
    """
    report = found.job.report if found.job else None
    rows_in = report.rows_in if report else rows.records
    rejects = space.path("rejected.jsonl")
    quarantined, rules = _join_rejects(rejects, found, rows)
    object_checks.check_row_count(snapshot.dataset, rows_in, rules)
    object_checks.check_freshness(space, snapshot.dataset, rows.parts, entry, rows_in, rules)
    object_checks.check_keys(found.dataset, rows.near_keys, entry, rows_in, rules)
    rejected_url = findings_url = None
    if quarantined:
        key = layout.quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
        rejected_url = workspace.upload(rejects, bucket, key)
    if not snapshot.dataset.examples:
        rules = rules.without_values()
    if rules:
        key = layout.findings_key(message.run_id, message.unit_id)
        findings_url = s3.write_json(bucket, key, rules.to_json())
    _refuse_too_many(rules, quarantined, rows_in, snapshot.dataset, entry.url, rejected_url)
    validated = Validated(
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
    _check_balance(validated, entry.url)
    _upload_parts(rows.parts, bucket, layout.valid_prefix(message.run_id, message.unit_id))
    return validated


def _join_rejects(path: Path, found: UnitInput, rows: SplitResult) -> tuple[int, BrokenRules]:
    """One file of all rejected rows: first the job's, then those of the chunks."""
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
        raise InvalidData(
            f"{source} breaks rules of severity fail: {broken}{where}"
        ).without_values()
    limit = dataset.limits.rejected_percentage
    if rejected * 100 > limit * rows_in:
        most = [rule for rule in rules.most_frequent() if rule.severity is Severity.QUARANTINE]
        top = ", ".join(f"{rule.name} ({rule.rows})" for rule in most[:3])
        raise InvalidData(
            f"{source}: {rejected} of {rows_in} rows are rejected"
            f" ({rejected * 100 / rows_in:.1f} %, the contract allows {limit:g} %); most of"
            f" them by: {top}; they are in {url}"
        ).without_values()


def _check_balance(validated: Validated, source: str) -> None:
    parts = validated.filtered + validated.removed + validated.rejected + validated.valid
    if validated.rows_in != parts:
        raise InvalidData(
            f"{source}: {validated.rows_in} rows were read, but {validated.filtered} filtered,"
            f" {validated.removed} removed, {validated.rejected} rejected and {validated.valid}"
            " valid ones came of them"
        )
