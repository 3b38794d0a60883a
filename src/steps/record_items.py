"""record_items: write the result of each item of a unit's batch (`runs.item_results`)."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import RecordItems
from contracts.run import ItemTotals
from contracts.steps import Steps
from ledger.table import Ledger
from runs.item_results import record_items
from runtime.handler import settings_from_environment, step_handler
from sources.private_errors import withheld


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str


@step_handler(RecordItems)
def handler(message: RecordItems) -> ItemTotals:
    settings = settings_from_environment(Settings)
    with withheld(
        settings.data_bucket, message.run_id, message.unit_id, Steps.record_items.name, write=True
    ):
        return record_items(message, settings.data_bucket, Ledger(settings.ledger_table))
