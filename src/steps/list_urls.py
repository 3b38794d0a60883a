"""list_urls: freeze a run's objects into a manifest, once, and return which are pending."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.manifest import ManifestSummary
from contracts.messages import REDELIVER, ListUrls
from ledger.table import Ledger
from runtime.handler import settings_from_environment, step_handler, utc_now
from sources.listed_run import list_run


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str
    permanent_failures: str = ""
    validate_megabytes: str = "10240"  # disk of the function that reads the objects


@step_handler(ListUrls)
def handler(message: ListUrls) -> ManifestSummary:
    settings = settings_from_environment(Settings)
    return list_run(
        message,
        settings.data_bucket,
        Ledger(settings.ledger_table),
        utc_now(),
        redeliver=settings.permanent_failures == REDELIVER,
        validate_disk=int(settings.validate_megabytes),
    )
