"""The code of a failed load goes with its status: the orchestrator decides by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.job import Engine, ErrorCode, JobKey, JobState
from remote_jobs.record import WITHHELD, JobRecord

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


BROKEN = "s3://data/a.csv.gz cannot be decompressed: Not a gzipped file"


@pytest.mark.parametrize(
    "error",
    [
        f"InvalidData: {BROKEN}",
        f"clean_csv: InvalidData: {BROKEN}",
        f"__main__.InvalidData: {BROKEN}",
        f"SystemExit: jobs.errors.InvalidData: {BROKEN}",
    ],
)
@pytest.mark.parametrize("engine", [Engine.GLUE, Engine.EMR, Engine.LAMBDA])
def test_a_job_may_say_that_its_input_is_the_reason(engine: Engine, error: str) -> None:
    failed = replace(FAILED, engine=engine, error=error)

    assert failed.status(NOW).error_code == ErrorCode.INVALID_DATA


def test_it_may_say_so_in_the_last_line_of_its_log() -> None:
    step = replace(FAILED, engine=Engine.EMR, error="Application exited with status 1")
    said = replace(step, log_tail=f"Traceback …\n__main__.InvalidData: {BROKEN}")

    assert said.status(NOW).error_code == ErrorCode.INVALID_DATA
    assert replace(said, log_tail=f"InvalidData: {BROKEN}\nbye").status(NOW).error_code is None


@pytest.mark.parametrize(
    "error",
    [None, BROKEN, "row 7 holds 'InvalidData: x'", "InvalidDataset: x", "no InvalidData: x"],
)
def test_any_other_failure_of_a_job_may_pass(error: str | None) -> None:
    assert replace(FAILED, engine=Engine.GLUE, error=error).status(NOW).error_code is None


class TestPrivateJobs:
    """Of a contract with `examples: false`."""

    ran = replace(FAILED, engine=Engine.GLUE, service_id="jr_1", withholds_text=True)

    def test_what_it_said_is_not_recorded_but_what_it_meant(self) -> None:
        said = replace(self.ran, error="InvalidData: DE 4711", log_tail="DE 4711")

        shown = said.as_shown()

        assert (shown.error, shown.log_tail) == (WITHHELD, None)
        assert shown.status(NOW).error_code == ErrorCode.INVALID_DATA
        assert shown.as_shown() == shown
        read = JobRecord.from_item(shown.to_item())
        assert read.status(NOW).error_code == ErrorCode.INVALID_DATA

    def test_our_own_words_stay(self) -> None:
        late = replace(self.ran, state=JobState.TIMED_OUT, error="too late")
        unsent = replace(self.ran, service_id=None, error="could not be submitted")
        for record in (late, unsent):
            shown = replace(record, log_tail="DE 4711").as_shown()
            assert (shown.error, shown.log_tail) == (record.error, None)

    def test_any_other_job_is_shown_as_it_is(self) -> None:
        said = replace(FAILED, error="DE 4711", log_tail="DE 4711")
        assert said.as_shown() is said
