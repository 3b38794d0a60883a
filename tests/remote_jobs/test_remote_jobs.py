"""The adapters: total state maps, requests as the services know them, errors by what to do."""

from __future__ import annotations

import inspect
from dataclasses import replace

import pytest
from job_fakes import FakeClock, FakeGlue, FakeRedshift, service_error, service_model
from job_world import SERVICES

from contracts.errors import (
    NotConfigured,
    NotFound,
    PipelineError,
    Throttled,
    TransientFailure,
)
from contracts.job import Engine, JobKey, JobState
from remote_jobs.engines import emr_serverless, emr_ssm, emr_steps, glue, logs, redshift, registry
from remote_jobs.engines.base import EngineStatus, JobRequest, RemoteJob
from remote_jobs.engines.registry import EngineSettings, adapter_for
from runtime import clients

KEY = JobKey(run_id="run-1", unit_id="00000-000", stage="clean", attempt=1)
CLOCK = FakeClock()
WAREHOUSE = redshift.Warehouse(cluster="", workgroup="analytics", database="dev", secret_arn="")


def job(number: int = 0, target: str = "stack-clean", service_id: str | None = None) -> RemoteJob:
    key = JobKey(run_id="run-1", unit_id=f"00000-{number:03d}", stage="clean", attempt=1)
    return RemoteJob(f"job-{number:03d}", key, target, CLOCK(), service_id)


def request(number: int = 0, timeout_seconds: int = 900, statements: int = 2) -> JobRequest:
    remote = job(number)
    arguments = {"JOB_ID": remote.job_id, "JOB_KEY": str(remote.key)}
    sql = tuple(f"INSERT INTO t SELECT {n}" for n in range(statements))
    return JobRequest(remote, timeout_seconds, arguments, statements=sql)


@pytest.fixture
def fake_glue() -> FakeGlue:
    return FakeGlue(CLOCK, "stack-clean", "stack-other")


@pytest.fixture
def glue_jobs(fake_glue: FakeGlue) -> glue.GlueJobs:
    return glue.GlueJobs(fake_glue, "stack-")


@pytest.fixture
def fake_redshift() -> FakeRedshift:
    return FakeRedshift(CLOCK)


@pytest.fixture
def redshift_jobs(fake_redshift: FakeRedshift) -> redshift.RedshiftJobs:
    return redshift.RedshiftJobs(fake_redshift, WAREHOUSE)


@pytest.mark.parametrize(
    ("states", "service", "shape", "no_states"),
    [
        (glue.STATES, "glue", "JobRunState", set()),
        (emr_steps.STATES, "emr", "StepState", set()),
        (emr_ssm.STATES, "ssm", "CommandInvocationStatus", set()),
        (emr_serverless.STATES, "emr-serverless", "JobRunState", set()),
        (redshift.STATES, "redshift-data", "StatementStatusString", set()),
        (redshift.STATES, "redshift-data", "StatusString", {"ALL"}),  # ALL is only for listing
    ],
)
def test_every_state_of_an_engine_is_mapped(states, service, shape, no_states) -> None:
    assert set(states) == set(service_model(service).shape_for(shape).enum) - no_states


def test_only_the_states_that_say_so_are_success() -> None:
    def successes(states):
        return [raw for raw, state in states.items() if state is JobState.SUCCEEDED]

    assert successes(glue.STATES) == ["SUCCEEDED"]
    assert successes(emr_steps.STATES) == ["COMPLETED"]
    assert successes(emr_ssm.STATES) == [], "a command only submits"
    assert successes(emr_serverless.STATES) == ["SUCCESS"]
    assert successes(redshift.STATES) == ["FINISHED"]


def test_every_engine_has_an_adapter_and_a_reader_of_logs() -> None:
    assert set(registry.ADAPTERS) == set(logs.READERS) == set(Engine)


class TestGlue:
    def test_submits_with_the_key_and_the_timeout_in_whole_minutes(self, glue_jobs, fake_glue):
        glue_jobs.submit(request(timeout_seconds=61))
        assert fake_glue.runs[0]["Timeout"] == 2
        assert fake_glue.runs[0]["Arguments"]["--JOB_KEY"] == str(KEY)

    def test_a_missing_glue_job_is_named_with_its_stage(self, glue_jobs):
        missing = replace(request(), job=job(target="stack-nowhere"))
        with pytest.raises(NotConfigured, match="stack-nowhere is not deployed.*stage clean"):
            glue_jobs.submit(missing)

    def test_a_run_older_than_the_intent_is_another_runs(self, glue_jobs):
        glue_jobs.submit(request())
        later = FakeClock(CLOCK())
        later.advance(3600)
        assert glue_jobs.find(replace(job(), asked_at=later())) is None

    def test_nothing_is_found_at_a_glue_job_that_is_not_there(self, glue_jobs):
        assert glue_jobs.find(job(target="stack-nowhere")) is None

    def test_one_glue_job_that_cannot_be_asked_leaves_the_others(self, glue_jobs, fake_glue):
        first = replace(job(0), service_id=glue_jobs.submit(request(0)))
        other = replace(request(1), job=job(1, target="stack-other"))
        second = replace(other.job, service_id=glue_jobs.submit(other))
        fake_glue.refuse_once("GetJobRuns", "ThrottlingException")
        responses = glue_jobs.status_of_many([first, second])
        assert isinstance(responses["job-000"], Throttled)
        assert isinstance(responses["job-001"], EngineStatus)

    def test_a_run_that_glue_does_not_know_is_completed_with_not_found(self, glue_jobs):
        gone = job(service_id="jr_gone")
        nowhere = job(1, target="stack-nowhere", service_id="jr_gone")
        responses = glue_jobs.status_of_many([gone, nowhere])
        assert all(isinstance(response, NotFound) for response in responses.values())

    def test_a_failed_run_has_its_error_and_its_log(self, glue_jobs, fake_glue):
        known = replace(job(), service_id=glue_jobs.submit(request()))
        fake_glue.finish("FAILED", "row 3: not a number")
        response = glue_jobs.status_of_many([known])[known.job_id]
        assert response.error == "row 3: not a number"
        assert response.log_url.endswith(
            "/log-group/$252Faws-glue$252Fpython-jobs$252Foutput/log-events/jr_0000"
        )


