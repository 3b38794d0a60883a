"""What every engine's adapter does alike; what only one of them does is in its own file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from emr_fakes import CLUSTER, refusal
from engine_cases import (
    CASES,
    EmrCase,
    EmrServerlessCase,
    EmrSsmCase,
    EngineCase,
    GlueCase,
    RedshiftCase,
)
from job_fakes import service_error, service_model

from contracts.errors import (
    EngineFull,
    NotConfigured,
    NotFound,
    PipelineError,
    Throttled,
    TransientFailure,
)
from contracts.job import Engine, JobState
from remote_jobs.engines.base import EngineStatus
from remote_jobs.engines.lambda_functions import LambdaJobs

Case = type[EngineCase]
FINISHED = "A job flow that is shutting down, terminated, or finished may not be modified"
ERRORS: list[tuple[Case, str, int, str, type[PipelineError]]] = [
    (GlueCase, "ConcurrentRunsExceededException", 400, "no", EngineFull),
    (GlueCase, "ResourceNumberLimitExceededException", 400, "no", EngineFull),
    (GlueCase, "ThrottlingException", 400, "no", Throttled),
    (GlueCase, "OperationTimeoutException", 400, "no", TransientFailure),
    (GlueCase, "InternalServiceException", 500, "no", TransientFailure),
    (GlueCase, "InvalidInputException", 400, "no", PipelineError),
    (GlueCase, "EntityNotFoundException", 400, "no", NotConfigured),
    (RedshiftCase, "ActiveStatementsExceededException", 400, "no", EngineFull),
    (RedshiftCase, "ActiveSessionsExceededException", 400, "no", EngineFull),
    (RedshiftCase, "ThrottlingException", 400, "no", Throttled),
    (RedshiftCase, "BatchExecuteStatementException", 500, "no", TransientFailure),
    (RedshiftCase, "InternalServerException", 500, "no", TransientFailure),
    (RedshiftCase, "ValidationException", 400, "no", PipelineError),
    (RedshiftCase, "ResourceNotFoundException", 400, "no", NotConfigured),
    (EmrCase, "ThrottlingException", 400, "Rate exceeded", Throttled),
    (EmrCase, "InternalServerError", 400, "oops", TransientFailure),
    (EmrCase, "ValidationException", 400, "Size of a step exceeded", PipelineError),
    (EmrCase, "ValidationException", 400, FINISHED, NotConfigured),
    (EmrCase, "ValidationException", 400, "job flow ID does not exist.", NotConfigured),
    (EmrServerlessCase, "ServiceQuotaExceededException", 400, "no", EngineFull),
    (EmrServerlessCase, "ApplicationMaxCapacityExceededException", 400, "no", EngineFull),
    (EmrServerlessCase, "ThrottlingException", 400, "no", Throttled),
    (EmrServerlessCase, "TooManyRequestsException", 400, "no", Throttled),
    (EmrServerlessCase, "ConflictException", 400, "no", TransientFailure),
    (EmrServerlessCase, "InternalServerException", 400, "no", TransientFailure),
    (EmrServerlessCase, "ValidationException", 400, "no", PipelineError),
    (EmrServerlessCase, "ResourceNotFoundException", 400, "no", NotConfigured),
    (EmrSsmCase, "ThrottlingException", 400, "no", Throttled),
    (EmrSsmCase, "InternalServerError", 400, "no", TransientFailure),
    (EmrSsmCase, "InvalidParameters", 400, "no", PipelineError),
    (EmrSsmCase, "InvalidInstanceId", 400, "no", NotConfigured),
]


@pytest.fixture(params=CASES, ids=lambda case: str(case.engine))
def case(request: pytest.FixtureRequest) -> EngineCase:
    made: EngineCase = request.param()
    return made


def test_every_engine_that_is_asked_has_its_case() -> None:
    assert {case.engine for case in CASES} == {each for each in Engine if not each.invoked}


def test_an_adapter_is_of_its_engine_and_runs_jobs_where_they_belong(case: EngineCase) -> None:
    assert case.jobs.engine is case.engine
    assert case.jobs.target("clean") == case.target


@pytest.mark.parametrize(
    ("made", "code", "status", "message", "expected"),
    ERRORS,
    ids=[f"{case.engine}-{code}-{number}" for number, (case, code, *_) in enumerate(ERRORS)],
)
def test_an_error_of_a_submission_says_what_to_do(
    made: Case, code: str, status: int, message: str, expected: type[PipelineError]
) -> None:
    case = made()
    error = refusal(case.submitting, code, message)
    if status != 400:
        error = service_error(case.submitting, code, status)
    case.service.break_once(case.submitting, error)

    with pytest.raises(PipelineError, match=case.place) as caught:
        case.jobs.submit(case.request())

    assert type(caught.value) is expected


class TestPlaces:
    def test_jobs_of_one_target_share_a_pool(self, case: EngineCase) -> None:
        assert case.jobs.pool(case.target) == case.pool

    def test_a_cluster_has_one_pool_however_its_steps_are_submitted(self) -> None:
        assert EmrCase().jobs.pool(CLUSTER) == EmrSsmCase().jobs.pool(CLUSTER)

    @pytest.mark.parametrize(
        ("made", "said", "places"),
        [(made, said, places) for made in CASES for said, places in made.capacities],
    )
    def test_the_capacity_is_what_the_service_says(
        self, made: Case, said: Any, places: int
    ) -> None:
        case = made()
        case.resize(said)
        assert case.jobs.capacity(case.target) == places
        asked = [name for name, _ in case.sized_by.requests]
        assert asked == ([] if case.sizing is None else [case.sizing])

    @pytest.mark.parametrize(
        ("code", "expected"),
        [("ThrottlingException", Throttled), ("AccessDeniedException", PipelineError)],
    )
    @pytest.mark.parametrize("made", [case for case in CASES if case.sizing])
    def test_a_service_that_does_not_say_it_is_an_error(
        self, made: Case, code: str, expected: type[PipelineError]
    ) -> None:
        case = made()
        assert case.sizing is not None
        case.sized_by.refuse_once(case.sizing, code)
        with pytest.raises(PipelineError, match=case.target) as caught:
            case.jobs.capacity(case.target)
        assert type(caught.value) is expected

    @pytest.mark.parametrize("made", [case for case in CASES if case.sizing])
    def test_a_target_that_is_not_there_is_not_configured(self, made: Case) -> None:
        with pytest.raises(NotConfigured, match="gone"):
            made().jobs.capacity("gone")

    def test_functions_have_no_places(self) -> None:
        functions = LambdaJobs(())
        assert functions.pool("arn") is None
        with pytest.raises(NotConfigured, match="no places"):
            functions.capacity("arn")


@pytest.mark.parametrize("made", [EmrCase, EmrServerlessCase, EmrSsmCase])
def test_a_spark_job_without_a_script_is_refused_before_anything_is_sent(made: Case) -> None:
    case = made()
    with pytest.raises(NotConfigured, match="needs script"):
        case.jobs.submit(case.request(script=None))
    assert [name for name, _ in case.service.requests if name == case.submitting] == []


class TestRepeats:
    def test_a_repeat_is_the_same_job_where_the_engine_takes_a_token(
        self, case: EngineCase
    ) -> None:
        first = case.jobs.submit(case.request())
        again = case.jobs.submit(case.request())
        assert (first == again) is case.jobs.recognises_repeats

    def test_a_token_differs_by_key_and_job_and_fits(self) -> None:
        case = RedshiftCase()
        tokens = {case.job(number).client_token for number in range(5)}
        tokens.add(replace(case.job(), job_id="another").client_token)
        assert len(tokens) == 6
        shapes = {
            "redshift-data": ("ClientToken", 64),
            "emr-serverless": ("ClientToken", 64),
        }
        for service, (name, characters) in shapes.items():
            assert service_model(service).shape_for(name).metadata["max"] == characters
            assert {len(token) for token in tokens} == {characters}


class TestFinding:
    @pytest.mark.parametrize("made", [GlueCase, EmrCase, EmrServerlessCase, EmrSsmCase])
    def test_a_job_is_found_on_any_page(self, made: Case) -> None:
        case = made(page=3)  # type: ignore[call-arg]
        known = case.submitted(8)
        assert case.jobs.find(case.job(1)) == known[1].service_id
        assert case.jobs.find(case.job(99)) is None

    def test_what_was_never_submitted_is_not_found(self, case: EngineCase) -> None:
        case.submitted(2)
        assert case.jobs.find(case.job(2)) is None


class TestStatus:
    def test_a_state_nobody_knows_counts_as_running(self, case: EngineCase) -> None:
        (known,) = case.submitted()
        case.finish("HIBERNATING")
        assert case.status(known).state is JobState.RUNNING

    def test_a_failed_job_has_its_error_and_a_link(self, case: EngineCase) -> None:
        (known,) = case.submitted()
        case.finish(case.failed, "row 3: not a number")
        status = case.status(known)
        assert isinstance(status, EngineStatus)
        assert status.state is JobState.FAILED
        assert status.error == case.reported.format("row 3: not a number")
        assert status.raw_state == case.failed
        assert status.console_url is not None

    def test_there_is_a_response_for_every_job(self, case: EngineCase) -> None:
        known = case.submitted(3)
        gone = case.job(7, case.unknown)
        responses = case.jobs.status_of_many([*known, gone])
        assert isinstance(responses[gone.job_id], NotFound)
        assert all(isinstance(responses[job.job_id], EngineStatus) for job in known)
        assert isinstance(case.status(gone), NotFound)
        assert case.jobs.status_of_many([]) == {}

    def test_what_cannot_be_asked_now_is_an_error_and_can_be_later(self, case: EngineCase) -> None:
        (known,) = case.submitted()
        case.asked.refuse_once(case.asking, "ThrottlingException")
        assert isinstance(case.status(known), Throttled)
        assert isinstance(case.status(known), EngineStatus)

    def test_many_jobs_cost_few_requests(self, case: EngineCase) -> None:
        count, requests = case.many
        known = case.submitted(50 + count)[50:]  # the list is newest first, and goes no further
        assert len(case.jobs.status_of_many(known)) == count
        assert len(case.asked.requests) == requests

    @pytest.mark.parametrize("made", [GlueCase, EmrServerlessCase, EmrSsmCase])
    def test_jobs_far_back_in_the_list_are_read_one_by_one(self, made: Case) -> None:
        case = made(page=2)  # type: ignore[call-arg]
        known = case.submitted(2 * case.pages_for_status + 4)
        responses = case.jobs.status_of_many(known)
        assert all(isinstance(responses[job.job_id], EngineStatus) for job in known)
        assert len(case.asked.requests) == case.pages_for_status + 4
        pages = [request for _, request in case.asked.requests[: case.pages_for_status]]
        assert len({str(page) for page in pages}) == case.pages_for_status


class TestCancelling:
    @pytest.mark.parametrize(
        ("made", "running", "stopping", "ended"),
        [
            (GlueCase, "RUNNING", "STOPPING", "STOPPED"),
            (EmrCase, "RUNNING", "CANCEL_PENDING", "COMPLETED"),
            (EmrServerlessCase, "RUNNING", "CANCELLING", "CANCELLED"),
        ],
    )
    def test_it_says_whether_there_was_something_to_stop(
        self, made: Case, running: str, stopping: str, ended: str
    ) -> None:
        case = made()
        (known,) = case.submitted()
        case.finish(running)
        assert case.jobs.cancel(known)
        status = case.status(known)
        assert isinstance(status, EngineStatus)
        assert status.raw_state == stopping
        assert case.jobs.cancel(known), "it is stopping already"
        case.finish(ended)
        assert not case.jobs.cancel(known)

    @pytest.mark.parametrize("made", [GlueCase, RedshiftCase, EmrCase, EmrServerlessCase])
    def test_what_the_engine_does_not_know_is_not_found(self, made: Case) -> None:
        case = made()
        with pytest.raises(NotFound):
            case.jobs.cancel(case.job(7, case.unknown))

    @pytest.mark.parametrize("made", [GlueCase, RedshiftCase, EmrServerlessCase])
    def test_of_many_one_that_fails_leaves_the_others(self, made: Case) -> None:
        case = made()
        known = case.submitted(3)
        gone = case.job(7, case.unknown)
        errors = case.jobs.cancel_many([known[0], gone, *known[1:]])
        assert list(errors) == [gone.job_id]
        assert isinstance(errors[gone.job_id], NotFound)
