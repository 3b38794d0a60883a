"""The Redshift Data API over DuckDB: one database file per cluster or workgroup and database.

What differs from Redshift is listed in docs/local-redshift.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final

from local.local_cloud.events.service_events import OnEvent
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.paging import page, required
from local.local_cloud.http.services import ServiceError
from local.local_cloud.redshift.catalog import describe_table, list_schemas, list_tables
from local.local_cloud.redshift.objects import Objects
from local.local_cloud.redshift.runner import StatementRunner
from local.local_cloud.redshift.statements import BAD_INPUT, Status, Submitted, Target, split_id
from local.local_cloud.redshift.tokens import SqlError

_RESULT_PAGE: Final = 1000
_LONGEST_WAIT: Final = 30


class RedshiftDataService(JsonService):
    """Statements and their results.

    Any cluster or workgroup name is taken; its databases come into being when first used. Whoever
    changes a database waits for other writers; readers do not wait.
    """

    service: ClassVar = "redshift-data"
    target_prefix: ClassVar = "RedshiftData"

    def __init__(
        self,
        endpoint_url: str,
        work_dir: Path,
        on_event: OnEvent,
        *,
        clients: ServiceClients | None = None,
    ) -> None:
        """Make the service; `start` before use.

        Args:
            endpoint_url: where COPY and UNLOAD find S3.
            work_dir: for the databases' files, which stay.
            on_event: called with the event of each statement that asks for one (WithEvent).
            clients: how S3 is reached.
        """
        self._clients = clients or ServiceClients(endpoint_url)
        self._runner = StatementRunner(work_dir, Objects(self._clients), on_event)
        self._changed = self._runner.changed
        self._statements: dict[str, Submitted] = {}
        self._by_token: dict[str, Submitted] = {}
        super().__init__(
            {
                "ExecuteStatement": lambda request: self._execute(request, is_batch=False),
                "BatchExecuteStatement": lambda request: self._execute(request, is_batch=True),
                "DescribeStatement": self._describe_statement,
                "GetStatementResult": self._get_statement_result,
                "ListStatements": self._list_statements,
                "CancelStatement": self._cancel_statement,
                "ListSchemas": lambda request: self._ask_catalog(list_schemas, request),
                "ListTables": lambda request: self._ask_catalog(list_tables, request),
                "DescribeTable": self._describe_table,
            }
        )

    def start(self) -> None:
        """Begin to run statements."""
        self._runner.start()

    def stop(self) -> None:
        """Cancel what runs, wait for it, and close the databases."""
        with self._changed:
            running = [s for s in self._statements.values() if not s.whole.status.ended]
            for submitted in running:
                self._runner.cancel(submitted)
        self._runner.stop()
        self._clients.close()

    # Operations

    def _execute(self, request: dict[str, Any], *, is_batch: bool) -> dict[str, Any]:
        submitted = Submitted.of(request, is_batch)
        token = request.get("ClientToken")
        with self._changed:
            earlier = self._by_token.get(token) if token else None
            if earlier is not None:
                if earlier.fingerprint != submitted.fingerprint:
                    raise ServiceError(
                        BAD_INPUT, "the ClientToken was used before with another request"
                    )
                return earlier.accepted()
            if not self._runner.running:
                raise ServiceError("InternalServerException", "the service is not running", 500)
            self._forget_expired()
            self._statements[submitted.id] = submitted
            if token:
                self._by_token[token] = submitted
            self._runner.submit(submitted)
        response = submitted.accepted()
        if request.get("WaitTimeSeconds"):
            self._wait(submitted, request)
            described = submitted.describe()
            response |= {name: described[name] for name in ("Status", "HasResultSet")}
        return response

    def _describe_statement(self, request: dict[str, Any]) -> dict[str, Any]:
        submitted, number = self._find(request)
        self._wait(submitted, request)
        with self._changed:
            described = submitted.describe()
        if number is None:
            return described
        parts = [part for part in described.get("SubStatements", ()) if part["Id"] == request["Id"]]
        if not parts:
            raise ServiceError("ResourceNotFoundException", "Query does not exist.")
        return {**described, **parts[0]}

    def _get_statement_result(self, request: dict[str, Any]) -> dict[str, Any]:
        submitted, number = self._find(request)
        self._wait(submitted, request)
        with self._changed:
            result = submitted.result_of(number)
        keys = [str(row) for row in range(1, len(result.records) + 1)]
        sized = {"NextToken": request.get("NextToken"), "MaxResults": _RESULT_PAGE}
        records, token = page(result.records, keys, sized, BAD_INPUT)
        return {
            "ColumnMetadata": result.columns,
            "Records": list(records),
            "TotalNumRows": len(result.records),
            **token,
        }

    def _list_statements(self, request: dict[str, Any]) -> dict[str, Any]:
        """Newest first; without a Status only finished ones, as the service has it."""
        wanted = request.get("Status", Status.FINISHED)
        with self._changed:
            found = [
                submitted
                for submitted in reversed(self._statements.values())
                if wanted in ("ALL", submitted.whole.status) and _matches(submitted, request)
            ]
            shown, token = page(found, [each.id for each in found], request, BAD_INPUT)
            return {"Statements": [each.summary() for each in shown], **token}

    def _cancel_statement(self, request: dict[str, Any]) -> dict[str, Any]:
        submitted, _ = self._find(request)
        with self._changed:
            status = submitted.whole.status
            if status.ended:
                raise ServiceError(
                    BAD_INPUT,
                    f"Could not cancel a query that is already in {status} state with ID: "
                    f"{submitted.id}",
                )
            self._runner.cancel(submitted)
        return {"Status": True}

    def _describe_table(self, request: dict[str, Any]) -> dict[str, Any]:
        required(request, "Table", BAD_INPUT)
        return self._ask_catalog(describe_table, request)

    def _ask_catalog(
        self, ask: Callable[[Any, dict[str, Any]], dict[str, Any]], request: dict[str, Any]
    ) -> dict[str, Any]:
        with self._runner.database(Target.of(request)).session() as cursor:
            try:
                return ask(cursor, request)
            except SqlError as error:
                raise ServiceError("ResourceNotFoundException", f"ERROR: {error}") from error

    # What is stored

    def _find(self, request: dict[str, Any]) -> tuple[Submitted, int | None]:
        whole_id, number = split_id(str(required(request, "Id", BAD_INPUT)))
        with self._changed:
            submitted = self._statements.get(whole_id)
        if submitted is None:
            raise ServiceError("ResourceNotFoundException", "Query does not exist.")
        return submitted, number

    def _wait(self, submitted: Submitted, request: dict[str, Any]) -> None:
        seconds = min(int(request.get("WaitTimeSeconds") or 0), _LONGEST_WAIT)
        with self._changed:
            self._changed.wait_for(lambda: submitted.whole.status.ended, timeout=seconds)

    def _forget_expired(self) -> None:
        """Drop what the service would not show any more; the lock is held."""
        for submitted in [each for each in self._statements.values() if each.expired]:
            del self._statements[submitted.id]
            self._by_token.pop(str(submitted.request.get("ClientToken")), None)


def _matches(submitted: Submitted, request: dict[str, Any]) -> bool:
    """Whether a statement is one of those that ListStatements asks for."""
    target = submitted.target
    workgroup = str(request.get("WorkgroupName") or "").rsplit("/", 1)[-1]
    wanted = (
        ("ClusterIdentifier", request.get("ClusterIdentifier")),
        ("WorkgroupName", workgroup),
    )
    if any(name and (target.kind, target.name) != (kind, name) for kind, name in wanted):
        return False
    if request.get("Database") and target.database != str(request["Database"]).lower():
        return False
    name = str(submitted.request.get("StatementName") or "")
    return name.startswith(str(request.get("StatementName") or ""))
