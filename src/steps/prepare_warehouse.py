"""prepare_warehouse: make the tables that a run needs, before its first load."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import PreparedWarehouse, PrepareWarehouse
from runtime.handler import settings_from_environment, step_handler
from sources import frozen
from stores.redshift.client import WarehouseClient, WarehouseSettings
from stores.redshift.preparation import own_tables, prepare_tables


@dataclass(frozen=True, kw_only=True)
class Settings(WarehouseSettings):
    data_bucket: str
    code_bucket: str


@step_handler(PrepareWarehouse)
def handler(message: PrepareWarehouse) -> PreparedWarehouse:
    settings = settings_from_environment(Settings)
    client = WarehouseClient.of(settings, "prepare-warehouse")
    snapshot = frozen.read_snapshot(settings.data_bucket, message.run_id)
    own = own_tables(settings.code_bucket)
    return PreparedWarehouse(statements=tuple(prepare_tables(client, snapshot, own)))
