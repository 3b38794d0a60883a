"""validate: split a unit's rows into valid ones and rejected ones, each with its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from contracts.messages import Validate, Validated
from contracts.steps import Steps
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from remote_jobs.invoked import record_ends
from remote_jobs.ledger import JobLedger
from runtime.handler import metrics, settings_from_environment, step_handler, utc_now
from sources.private_errors import withheld
from tabular.capacity import Capacity
from validation.validator import validate_unit


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it
    ephemeral_megabytes: str = "10240"  # of disk


@step_handler(Validate)
def handler(message: Validate) -> Validated:
    settings = settings_from_environment(Settings)
    ledger = Ledger(settings_from_environment(LedgerSettings).ledger_table)
    record_ends(JobLedger(ledger), message.ended_jobs, utc_now())
    refuse_stopped(ledger, message.run_id)
    capacity = Capacity(
        memory=int(settings.aws_lambda_function_memory_size), disk=int(settings.ephemeral_megabytes)
    )
    with withheld(
        settings.data_bucket, message.run_id, message.unit_id, Steps.validate.name, write=True
    ):
        validated = validate_unit(message, settings.data_bucket, capacity)
    for name, value in (("RowsValid", validated.valid), ("RowsRejected", validated.rejected)):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return validated
