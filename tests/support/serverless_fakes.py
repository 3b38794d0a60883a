"""EMR Serverless with a memory, as `job_fakes` has Glue and Redshift."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from job_fakes import FakeClock, FakeService, service_error

APPLICATION = "00app"
ROLE_ARN = "arn:aws:iam::123456789012:role/spark-jobs"


class FakeServerless(FakeService):
    """Job runs that stay SUBMITTED until the test says otherwise; tokens are honoured."""

    service = "emr-serverless"

    def __init__(self, clock: FakeClock, *applications: str, page: int = 50) -> None:
        super().__init__()
        self._clock, self._page = clock, page
        self._applications = set(applications or (APPLICATION,))
        self.runs: list[dict[str, Any]] = []
        self.scheduler: dict[str, int] = {}

    def finish(self, state: str = "SUCCESS", details: str | None = None, run: int = -1) -> None:
        self.runs[run] |= {"state": state, "stateDetails": details or ""}

    def get_application(self, **request: Any) -> Any:
        return self._call("GetApplication", request, self._describe)

    def start_job_run(self, **request: Any) -> Any:
        return self._call("StartJobRun", request, self._start)

    def list_job_runs(self, **request: Any) -> Any:
        return self._call("ListJobRuns", request, self._list)

    def get_job_run(self, **request: Any) -> Any:
        return self._call("GetJobRun", request, self._get)

    def cancel_job_run(self, **request: Any) -> Any:
        return self._call("CancelJobRun", request, self._cancel)

    def _describe(self, applicationId: str) -> Any:
        if applicationId not in self._applications:
            raise service_error("GetApplication", "ResourceNotFoundException", 404)
        said = {"schedulerConfiguration": self.scheduler} if self.scheduler else {}
        return {"application": {"applicationId": applicationId, "name": "spark", **said}}

    def _start(self, applicationId: str, clientToken: str, name: str, **request: Any) -> Any:
        if applicationId not in self._applications:
            raise service_error("StartJobRun", "ResourceNotFoundException", 404)
        for run in self.runs:
            if run["clientToken"] == clientToken:
                return {"jobRunId": run["id"]}
        run = {
            "id": f"00run{len(self.runs):04d}",
            "applicationId": applicationId,
            "clientToken": clientToken,
            "name": name,
            "state": "SUBMITTED",
            "stateDetails": "",
            "createdAt": self._clock(),
            "request": request,
        }
        self.runs.append(run)
        return {"jobRunId": run["id"]}

    def _list(
        self, applicationId: str, createdAtAfter: datetime, maxResults: int, nextToken: str = "0"
    ) -> Any:
        if applicationId not in self._applications:
            raise service_error("ListJobRuns", "ValidationException")
        found = [
            run
            for run in reversed(self.runs)
            if run["applicationId"] == applicationId and run["createdAt"] >= createdAtAfter
        ]
        first, end = int(nextToken), int(nextToken) + min(maxResults, self._page)
        token = {"nextToken": str(end)} if end < len(found) else {}
        return {"jobRuns": found[first:end], **token}

    def _get(self, applicationId: str, jobRunId: str) -> Any:
        for run in self.runs:
            if (run["applicationId"], run["id"]) == (applicationId, jobRunId):
                return {"jobRun": run}
        raise service_error("GetJobRun", "ResourceNotFoundException", 404)

    def _cancel(self, applicationId: str, jobRunId: str) -> Any:
        run = self._get(applicationId, jobRunId)["jobRun"]
        if run["state"] not in ("SUCCESS", "FAILED", "CANCELLED"):
            run["state"] = "CANCELLING"
        return {}
