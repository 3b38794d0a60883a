"""transform: the contract's SQL over the valid rows; the result is what is stored."""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from contracts.messages import Transform, Transformed
from contracts.steps import Steps
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from runtime.handler import metrics, settings_from_environment, step_handler
from sources.private_errors import withheld
from stores.dynamodb.provenance import with_execution
from tabular.capacity import Capacity
from transformation.transformer import transform_unit


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it
    ephemeral_megabytes: str = "512"  # disk; what a function has unless the template says more


@step_handler(Transform)
def handler(message: Transform) -> Transformed:
    settings = settings_from_environment(Settings)
    ledger = Ledger(settings_from_environment(LedgerSettings).ledger_table)
    refuse_stopped(ledger, message.run_id)
    capacity = Capacity(
        memory=int(settings.aws_lambda_function_memory_size), disk=int(settings.ephemeral_megabytes)
    )
    with withheld(
        settings.data_bucket, message.run_id, message.unit_id, Steps.transform.name, write=True
    ):
        transformed = transform_unit(
            with_execution(message, ledger), settings.data_bucket, capacity
        )
    for name, value in (
        ("RowsTransformed", transformed.rows),
        ("RowsSetAside", transformed.rejected),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return transformed
