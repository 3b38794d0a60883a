"""store_files: a unit's rows as files in the output bucket, below the prefix of targets.files."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import StoredFiles, StoreFiles
from contracts.steps import Steps
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from runs.unit.ending import EndSettings, record_end_after_store
from runtime.handler import settings_from_environment, step_handler
from sources.private_errors import withheld
from stores.files.writer import store_unit
from tabular.capacity import Capacity


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    output_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it
    ephemeral_megabytes: str = "512"  # disk; what a function has unless the template says more


@step_handler(StoreFiles)
def handler(message: StoreFiles) -> StoredFiles:
    settings = settings_from_environment(Settings)
    ledger = Ledger(settings_from_environment(LedgerSettings).ledger_table)
    refuse_stopped(ledger, message.run_id)
    capacity = Capacity(
        memory=int(settings.aws_lambda_function_memory_size), disk=int(settings.ephemeral_megabytes)
    )
    with withheld(
        settings.data_bucket, message.run_id, message.unit_id, Steps.store_files.name, write=True
    ):
        stored = store_unit(message, settings.data_bucket, settings.output_bucket, capacity)
    if message.end is None:
        return stored
    ended = record_end_after_store(message.end, stored.rows, settings_from_environment(EndSettings))
    return stored.model_copy(update={"ended": ended})
