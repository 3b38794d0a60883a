"""The last lines of a job's log: from where its engine keeps it, or none; never an error."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest
from emr_fakes import CLUSTER
from job_world import World
from memory_ledger import MemoryLedger

from contracts import layout
from contracts.job import Engine, JobKey, JobState
from remote_jobs.engines.base import EngineStatus, RemoteJob
from remote_jobs.engines.emr_steps import QUOTA
from remote_jobs.engines.logs import log_uri_of, tail_of, with_log_tail
from remote_jobs.watcher import LOG_PATIENCE

NOW = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
KEY = JobKey(run_id="run-1", unit_id="00000-000", stage="clean", attempt=1)
FAILED = EngineStatus(JobState.FAILED, "FAILED", "exit code 1")
LOG_BUCKET = "data-bucket"


def job(service_id: str | None, target: str = "target") -> RemoteJob:
    return RemoteJob("job-1", KEY, target, NOW, service_id)


def tail(engine: Engine, of: RemoteJob) -> str | None:
    return with_log_tail(engine, of, FAILED).log_tail


@pytest.fixture(autouse=True)
def _no_cluster_is_known():
    log_uri_of.cache_clear()


@pytest.fixture
def log(cloud):
    """Writes lines into a stream of CloudWatch Logs."""

    def write(group: str, stream: str, *lines: str) -> None:
        logs = cloud.client("logs")
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        at = int(NOW.timestamp() * 1000)
        events = [{"timestamp": at, "message": line} for line in lines]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    return write


class Service:
    """A client that returns the given response for each operation."""

    def __init__(self, **responses: Any) -> None:
        self._responses = responses

    def __getattr__(self, operation: str) -> Any:
        return lambda **_: self._responses[operation]


class TestTail:
    def test_the_end_is_stored(self):
        text = tail_of([f"line {number}" for number in range(10_000)])
        assert text.endswith("line 9999")
        assert text.startswith("line 9950")

    def test_it_is_no_longer_than_a_record_can_carry(self):
        assert tail_of(["x" * 5000]) == "x" * 2000

    def test_an_empty_log_is_none(self):
        assert tail_of(["", "  "]) is None


@pytest.mark.usefixtures("cloud")
class TestGlue:
    def test_errors_come_before_what_it_printed(self, log):
        log("/aws-glue/python-jobs/output", "jr_1", "reading")
        log("/aws-glue/python-jobs/error", "jr_1", "Traceback", "ValueError: no such column")
        assert tail(Engine.GLUE, job("jr_1")) == "Traceback\nValueError: no such column"

    def test_a_spark_job_has_groups_of_its_own(self, log):
        log("/aws-glue/jobs/error", "jr_1", "AnalysisException")
        assert tail(Engine.GLUE, job("jr_1")) == "AnalysisException"

    def test_a_job_that_wrote_no_error_has_what_it_printed(self, log):
        log("/aws-glue/python-jobs/output", "jr_1", "reading")
        assert tail(Engine.GLUE, job("jr_1")) == "reading"

    def test_without_a_log_there_is_none(self):
        assert tail(Engine.GLUE, job("jr_1")) is None


@pytest.mark.usefixtures("cloud")
class TestEmr:
    @pytest.mark.parametrize("scheme", ["s3", "s3n"])
    def test_a_steps_log_lies_where_the_cluster_puts_it(self, cloud, clients, scheme):
        uri = f"{scheme}://{LOG_BUCKET}/logs/"
        clients.use("emr", Service(describe_cluster={"Cluster": {"LogUri": uri}}))
        cloud.put("logs/j-1/steps/s-1/stderr.gz", gzip.compress(b"Exception in thread main\n"))
        assert tail(Engine.EMR, job("s-1", "j-1")) == "Exception in thread main"

    def test_a_cluster_without_logs_has_none(self, clients):
        clients.use("emr", Service(describe_cluster={"Cluster": {}}))
        assert tail(Engine.EMR, job("s-1", "j-1")) is None

    def test_a_log_that_is_not_copied_yet_is_none_but_pending(self, clients):
        uri = f"s3://{LOG_BUCKET}/logs"
        clients.use("emr", Service(describe_cluster={"Cluster": {"LogUri": uri}}))
        status = with_log_tail(Engine.EMR, job("s-1", "j-1"), FAILED)
        assert (status.log_tail, status.log_pending) == (None, True)
        assert status.log_url.endswith(
            "/s3/object/data-bucket?prefix=logs%2Fj-1%2Fsteps%2Fs-1%2Fstderr.gz"
        )


@pytest.mark.usefixtures("cloud")
class TestEmrBySsm:
    @pytest.fixture
    def _command(self, clients):
        listed = {"CommandInvocations": [{"InstanceId": "i-1"}]}
        said = {"StandardErrorContent": "aws: command not found\n"}
        clients.use("ssm", Service(list_command_invocations=listed, get_command_invocation=said))

    @pytest.mark.usefixtures("_command")
    def test_a_command_that_submitted_nothing_reports_why(self):
        assert tail(Engine.EMR_SSM, job("command-1")) == "aws: command not found"

    @pytest.mark.usefixtures("_command")
    def test_with_a_step_it_is_the_steps_log(self, cloud, clients):
        uri = f"s3://{LOG_BUCKET}/logs"
        clients.use("emr", Service(describe_cluster={"Cluster": {"LogUri": uri}}))
        cloud.put("logs/j-1/steps/s-1/stderr.gz", gzip.compress(b"out of memory"))
        assert tail(Engine.EMR_SSM, job("command-1/s-1", "j-1")) == "out of memory"


@pytest.mark.usefixtures("cloud")
class TestEmrServerless:
    def use(self, clients: Any, **monitoring: Any) -> None:
        overrides = {"monitoringConfiguration": monitoring}
        response = {"jobRun": {"configurationOverrides": overrides}}
        clients.use("emr-serverless", Service(get_job_run=response))

    def test_in_cloudwatch(self, clients, log):
        self.use(clients, cloudWatchLoggingConfiguration={"enabled": True})
        log("/aws/emr-serverless", "applications/app/jobs/r1/SPARK_DRIVER/stderr", "no memory")
        assert tail(Engine.EMR_SERVERLESS, job("r1", "app")) == "no memory"

    def test_in_s3(self, cloud, clients):
        self.use(clients, s3MonitoringConfiguration={"logUri": f"s3://{LOG_BUCKET}/spark/"})
        key = "spark/applications/app/jobs/r1/SPARK_DRIVER/stderr.gz"
        cloud.put(key, gzip.compress(b"no memory"))
        assert tail(Engine.EMR_SERVERLESS, job("r1", "app")) == "no memory"

    def test_only_in_the_services_own_storage_there_is_none(self, clients):
        self.use(clients)
        assert tail(Engine.EMR_SERVERLESS, job("r1", "app")) is None


def test_of_a_load_it_is_the_statement_that_failed(clients):
    parts = [
        {"QueryString": "DELETE FROM sales"},
        {"QueryString": "COPY sales\nFROM 's3://x'", "Error": "no such table"},
    ]
    clients.use("redshift-data", Service(describe_statement={"SubStatements": parts}))
    assert tail(Engine.REDSHIFT, job("1")) == "COPY sales\nFROM 's3://x'\nno such table"


class TestNeverAnError:
    def test_a_log_that_cannot_be_read_is_absent(self, clients):
        clients.use("logs", Service())  # no operation has a response
        assert tail(Engine.GLUE, job("jr_1")) is None

    def test_a_job_that_never_reached_its_engine_has_none(self):
        assert tail(Engine.GLUE, job(None)) is None

    def test_a_job_that_succeeded_is_not_asked_for_it(self, clients):
        clients.use("logs", None)
        succeeded = EngineStatus(JobState.SUCCEEDED, "SUCCEEDED")
        assert with_log_tail(Engine.GLUE, job("jr_1"), succeeded) == succeeded


class FakeClusters:
    """EMR as the readers of logs use it; counts the requests."""

    def __init__(self, emr: Any, log_uri: str | None) -> None:
        self._emr, self._uri = emr, log_uri
        self.described = 0

    def describe_cluster(self, ClusterId: str) -> Any:
        self.described += 1
        return {"Cluster": {"Id": ClusterId, **({"LogUri": self._uri} if self._uri else {})}}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._emr, name)


class TestALogThatComesLater:
    """EMR copies the logs of a step to S3 every few minutes."""

    @pytest.fixture
    def world(self, cloud, clients) -> World:
        cloud.ledger = MemoryLedger()  # a table of moto's is slow with many jobs
        return World(cloud, clients)

    @pytest.fixture
    def clusters(self, world, clients) -> FakeClusters:
        clusters = FakeClusters(world.emr, f"s3://{LOG_BUCKET}/logs/")
        clients.use("emr", clusters)
        return clusters

    def fail(self, world: World, number: int = 1) -> None:
        for position in range(number):
            unit, callback = layout.unit_id(0, position), f"callback{position}"
            message = world.message(
                engine=Engine.EMR, unit=unit, callback=callback, timeout_seconds=86_400
            )
            world.submit(message)
            world.refill_submissions(Engine.EMR)
            world.emr.finish("FAILED", "exit code 1")

    def copied(self, cloud: Any, step: str = "s-00000") -> None:
        log = gzip.compress(b"ValueError: row 7")
        cloud.put(f"logs/{CLUSTER}/steps/{step}/stderr.gz", log)

    @pytest.mark.usefixtures("clusters")
    def test_the_response_waits_for_it(self, world, cloud):
        self.fail(world)
        world.watch()
        assert world.responses("callback0") == []
        assert world.durable.callbacks["callback0"].heartbeats == 1
        assert world.record(world.message(engine=Engine.EMR)).state is JobState.FAILED
        world.clock.advance(120)
        self.copied(cloud)
        world.watch()
        (response,) = world.responses("callback0")
        assert (response.state, response.log_tail) == (JobState.FAILED, "ValueError: row 7")
        assert response.log_url is not None
        assert world.item(world.message(engine=Engine.EMR))["log_tail"] == "ValueError: row 7"

    @pytest.mark.usefixtures("clusters")
    def test_but_not_for_long(self, world):
        self.fail(world)
        world.watch()
        world.clock.advance(LOG_PATIENCE.total_seconds())
        world.watch()
        (response,) = world.responses("callback0")
        assert (response.error, response.log_tail) == ("Error.: exit code 1", None)

    @pytest.mark.usefixtures("clusters")
    @pytest.mark.parametrize("ended_by", ["check", "cancel"])
    def test_the_record_gets_it_though_the_end_was_reported_before(self, world, cloud, ended_by):
        """The orchestrator of a dead watcher does not wait for the log; the record has it later."""
        message = world.message(engine=Engine.EMR)
        world.submit(message)
        if ended_by == "check":
            world.emr.finish("FAILED", "exit code 1")
            status = world.check(message.key)
        else:
            world.clock.advance(901)
            status = world.cancel(message.key, "too late")
        assert status.state.ended
        assert status.log_tail is None
        world.watch()
        assert world.record(message).active
        self.copied(cloud)
        world.watch()
        assert world.item(message)["log_tail"] == "ValueError: row 7"
        assert not world.record(message).active

    def test_a_cluster_without_logs_is_not_waited_for(self, world, clients):
        clients.use("emr", FakeClusters(world.emr, None))
        self.fail(world)
        world.watch()
        assert len(world.responses("callback0")) == 1

    @pytest.mark.slow
    def test_many_failures_at_once_stay_within_the_quota_of_emr(self, world, cloud, clusters):
        # So many that even the lists of their steps are more requests than may be sent at once.
        failures = (QUOTA.burst + 2) * QUOTA.jobs_per_request
        self.fail(world, failures)
        world.emr.requests.clear()
        sent = []
        for minute in range(10):
            before = len(world.emr.requests) + clusters.described
            world.watch()
            sent.append(len(world.emr.requests) + clusters.described - before)
            if minute == 5:
                for step in range(failures):
                    self.copied(cloud, f"s-{step:05d}")
            world.clock.advance(30)
        assert clusters.described == 1
        assert max(sent) <= QUOTA.burst + 1
        for position in range(failures):
            (response,) = world.responses(f"callback{position}")
            assert response.log_tail == "ValueError: row 7"


class TestInTheRecord:
    @pytest.fixture
    def world(self, cloud, clients, log) -> World:
        log("/aws-glue/python-jobs/error", "jr_0000", "ValueError: row 7")
        return World(cloud, clients)

    def test_the_watcher_keeps_and_reports_it(self, world):
        world.submit()
        world.glue.finish("FAILED", "exit code 1")
        world.watch()
        (response,) = world.responses()
        assert (response.error, response.log_tail) == ("exit code 1", "ValueError: row 7")
        assert "log-events/jr_0000" in response.log_url
        assert world.item()["log_tail"] == "ValueError: row 7"

    def test_check_job_returns_with_it(self, world):
        world.submit()
        world.glue.finish("FAILED")
        assert world.check(world.message().key).log_tail == "ValueError: row 7"

    def test_cancel_job_returns_with_it(self, world):
        world.submit()
        world.clock.advance(901)
        status = world.cancel(world.message().key)
        assert (status.state, status.log_tail) == (JobState.TIMED_OUT, "ValueError: row 7")
