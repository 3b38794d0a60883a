"""Runs short statements on the warehouse and waits for them; loads are jobs (`remote_jobs`)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.errors import Conflict, NotConfigured, PipelineError, TransientFailure
from contracts.warehouse_errors import passes_by_itself
from remote_jobs.engines.base import engine_errors
from remote_jobs.engines.redshift import FULL, TRANSIENT, Warehouse
from runtime import clients

PATIENCE_SECONDS: Final = 120.0  # a paused Serverless workgroup takes a while to wake
_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
Row = dict[str, Any]
Pause = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class WarehouseSettings:
    """Where the warehouse is: a cluster or a workgroup, one of them."""

    redshift_cluster: str = ""
    redshift_workgroup: str = ""
    redshift_database: str = "dev"
    redshift_secret_arn: str = ""

    @property
    def warehouse(self) -> Warehouse:
        """
        Raises:
            NotConfigured: there is none, or there are two.
        """
        if bool(self.redshift_cluster) == bool(self.redshift_workgroup):
            raise NotConfigured(
                "this deployment has no warehouse: deploy with RedshiftClusterIdentifier or"
                " RedshiftWorkgroupName (exactly one of them)"
            )
        return Warehouse(
            cluster=self.redshift_cluster,
            workgroup=self.redshift_workgroup,
            database=self.redshift_database,
            secret_arn=self.redshift_secret_arn,
        )


class StatementFailed(PipelineError):
    """The warehouse refused a statement, or it failed there."""


class WarehouseClient:
    """Runs statements one after another, waiting for each.

    Args:
        name: what the statements are called in the warehouse's history.
        pause: waits so many seconds.
    """

    def __init__(
        self, client: Any, warehouse: Warehouse, name: str, pause: Pause = time.sleep
    ) -> None:
        self._client = client
        self._warehouse = warehouse
        self._name = name
        self._pause = pause

    @classmethod
    def of(cls, settings: WarehouseSettings, name: str) -> WarehouseClient:
        return cls(clients.client("redshift-data"), settings.warehouse, name)

    def rows(self, sql: str) -> list[Row]:
        """A query's rows, by column name.

        Raises:
            StatementFailed: the warehouse refused it.
            Conflict: it refused it for now: the same may succeed later.
            TransientFailure: no response in time.
        """
        statement = self._submit(self._client.execute_statement, Sql=sql)
        found: list[Row] = []
        token: dict[str, str] = {}
        while True:
            with self._errors("reading a result"):
                page = self._client.get_statement_result(Id=statement, **token)
            names = [column["name"] for column in page["ColumnMetadata"]]
            found += [dict(zip(names, map(_value, row), strict=True)) for row in page["Records"]]
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def run(self, statements: Sequence[str]) -> None:
        """Run statements as one transaction.

        Raises:
            StatementFailed: the warehouse refused one; nothing has changed.
            Conflict: likewise, but the same may succeed later.
            TransientFailure: no response in time.
        """
        self._submit(self._client.batch_execute_statement, Sqls=list(statements))

    def _submit(self, operation: Callable[..., Any], **what: Any) -> str:
        with self._errors("asking"):
            response = operation(
                StatementName=self._name,
                ClientToken=uuid.uuid4().hex,
                **what,
                **self._warehouse.parameters,
            )
        statement = str(response["Id"])
        self._await(statement)
        return statement

    def _await(self, statement: str) -> None:
        waited, pause = 0.0, _SHORTEST_PAUSE
        while True:
            with self._errors("asking"):
                described = self._client.describe_statement(Id=statement)
            status = described["Status"]
            if status == "FINISHED":
                return
            if status in ("FAILED", "ABORTED"):
                error = described.get("Error") or status
                raise (Conflict if passes_by_itself(error) else StatementFailed)(error)
            if waited >= PATIENCE_SECONDS:
                raise TransientFailure(
                    f"the warehouse {self._warehouse.name} has not finished within"
                    f" {PATIENCE_SECONDS:.0f} s (statement {statement})"
                )
            self._pause(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _errors(self, doing: str) -> Any:
        return engine_errors(f"{doing}, warehouse {self._warehouse.name}", FULL, TRANSIENT)


def _value(field: dict[str, Any]) -> Any:
    """The value of one field of a record: `{"stringValue": "a"}`, `{"isNull": True}`."""
    return None if field.get("isNull") else next(iter(field.values()))