class TestRedshift:
    def test_a_load_is_one_named_batch_with_our_token(self, redshift_jobs, fake_redshift):
        first = redshift_jobs.submit(request())
        assert redshift_jobs.submit(request()) == first, "the token makes a repeat the same"
        _, sent = fake_redshift.requests[0]
        assert sent["StatementName"] == "job-000"
        assert sent["WithEvent"] is True
        assert sent["WorkgroupName"] == "analytics"
        assert "ClusterIdentifier" not in sent
        assert "SecretArn" not in sent

    @pytest.mark.parametrize("statements", [0, 40])
    def test_a_load_has_one_to_forty_statements_with_its_timeout(
        self, redshift_jobs, fake_redshift, statements
    ):
        with pytest.raises(PipelineError, match="1 to 39 statements"):
            redshift_jobs.submit(request(statements=statements))
        assert fake_redshift.requests == []

    def test_it_is_found_by_its_whole_name(self, redshift_jobs):
        ids = [redshift_jobs.submit(request(number)) for number in range(3)]
        assert redshift_jobs.find(job(2)) == ids[2]
        assert redshift_jobs.find(replace(job(), job_id="job-00")) is None

    def test_status_holds_a_response_for_every_job(self, redshift_jobs, fake_redshift):
        jobs = [replace(job(n), service_id=redshift_jobs.submit(request(n))) for n in range(3)]
        fake_redshift.finish("FAILED", "relation does not exist")
        gone = job(7, service_id="0" * 8 + "-0000-0000-0000-" + "0" * 12)
        fake_redshift.refuse_once("DescribeStatement", "ThrottlingException")
        responses = redshift_jobs.status_of_many([*jobs, gone])
        assert [type(responses[j.job_id]) for j in [*jobs, gone]] == [
            Throttled,
            EngineStatus,
            EngineStatus,
            NotFound,
        ]
        assert responses["job-002"].error == "relation does not exist"
        assert redshift_jobs.status_of_many([]) == {}

    def test_cancelling_reports_whether_there_was_something_to_stop(
        self, redshift_jobs, fake_redshift
    ):
        known = replace(job(), service_id=redshift_jobs.submit(request()))
        assert redshift_jobs.cancel(known)
        assert not redshift_jobs.cancel(known)
        fake_redshift.statements[0]["Status"] = "STARTED"
        fake_redshift.break_once(
            "CancelStatement", service_error("CancelStatement", "QueryTimeoutException", 500)
        )
        with pytest.raises(TransientFailure):
            redshift_jobs.cancel(known)


class TestRegistry:
    def test_an_engine_without_its_settings_is_refused_by_name(self):
        for engine in SERVICES:
            with pytest.raises(NotConfigured, match=f"engine {engine}"):
                adapter_for(engine, EngineSettings())

    def test_a_warehouse_is_a_cluster_or_a_workgroup_not_both(self):
        both = EngineSettings(redshift_cluster="a", redshift_workgroup="b")
        with pytest.raises(NotConfigured, match="exactly one"):
            adapter_for(Engine.REDSHIFT, both)

    def test_configured_engines_are_there(self, cloud):  # noqa: ARG002 - forgets the clients
        settings = EngineSettings(
            glue_job_prefix="stack-",
            redshift_workgroup="analytics",
            emr_cluster_id="j-CLUSTER",
            ssm_instance_id="i-0123456789abcdef0",
            emr_serverless_application_id="00app",
            emr_serverless_role_arn="arn:aws:iam::123456789012:role/spark-jobs",
        )
        for engine in Engine:
            assert adapter_for(engine, settings).engine is engine

    @pytest.mark.parametrize(
        ("engine", "settings", "missing"),
        [
            (Engine.EMR, {"ssm_instance_id": "i-1"}, "with EmrClusterId$"),
            (Engine.EMR_SSM, {"emr_cluster_id": "j-1"}, "with SsmInstanceId$"),
            (Engine.EMR_SSM, {}, "with EmrClusterId and SsmInstanceId$"),
            (
                Engine.EMR_SERVERLESS,
                {"emr_serverless_application_id": "00a"},
                "with EmrServerlessRoleArn$",
            ),
        ],
    )
    def test_the_parameter_to_deploy_with_is_named(self, engine, settings, missing):
        with pytest.raises(NotConfigured, match=missing):
            adapter_for(engine, EngineSettings(**settings))

    def test_a_submission_without_a_token_is_not_sent_again(self, cloud):  # noqa: ARG002
        def attempts(service):
            return clients.client(service).meta.config.retries["total_max_attempts"]

        assert [attempts(service) for service in ("glue", "emr", "ssm")] == [1, 1, 1]
        assert attempts("emr-serverless") > 1
        assert attempts("redshift-data") > 1


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-central-1", "https://eu-central-1.console.aws.amazon.com"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(region: str, console: str) -> None:
    assert clients.console(region) == console
    for module in (emr_serverless, emr_ssm, emr_steps, glue, logs, redshift):
        assert "console.a" not in inspect.getsource(module), "its links ask aws.console"
