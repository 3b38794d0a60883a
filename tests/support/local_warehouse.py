"""The local Redshift as a client of the Data API, in this process: statements really run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from job_fakes import FakeService, service_error
from reused_redshift import reused

from local.local_cloud.http.services import ServiceError
from local.local_cloud.redshift.data import RedshiftDataService

TARGET = {"ClusterIdentifier": "warehouse", "Database": "dev"}
WAIT = {"WaitTimeSeconds": 20}
_OPERATIONS = {
    "execute_statement": "ExecuteStatement",
    "batch_execute_statement": "BatchExecuteStatement",
    "describe_statement": "DescribeStatement",
    "get_statement_result": "GetStatementResult",
    "list_statements": "ListStatements",
    "cancel_statement": "CancelStatement",
}


def _as_boto_returns(name: str, value: Any) -> Any:
    """boto3 makes times of the epoch seconds on the wire."""
    return datetime.fromtimestamp(value, UTC) if name in ("CreatedAt", "UpdatedAt") else value


class _Clients:
    """S3 as the test's own client reaches it."""

    def __init__(self, get: Callable[[str], Any]) -> None:
        self.get = get

    def close(self) -> None:
        """The test closes its clients."""


class LocalWarehouse(FakeService):
    """A client of `redshift-data` whose databases lie in a directory of the test.

    It keeps its requests and breaks as planned, as every fake service does.

    Attributes:
        loads: the statements of every job that was submitted, by the batch's id.
    """

    service = "redshift-data"

    def __init__(self, directory: Path, client: Callable[[str], Any]) -> None:
        super().__init__()
        self.loads: dict[str, list[str]] = {}
        clients: Any = _Clients(client)
        self._service = RedshiftDataService("", directory, lambda _event: None, clients=clients)
        self._service._runner.open_database = reused
        self._service.start()

    def close(self) -> None:
        self._service.stop()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _OPERATIONS:
            raise AttributeError(name)
        operation = _OPERATIONS[name]

        def run(**request: Any) -> Any:
            waiting = WAIT if operation == "DescribeStatement" else {}
            try:
                response = self._service.call(operation, {**request, **waiting})
            except ServiceError as error:
                raise service_error(operation, error.code, error.status) from error
            if request.get("WithEvent"):  # as jobs are submitted
                self.loads[response["Id"]] = request["Sqls"]
            return {name: _as_boto_returns(name, value) for name, value in response.items()}

        return lambda **request: self._call(operation, request, run)

    def run(self, statements: str | list[str]) -> dict[str, Any]:
        """What came of statements: `Status` and, perhaps, `Error`."""
        texts = [statements] if isinstance(statements, str) else statements
        response = self._service.call("BatchExecuteStatement", {**TARGET, "Sqls": texts})
        return self._service.call("DescribeStatement", {"Id": response["Id"], **WAIT})

    def done(self, statements: str | list[str]) -> None:
        described = self.run(statements)
        assert described["Status"] == "FINISHED", described.get("Error")

    def rows(self, sql: str) -> list[list[Any]]:
        response = self._service.call("ExecuteStatement", {**TARGET, "Sql": sql})
        described = self._service.call("DescribeStatement", {"Id": response["Id"], **WAIT})
        assert described["Status"] == "FINISHED", described.get("Error")
        records = self._service.call("GetStatementResult", {"Id": response["Id"]})["Records"]
        return [
            [None if field.get("isNull") else next(iter(field.values())) for field in record]
            for record in records
        ]

    def batches(self) -> list[list[str]]:
        """The statements of every batch that was submitted through the client."""
        return [
            request["Sqls"] for name, request in self.requests if name == "BatchExecuteStatement"
        ]


@pytest.fixture
def warehouse(cloud: Any, tmp_path: Path) -> Iterator[LocalWarehouse]:
    """Redshift by DuckDB; COPY reads the test's buckets."""
    local = LocalWarehouse(tmp_path / "redshift", cloud.client)
    yield local
    local.close()
