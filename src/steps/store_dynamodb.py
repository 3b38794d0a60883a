"""store_dynamodb: every row of a unit as an item under its natural key, by conditional puts; with
the last one, the unit has ended."""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from contracts.messages import StoredRows, StoreDynamodb
from contracts.steps import Steps
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from runs.unit.ending import EndSettings, record_end_after_store
from runtime.handler import RemainingTime, metrics, settings_from_environment, timed_step_handler
from sources.private_errors import withheld
from stores.dynamodb.provenance import with_execution
from stores.dynamodb.slices import store_slice


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    processed_data_table: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it


@timed_step_handler(StoreDynamodb)
def handler(message: StoreDynamodb, remaining: RemainingTime) -> StoredRows:
    settings = settings_from_environment(Settings)
    ledger = Ledger(settings_from_environment(LedgerSettings).ledger_table)
    refuse_stopped(ledger, message.run_id)
    with withheld(
        settings.data_bucket,
        message.run_id,
        message.unit_id,
        Steps.store_dynamodb.name,
        write=False,
    ):
        stored = store_slice(
            with_execution(message, ledger),
            settings.data_bucket,
            settings.processed_data_table,
            int(settings.aws_lambda_function_memory_size),
            remaining,
        )
    metrics.add_metric(name="RowsStored", unit=MetricUnit.Count, value=stored.rows)
    if message.end is None or stored.next_row is not None:
        return stored
    settings_of_end = settings_from_environment(EndSettings)
    ended = record_end_after_store(message.end, stored.rows, settings_of_end, stored.superseded)
    return stored.model_copy(update={"ended": ended})
