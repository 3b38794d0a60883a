"""Writes a unit's valid rows, quarantine and findings, and checks that the counts add up."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot, Severity
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from contracts.messages import Validate, Validated
from contracts.run import RowCounts
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


@dataclass(frozen=True)
class Judged:
    """What the rows of one object came to; it is still to be decided whether that is too bad.

    Attributes:
        rejects: file of the rejected rows.
        counts: `stored` are the valid rows.
    """

    url: str
    rejects: Path
    rules: BrokenRules
    counts: RowCounts
    parts: tuple[Path, ...]

    def refuse_bad(self, dataset: Dataset, rejected_url: str | None) -> None:
        """Hold the object against the contract's limits.

        Args:
            rejected_url: where the rejected rows are, if there are any.

        Raises:
            InvalidData: too many rows are rejected, a rule of severity `fail` is broken, or the
                counts do not agree with the rows that were read.
        """
        counts = self.counts
        rules = self.rules if dataset.examples else self.rules.without_values()
        _refuse_too_many(rules, counts.rejected, counts.rows_in, dataset, self.url, rejected_url)
        if not counts.balanced:
            raise InvalidData(
                f"{self.url}: {counts.rows_in} rows were read, but {counts.filtered} filtered,"
                f" {counts.removed} removed, {counts.rejected} rejected and {counts.stored}"
                " valid ones came of them"
            )


def judge(
    space: Workspace,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry,
    found: UnitInput,
    rows: SplitResult,
) -> Judged:
    """Gather the rejected rows of an object, and check it as a whole.

    Args:
        entry: of the object.
    """
    report = found.job.report if found.job else None
    rows_in = report.rows_in if report else rows.records
    rejects = space.path("rejected.jsonl")
    quarantined, rules = _join_rejects(rejects, found, rows)
    object_checks.check_row_count(snapshot.dataset, rows_in, rules)
    object_checks.check_freshness(space, snapshot.dataset, rows.parts, entry, rows_in, rules)
    object_checks.check_keys(found.dataset, rows.near_keys, entry, rows_in, rules)
    counts = RowCounts(
        rows_in=rows_in,
        filtered=rows.filtered + (report.filtered if report else 0),
        removed=report.removed if report else 0,
        rejected=quarantined,
        stored=rows.valid,
        warned=rows.warned,
    )
    return Judged(entry.url, rejects, rules, counts, rows.parts)


def write_outputs(
    message: Validate, bucket: str, snapshot: DatasetSnapshot, judged: Judged
) -> Validated:
    """Write the results; the quarantine and the findings come first, as evidence of a failure.

    Args:
        bucket: the data bucket.

    Raises:
        InvalidData: too many rows are rejected, a rule of severity `fail` is broken, or the counts
            do not agree with the rows that were read.
    """
    counts = judged.counts
    rejected_url, findings_url = write_evidence(
        message, bucket, snapshot, judged.rejects, counts.rejected, judged.rules
    )
    judged.refuse_bad(snapshot.dataset, rejected_url)
    prefix = layout.valid_prefix(message.run_id, message.unit_id)
    validated = Validated(
        rows_in=counts.rows_in,
        filtered=counts.filtered,
        removed=counts.removed,
        rejected=counts.rejected,
        valid=counts.stored,
        warned=counts.warned,
        valid_url=layout.s3_url(bucket, prefix),
        files=len(judged.parts),
        rejected_url=rejected_url,
        findings_url=findings_url,
    )
    _upload_parts(judged.parts, bucket, prefix)
    return validated


def write_evidence(
    message: Validate,
    bucket: str,
    snapshot: DatasetSnapshot,
    rejects: Path,
    rejected: int,
    rules: BrokenRules,
) -> tuple[str | None, str | None]:
    """Write the rejected rows of a unit, and its findings; returns their URLs, if there are any."""
    rejected_url = findings_url = None
    if rejected:
        key = layout.quarantine_key(snapshot.dataset.name, message.run_id, message.unit_id)
        rejected_url = workspace.upload(rejects, bucket, key)
    if not snapshot.dataset.examples:
        rules = rules.without_values()
    if rules:
        key = layout.findings_key(message.run_id, message.unit_id)
        findings_url = s3.write_json(bucket, key, rules.to_json())
    return rejected_url, findings_url


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
