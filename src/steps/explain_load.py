"""explain_load: find the file, row, column and value that made a load fail."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import ExplainLoad, LoadExplanation
from runtime.handler import settings_from_environment, step_handler
from stores.redshift.client import WarehouseClient, WarehouseSettings
from stores.redshift.explanation import explain_load


@dataclass(frozen=True, kw_only=True)
class Settings(WarehouseSettings):
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it


@step_handler(ExplainLoad)
def handler(message: ExplainLoad) -> LoadExplanation:
    settings = settings_from_environment(Settings)
    client = WarehouseClient.of(settings, "explain-load")
    memory = int(settings.aws_lambda_function_memory_size)
    return explain_load(message, settings.data_bucket, memory, client)
