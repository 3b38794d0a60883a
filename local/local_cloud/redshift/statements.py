"""A submitted statement or batch: its states, and how the Data API describes it."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from local.local_cloud.events.service_events import service_event
from local.local_cloud.http.services import ACCOUNT_ID, REGION, ServiceError
from local.local_cloud.redshift.results import Result
from local.local_cloud.redshift.session import Outcome, Session
from local.local_cloud.redshift.sql import parameter_names

BAD_INPUT: Final = "ValidationException"
MOST_STATEMENTS: Final = 40
DEFAULT_USER: Final = "awsuser"
_RETENTION_SECONDS: Final = 24 * 3600
# Parts of a request that would change what happens, and are not emulated.
_REFUSED: Final = ("SessionId", "SessionKeepAliveSeconds")


class Status(StrEnum):
    """Of a statement; the last three are final."""

    SUBMITTED = "SUBMITTED"
    PICKED = "PICKED"
    STARTED = "STARTED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"

    @property
    def ended(self) -> bool:
        return self in (Status.FINISHED, Status.FAILED, Status.ABORTED)


@dataclass(frozen=True)
class Target:
    """Where statements run: a cluster or a workgroup, and a database of it."""

    kind: str
    name: str
    database: str

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Target:
        """Read and check a request's target and its way to authenticate.

        Raises:
            ServiceError: not exactly one target, no database, or a mixture of credentials.
        """
        cluster, workgroup = request.get("ClusterIdentifier"), request.get("WorkgroupName")
        if bool(cluster) == bool(workgroup):
            raise ServiceError(
                BAD_INPUT, "Exactly one of ClusterIdentifier and WorkgroupName is required"
            )
        database = request.get("Database")
        if not database:
            raise ServiceError(BAD_INPUT, "Database is required")
        if request.get("DbUser") and (workgroup or request.get("SecretArn")):
            other = "WorkgroupName" if workgroup else "SecretArn"
            raise ServiceError(BAD_INPUT, f"DbUser cannot be given together with {other}")
        if cluster:
            return cls("ClusterIdentifier", str(cluster), str(database).lower())
        return cls("WorkgroupName", str(workgroup).rsplit("/", 1)[-1], str(database).lower())

    @property
    def file(self) -> Path:
        """The database's file below the service's directory; DuckDB names its catalog by it."""
        kind = "cluster" if self.kind == "ClusterIdentifier" else "workgroup"
        name, database = (
            quote(part, safe="").replace(".", "%2E") for part in (self.name, self.database)
        )
        return Path(f"{kind}-{name}") / f"{database}.duckdb"

    @property
    def arn(self) -> str:
        """As events name it."""
        if self.kind == "ClusterIdentifier":
            return f"arn:aws:redshift:{REGION}:{ACCOUNT_ID}:cluster:{self.name}"
        return f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT_ID}:workgroup/{self.name}"


@dataclass
class Part:
    """One SQL text of a statement; of a batch: a sub-statement."""

    sql: str
    status: Status = Status.SUBMITTED
    outcome: Outcome = field(default_factory=Outcome)
    error: str | None = None
    started_at: float | None = None
    updated_at: float = field(default_factory=time.time)

    def change(self, status: Status) -> None:
        self.status = status
        self.updated_at = time.time()
        if status is Status.STARTED:
            self.started_at = self.updated_at

    @property
    def result(self) -> Result | None:
        return self.outcome.result

    def describe(self) -> dict[str, Any]:
        """What a statement and a sub-statement have in common."""
        nanoseconds = int((self.updated_at - (self.started_at or self.updated_at)) * 1e9)
        described: dict[str, Any] = {
            "Status": str(self.status),
            "QueryString": self.sql,
            "HasResultSet": self.result is not None,
            "ResultRows": self.outcome.rows,
            "ResultSize": self.result.size if self.result else 0,
            "Duration": nanoseconds if self.status.ended else 0,
            "RedshiftQueryId": -1,
            "UpdatedAt": self.updated_at,
        }
        return described if self.error is None else {**described, "Error": self.error}


@dataclass
class Submitted:
    """A statement or a batch; its owner changes it under a lock.

    Attributes:
        whole: state of all of it; its `sql` and result are those of a single statement.
        session: while it runs, so that it can be interrupted.
    """

    request: Mapping[str, Any]
    target: Target
    parts: list[Part]
    is_batch: bool
    whole: Part
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = field(default_factory=time.time)
    cancelled: bool = False
    session: Session | None = None

    @classmethod
    def of(cls, request: Mapping[str, Any], is_batch: bool) -> Submitted:
        """Check a request of ExecuteStatement or BatchExecuteStatement.

        Raises:
            ServiceError: it is refused as the service would, or asks for what is not emulated.
        """
        target = Target.of(request)
        texts = list(request.get("Sqls") or []) if is_batch else [request.get("Sql") or ""]
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ServiceError(BAD_INPUT, f"{'Sqls' if is_batch else 'Sql'} must not be empty")
        if any(len(text.encode()) > 100_000 for text in texts):  # fixed by the service
            raise ServiceError(BAD_INPUT, "Cannot process query string larger than 100kB")
        if len(texts) > MOST_STATEMENTS:
            raise ServiceError(
                BAD_INPUT,
                f"Sqls has {len(texts)} statements; at most {MOST_STATEMENTS} are allowed",
            )
        for name in _REFUSED:
            if request.get(name) is not None:
                raise ServiceError(BAD_INPUT, f"{name} is not emulated by the local Redshift")
        for name, only in (("ExecutionMode", "TRANSACTION"), ("ResultFormat", "JSON")):
            if request.get(name, only) != only:
                raise ServiceError(
                    BAD_INPUT, f"{name} {request[name]} is not emulated by the local Redshift"
                )
        unused = set(_parameters(request)) - parameter_names(texts)
        if unused:
            raise ServiceError(BAD_INPUT, f"Parameters are not used: {', '.join(sorted(unused))}")
        parts = [Part(text) for text in texts]
        return cls(request, target, parts, is_batch, Part("") if is_batch else parts[0])

    @property
    def parameters(self) -> dict[str, str]:
        return _parameters(self.request)

    @property
    def fingerprint(self) -> str:
        """The same for requests that ask for the same."""
        return json.dumps(
            {key: value for key, value in self.request.items() if key != "ClientToken"},
            sort_keys=True,
        )

    @property
    def expired(self) -> bool:
        return self.whole.status.ended and time.time() - self.created_at > _RETENTION_SECONDS

    def accepted(self) -> dict[str, Any]:
        """The response to its submission."""
        return {
            "Id": self.id,
            "CreatedAt": self.created_at,
            "Database": self.target.database,
            **self._whose(),
        }

    def describe(self) -> dict[str, Any]:
        """The response of DescribeStatement."""
        described = {
            **self.whole.describe(),
            **self.accepted(),
            "RedshiftPid": 0,
            "ResultFormat": "JSON",
        }
        if self.request.get("Parameters"):
            described["QueryParameters"] = self.request["Parameters"]
        if self.is_batch:
            del described["QueryString"]
            described["HasResultSet"] = any(part.result for part in self.parts)
            described["SubStatements"] = [
                {"Id": f"{self.id}:{number}", "CreatedAt": self.created_at, **part.describe()}
                for number, part in enumerate(self.parts, 1)
            ]
        return described

    def summary(self) -> dict[str, Any]:
        """Its entry in the response of ListStatements."""
        texts = [part.sql for part in self.parts]
        shown: dict[str, Any] = {
            "Id": self.id,
            "Status": str(self.whole.status),
            "CreatedAt": self.created_at,
            "UpdatedAt": self.whole.updated_at,
            "IsBatchStatement": self.is_batch,
            "ResultFormat": "JSON",
            **({"QueryStrings": texts} if self.is_batch else {"QueryString": texts[0]}),
        }
        optional = {
            "StatementName": self.request.get("StatementName"),
            "SecretArn": self.request.get("SecretArn"),
            "QueryParameters": self.request.get("Parameters"),
        }
        return shown | {name: value for name, value in optional.items() if value}

    def result_of(self, part_number: int | None) -> Result:
        """The result of the statement, or of one of a batch.

        Raises:
            ServiceError: it has none (yet).
        """
        number = part_number or 1
        if number > len(self.parts) or not self.parts[number - 1].status.ended:
            raise ServiceError("ResourceNotFoundException", "Query has not finished")
        result = self.parts[number - 1].result
        if self.whole.status is not Status.FINISHED or result is None:
            raise ServiceError(
                "ResourceNotFoundException",
                "Query does not have result. Please check query status with DescribeStatement.",
            )
        return result

    def ended_event(self) -> dict[str, Any]:
        """`Redshift Data Statement Status Change`, for requests with WithEvent."""
        detail = {
            "principal": f"arn:aws:iam::{ACCOUNT_ID}:root",
            "statementName": self.request.get("StatementName", ""),
            "statementId": self.id,
            "redshiftQueryId": -1,
            "state": str(self.whole.status),
            "rows": self.whole.outcome.rows,
            "expireAt": int(self.created_at) + _RETENTION_SECONDS,
        }
        return service_event(
            "aws.redshift-data",
            "Redshift Data Statement Status Change",
            detail,
            [self.target.arn],
        )

    def _whose(self) -> dict[str, Any]:
        whose: dict[str, Any] = {self.target.kind: self.target.name}
        if self.request.get("SecretArn"):
            whose["SecretArn"] = self.request["SecretArn"]
        else:
            whose["DbUser"] = self.request.get("DbUser") or DEFAULT_USER
        return whose


def split_id(statement_id: str) -> tuple[str, int | None]:
    """A statement's id, and the number behind it: the id of a sub-statement is `id:2`.

    Raises:
        ServiceError: it is neither.
    """
    match = re.fullmatch(r"([a-z0-9-]{36})(?::(\d{1,2}))?", statement_id)
    if match is None:
        raise ServiceError(BAD_INPUT, f"not a statement id: {statement_id!r}")
    return match[1], int(match[2]) if match[2] else None


def _parameters(request: Mapping[str, Any]) -> dict[str, str]:
    return {str(item["name"]): str(item["value"]) for item in request.get("Parameters") or ()}
