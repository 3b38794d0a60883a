"""A run whose rows go to the local Redshift: its output, its tables, its loads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_run import UNIT, DataRun, dataset
from local_warehouse import LocalWarehouse

from contracts import layout
from contracts.dataset import Group
from contracts.messages import (
    ExplainLoad,
    PreparedWarehouse,
    StoreRedshift,
)
from remote_jobs.engines.redshift import Warehouse
from sources import frozen
from steps import store_redshift
from stores.redshift.client import WarehouseClient
from stores.redshift.explanation import explain_load
from stores.redshift.preparation import own_tables, prepare_tables
from stores.versions import PLACE

SQL = Path(__file__).resolve().parents[2] / "sql"
COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "required": True},
    {"name": "amount", "type": "decimal(10,2)"},
    {"name": "note"},
]


def sales(**changes: Any) -> Any:
    targets = {"redshift": {"table": "mart.sales", "key": ["id"]}}
    return dataset(**{"columns": COLUMNS, "targets": targets, **changes})


def quick(client: Any, name: str = "test") -> WarehouseClient:
    """Asks without pauses."""
    place = Warehouse(cluster="warehouse", workgroup="", database="dev", secret_arn="")
    return WarehouseClient(client, place, name, pause=lambda _seconds: None)


@dataclass
class WarehouseRun:
    """One run, one unit."""

    cloud: Any
    warehouse: LocalWarehouse
    run_id: str = "run-1"
    started_at: str = "2026-11-20T08:00:00Z"
    dataset: Any = field(default_factory=sales)
    group: Group | None = None

    def __post_init__(self) -> None:
        for table in SQL.glob("*.sql"):
            key = f"{SQL.name}/{table.name}"
            self.cloud.put(key, table.read_bytes(), bucket=self.cloud.code_bucket)
        self.run = DataRun(
            self.cloud,
            self.dataset,
            run_id=self.run_id,
            started_at=self.started_at,
            group=self.group,
        ).freeze()
        self.columns = tuple((column.name, column.type) for column in self.dataset.columns)

    def output(self, *parts: str, unit: str = UNIT) -> WarehouseRun:
        """What transform would have left: each part holds the rows of a VALUES list.

        Rows of a unit that holds several objects end with the place of theirs.
        """
        columns = [*self.columns, *([(f'"{PLACE}"', "BIGINT")] if self.group else [])]
        for number, values in enumerate(parts):
            names = ", ".join(name for name, _ in columns)
            kinds = ", ".join(
                f"CAST({name} AS {'VARCHAR' if kind == 'string' else kind}) AS {name}"
                for name, kind in columns
            )
            query = f"SELECT {kinds} FROM (VALUES {values}) AS v({names})"
            self.run.put_part(query, number, unit)
        return self

    def prepare(self, client: Any = None) -> PreparedWarehouse:
        snapshot = frozen.read_snapshot(self.cloud.data_bucket, self.run_id)
        own = own_tables(self.cloud.code_bucket)
        statements = prepare_tables(quick(client or self.warehouse), snapshot, own)
        return PreparedWarehouse(statements=tuple(statements))

    def statements(
        self, rows: int, unit: str = UNIT, files: int | None = None, attempt: int = 1
    ) -> list[str]:
        message = StoreRedshift(
            run_id=self.run_id,
            unit_id=unit,
            rows=rows,
            run_attempt=attempt,
            job_id="job-1",
            files=files,
        )
        settings = store_redshift.Settings(self.cloud.data_bucket)
        response = store_redshift.store_redshift(message, settings)
        document = self.cloud.read_json(layout.split_s3_url(response.statements_url)[1])
        found: list[str] = document["statements"]
        return found

    def load(self, rows: int, unit: str = UNIT, attempt: int = 1) -> None:
        self.warehouse.done(self.statements(rows, unit, attempt=attempt))

    def explain(self, error: str, client: Any = None) -> str:
        message = ExplainLoad(run_id=self.run_id, unit_id=UNIT, error=error)
        warehouse = quick(client or self.warehouse)
        response = explain_load(message, self.cloud.data_bucket, 1024, warehouse)
        return response.message

    def stored(self) -> list[list[Any]]:
        return self.warehouse.rows(
            "SELECT id, amount, note, run_id, unit_id FROM mart.sales ORDER BY id"
        )

    def ledger(self) -> list[list[Any]]:
        return self.warehouse.rows(
            "SELECT load_id, rows_copied, rows_duplicate, rows_older, rows_merged"
            " FROM public.pipeline_loads ORDER BY loaded_at, load_id"
        )
