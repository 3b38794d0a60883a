"""publish_files: name a run's files in its output manifest, once all of its units have ended.

A run of many units takes several calls: before its time is up, the function returns where to go on.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from contracts.messages import PublishedFiles, PublishFiles
from ledger.table import Ledger
from publishing.publisher import publish_run
from runtime.handler import RemainingTime, metrics, settings_from_environment, timed_step_handler


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str
    output_bucket: str


@timed_step_handler(PublishFiles)
def handler(message: PublishFiles, remaining: RemainingTime) -> PublishedFiles:
    settings = settings_from_environment(Settings)
    published = publish_run(
        message,
        settings.data_bucket,
        settings.output_bucket,
        Ledger(settings.ledger_table),
        remaining,
    )
    if published.totals is not None:
        metrics.add_metric(
            name="FilesPublished", unit=MetricUnit.Count, value=published.totals.files
        )
    return published
