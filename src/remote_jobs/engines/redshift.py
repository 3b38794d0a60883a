"""Amazon Redshift by its Data API: a load is one batch of statements, which is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from contracts.costs.usage import Amounts, Meter
from contracts.errors import NotConfigured, NotFound, PipelineError, TransientFailure
from contracts.job import Engine, JobState
from remote_jobs.engines.base import (
    EngineStatus,
    JobRequest,
    RemoteJob,
    Response,
    each_cancelled,
    engine_errors,
    mapped,
)
from remote_jobs.engines.paging import pages
from runtime import clients

STATES: Final[Mapping[str, JobState]] = {
    "SUBMITTED": JobState.SUBMITTED,
    "PICKED": JobState.SUBMITTED,
    "STARTED": JobState.RUNNING,
    "FINISHED": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    "ABORTED": JobState.CANCELLED,
}
FULL: Final = frozenset({"ActiveStatementsExceededException", "ActiveSessionsExceededException"})
TRANSIENT: Final = frozenset(
    {
        "BatchExecuteStatementException",
        "DatabaseConnectionException",
        "InternalServerException",
        "QueryTimeoutException",
    }
)
STATEMENTS_AT_MOST: Final = 40
LOADS_AT_ONCE: Final = 1
STATEMENTS_PER_PAGE: Final = 100
ASKED_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Warehouse:
    """Where statements run: a cluster or a workgroup, one of them.

    Attributes:
        secret_arn: database credentials; empty: the caller's own IAM identity.
    """

    cluster: str
    workgroup: str
    database: str
    secret_arn: str

    @property
    def name(self) -> str:
        return self.cluster or self.workgroup

    @property
    def parameters(self) -> dict[str, str]:
        place = (
            {"ClusterIdentifier": self.cluster}
            if self.cluster
            else {"WorkgroupName": self.workgroup}
        )
        secret = {"SecretArn": self.secret_arn} if self.secret_arn else {}
        return {**place, "Database": self.database, **secret}


class RedshiftJobs:
    """Loads into one warehouse."""

    engine = Engine.REDSHIFT
    recognises_repeats = True
    finds_others_jobs = False
    quota = None
    submissions = None

    def __init__(self, client: Any, warehouse: Warehouse) -> None:
        self._client = client
        self._warehouse = warehouse

    def target(self, name: str | None) -> str:  # noqa: ARG002 - the warehouse is the only place
        return self._warehouse.name

    @staticmethod
    def pool(target: str) -> str:  # noqa: ARG004 - a deployment has one warehouse
        return Engine.REDSHIFT.value

    def capacity(self, target: str) -> int:  # noqa: ARG002 - whichever warehouse it is
        """One: loads wait for each other's lock anyway (stores.redshift.load)."""
        return LOADS_AT_ONCE

    def submit(self, request: JobRequest) -> str:
        count = len(request.statements)
        if not 1 <= count < STATEMENTS_AT_MOST:  # one more is the timeout
            raise PipelineError(
                f"a load has 1 to {STATEMENTS_AT_MOST - 1} statements,"
                f" {request.job.job_id} has {count}"
            )
        # Of each statement: the transaction as a whole is cancelled at the job's deadline.
        timeout = f"SET statement_timeout TO {request.timeout_seconds * 1000}"
        try:
            with _errors(f"submitting load {request.job.job_id} to {self._warehouse.name}"):
                response = self._client.batch_execute_statement(
                    Sqls=[timeout, *request.statements],
                    StatementName=request.job.job_id,
                    ClientToken=request.job.client_token,
                    WithEvent=True,
                    **self._warehouse.parameters,
                )
        except NotFound as error:
            raise NotConfigured(f"the warehouse cannot be reached: {error}") from error
        return str(response["Id"])

    def find(self, job: RemoteJob) -> str | None:
        """The statement named like the job, among those of this function's own role.

        The Data API lists no other role's statements, whatever the caller's policy allows.
        """
        listed = pages(
            self._client.list_statements,
            "Statements",
            "NextToken",
            lambda: _errors(f"looking for load {job.job_id}"),
            StatementName=job.job_id,
            Status="ALL",
            MaxResults=STATEMENTS_PER_PAGE,
        )
        for statement in chain.from_iterable(listed):
            if statement.get("StatementName") == job.job_id:  # the service matches prefixes
                return str(statement["Id"])
        return None

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Response]:
        """One request per statement: the list, which has pages, holds only the caller's own."""
        if not jobs:
            return {}
        with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(jobs))) as pool:
            responses = pool.map(self._response, jobs)
            return {job.job_id: response for job, response in zip(jobs, responses, strict=True)}

    def cancel(self, job: RemoteJob) -> bool:
        try:
            with _errors(f"cancelling load {job.job_id}"):
                if self._client.cancel_statement(Id=job.known_id)["Status"]:
                    return True
            refusal: PipelineError = TransientFailure(f"load {job.job_id} was not cancelled")
        except NotFound:
            raise
        except PipelineError as error:  # of an ended statement it is a ValidationException
            refusal = error
        if self._status(job).state.ended:
            return False
        raise refusal

    def cancel_many(self, jobs: Sequence[RemoteJob]) -> dict[str, PipelineError]:
        return each_cancelled(self.cancel, jobs)

    def _response(self, job: RemoteJob) -> Response:
        try:
            return self._status(job)
        except PipelineError as error:
            return error

    def _status(self, job: RemoteJob) -> EngineStatus:
        with _errors(f"reading load {job.job_id}"):
            response = self._client.describe_statement(Id=job.known_id)
        region = self._client.meta.region_name
        return EngineStatus(
            state=mapped(self.engine, STATES, response["Status"]),
            raw_state=response["Status"],
            error=response.get("Error") or None,
            console_url=f"{clients.console(region)}/redshiftv2/home?region={region}",
            ended_at=response.get("UpdatedAt"),
            usage=self._usage(response) if "Duration" in response else None,
        )

    def _usage(self, statement: Mapping[str, Any]) -> Amounts:
        """How long it ran. A workgroup bills that; a cluster is billed by the hour, used or not."""
        meter = Meter.REDSHIFT_CLUSTER_MS if self._warehouse.cluster else Meter.REDSHIFT_MS
        return {meter: round(statement["Duration"] / 1_000_000)}


def _errors(doing: str) -> AbstractContextManager[None]:
    return engine_errors(doing, FULL, TRANSIENT)
