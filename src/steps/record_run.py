"""record_run: record a run's result and its metrics (`runs.recording`)."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import RecordedRun, RecordRun
from ledger.table import Ledger
from runs.recording import Recording, merge_stored_objects, record_run
from runtime.handler import settings_from_environment, step_handler, utc_now


@dataclass(frozen=True, kw_only=True)
class Settings(Recording):
    ledger_table: str


@step_handler(RecordRun)
def handler(message: RecordRun) -> RecordedRun:
    settings = settings_from_environment(Settings)
    recorded = record_run(message, settings, Ledger(settings.ledger_table), utc_now())
    merge_stored_objects(message.request, settings.data_bucket)
    return recorded
