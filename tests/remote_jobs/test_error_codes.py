"""The code of a failed load goes with its status: the orchestrator decides by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.job import Engine, ErrorCode, JobKey, JobState
from remote_jobs.record import JobRecord

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FAILED = JobRecord(
    key=JobKey(run_id="r-1", unit_id="00000-000", stage="store-redshift", attempt=1),
    job_id="j-1",
    engine=Engine.REDSHIFT,
    callback_id="c-1",
    state=JobState.FAILED,
    target="warehouse",
    submitted_at=NOW,
    deadline=0,
    timeout_seconds=60,
    output_url="s3://b/k/",
    input_url="s3://b/k/",
    error="ERROR: deadlock detected",
)


def test_a_failed_load_has_a_code() -> None:
    assert FAILED.status(NOW).error_code == ErrorCode.PASSES
    assert replace(FAILED, error=None).status(NOW).error_code == ErrorCode.UNKNOWN


@pytest.mark.parametrize(
    "change", [{"engine": Engine.GLUE}, {"state": JobState.RUNNING}, {"state": JobState.TIMED_OUT}]
)
def test_other_jobs_have_none(change: dict[str, object]) -> None:
    assert replace(FAILED, **change).status(NOW).error_code is None
