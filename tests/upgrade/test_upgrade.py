"""Today's tree takes over a stack of the commit before, with runs and jobs under way.

Executions stay on the version that they began with, so old orchestrator code calls today's steps.
`commit-before` names the tree that is taken over; move it when a release is made.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from running_cloud import ROOT, RunningCloud, wait_until
from typer.testing import CliRunner

from cli.client.deployment import CLOUD_FILE
from cli.main import app
from local.local_cloud.cloud import LocalCloud
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs import services
from local.local_cloud.jobs.glue import GlueService

pytestmark = [pytest.mark.cloud, pytest.mark.slow, pytest.mark.timeout(600)]

# One waits for jobs of its own as a long run, with a unit that has not begun; one as a short run,
# which holds its message; one for a place, as those two have all; one begins after the upgrade.
LONG, SHORT, QUEUED, NEW = "upgrade-long", "upgrade-short", "upgrade-queued", "upgrade-new"
DAYS = {LONG: (1, 3), SHORT: (3, 4), QUEUED: (3, 4), NEW: (1, 2)}
PLACES = 3


class ThreePlaces(GlueService):
    """A Glue whose jobs have three places.

    Attributes:
        refused: the JOB_KEY of submissions that found none.
        started: those of jobs that it runs.
    """

    made: list[ThreePlaces] = []  # noqa: RUF012 - the cloud makes it

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.refused: list[str] = []
        self.started: list[str] = []
        self.made.append(self)

    def define_job(self, name: str, properties: Mapping[str, Any]) -> list[str]:
        places = {"ExecutionProperty": {"MaxConcurrentRuns": PLACES}}
        return super().define_job(name, {**properties, **places})

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            response = super().call(operation, request)
        except ServiceError as error:
            if error.code == "ConcurrentRunsExceededException":
                self.refused.append(request["Arguments"]["--JOB_KEY"])
            raise
        if operation == "StartJobRun":
            self.started.append(request["Arguments"]["--JOB_KEY"])
        return response


@dataclass
class Upgraded:
    """What came of it.

    Attributes:
        runs: the RUN items at their end, by id.
        waiting: the states of the jobs of the first two runs when the upgrade began.
        refused: how often the third one had found no place by then.
    """

    cloud: RunningCloud
    glue: ThreePlaces
    runs: dict[str, Any]
    waiting: dict[str, list[str]]
    refused: int


@pytest.fixture(scope="module")
def glue() -> Iterator[list[ThreePlaces]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "GlueService", ThreePlaces)
        yield ThreePlaces.made


@pytest.fixture(scope="module")
def upgraded(
    glue: list[ThreePlaces], tree_before: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    directory = tmp_path_factory.mktemp("upgrade")
    gate = directory / "gate"
    template = tree_before / "template.yaml"
    with LocalCloud(template, directory / "state", port=0, redelivery_seconds=2) as local_cloud:
        cloud = RunningCloud(local_cloud)
        upload_code(cloud, tree_before)
        with cloud.job_waiting_for(gate):
            for run_id in (LONG, SHORT):
                cloud.send(request(run_id))
            waiting = {LONG: jobs_under_way(cloud, LONG, 2), SHORT: jobs_under_way(cloud, SHORT, 1)}
            cloud.send(request(QUEUED))
            wait_until(lambda: {} if glue[-1].refused else None, "a job that finds no place")
            refused = len(glue[-1].refused)
            local_cloud.update(ROOT / "template.yaml")
            cloud.outputs = local_cloud.outputs
        upload_code(cloud, ROOT)
        gate.touch()
        ends = ("SUCCEEDED", "FAILED")
        runs = {name: cloud.await_run(name, *ends, patience=200) for name in (LONG, SHORT, QUEUED)}
        cloud.send(request(NEW))
        runs[NEW] = cloud.await_run(NEW, *ends)
        for run in runs.values():
            cloud.await_end(run["holder"]["S"])
        yield Upgraded(cloud, glue[-1], runs, waiting, refused)


def request(run_id: str) -> dict[str, Any]:
    first, last = DAYS[run_id]
    return {
        "datasetName": "orders",
        "runId": run_id,
        "startDateTime": f"2026-11-0{first}",
        "endDateTime": f"2026-11-0{last}",
        "maxConcurrency": 2,
        **({"detached": True} if run_id == LONG else {}),
    }


def upload_code(cloud: RunningCloud, tree: Path) -> None:
    """As `pipeline upload` does: contracts, scripts and SQL."""
    for pattern in ("datasets/*.yaml", "jobs/*.py", "sql/*.sql"):
        for path in tree.glob(pattern):
            cloud.cloud.client("s3").put_object(
                Bucket=cloud.outputs["CodeBucketName"],
                Key=path.relative_to(tree).as_posix(),
                Body=path.read_bytes(),
            )


def jobs_under_way(cloud: RunningCloud, run_id: str, count: int) -> list[str]:
    """The states of a run's jobs, once there are so many at their service."""

    def found() -> dict[str, Any] | None:
        jobs = [job for job in cloud.ledger(run_id, "JOB#") if "service_id" in job]
        return {"jobs": jobs} if len(jobs) >= count else None

    jobs = wait_until(found, f"{count} jobs of {run_id}")["jobs"]
    return [job["state"]["S"] for job in jobs]


def pipeline(upgraded: Upgraded, directory: Path, *words: str) -> str:
    """What today's command line prints about the stack."""
    local = upgraded.cloud.cloud
    where = directory / CLOUD_FILE
    where.parent.mkdir(exist_ok=True)
    document = {
        "endpointUrl": local.endpoint_url,
        "outputs": dict(local.outputs),
        "parameters": dict(local.parameters),
        "stackName": "durable-pipeline",
    }
    where.write_text(json.dumps(document))
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_runs_under_way_succeed_at_their_first_attempt(upgraded: Upgraded) -> None:
    assert set(upgraded.waiting[LONG]) | set(upgraded.waiting[SHORT]) <= {"SUBMITTED", "RUNNING"}
    assert {name: run["status"]["S"] for name, run in upgraded.runs.items()} == dict.fromkeys(
        DAYS, "SUCCEEDED"
    )
    assert {run["run_attempt"]["N"] for run in upgraded.runs.values()} == {"1"}
    for run_id in (LONG, SHORT, QUEUED):
        units = upgraded.cloud.ledger(run_id, "UNIT#")
        assert len(units) == (3 if run_id == LONG else 1)
        assert {unit["status"]["S"] for unit in units} == {"STORED"}
    assert upgraded.cloud.queue_is_empty()


def test_a_job_that_waited_for_a_place_is_submitted_once(upgraded: Upgraded) -> None:
    (job,) = upgraded.cloud.ledger(QUEUED, "JOB#00000-000#clean")
    assert (job["state"]["S"], job["attempt"]["N"]) == ("SUCCEEDED", "1")
    key = f"{QUEUED}/00000-000/clean/1"
    assert upgraded.refused >= 1
    assert set(upgraded.glue.refused) == {key}
    assert upgraded.glue.started.count(key) == 1


def test_executions_keep_their_version_and_new_ones_take_the_new_one(upgraded: Upgraded) -> None:
    versions = {
        name: run["holder"]["S"].partition("/durable-execution/")[0].rpartition(":")[2]
        for name, run in upgraded.runs.items()
    }
    assert versions == {LONG: "1", SHORT: "1", QUEUED: "1", NEW: "2"}


def test_steps_are_todays_and_old_executions_call_them(upgraded: Upgraded) -> None:
    client = upgraded.cloud.cloud.client("lambda")
    locations = {
        qualifier: client.get_function(FunctionName=name, **given)["Code"]["Location"]
        for qualifier, name, given in (
            ("step", "durable-pipeline-ValidateFunction", {}),
            (
                "1",
                upgraded.cloud.outputs["LongRunFunctionArn"].rpartition(":")[0],
                {"Qualifier": "1"},
            ),
        )
    }
    assert locations["step"] == (ROOT / "src").as_uri()
    assert locations["1"] != locations["step"]


def test_every_row_is_stored_once(upgraded: Upgraded) -> None:
    cloud = upgraded.cloud
    stored = {name: int(run["rows"]["M"]["stored"]["N"]) for name, run in upgraded.runs.items()}
    assert stored[LONG] + stored[SHORT] == cloud.sample.valid
    assert stored[NEW] > 0
    # The same orders again, by the run after the upgrade, take the place of those of the long run,
    # and those of the queued one that of the short run, which was claimed before it.
    table = {name: len(cloud.stored(name)) for name in DAYS}
    left = {LONG: stored[LONG] - stored[NEW], SHORT: 0}
    assert table == {**left, QUEUED: stored[SHORT], NEW: stored[NEW]}
    in_warehouse = "SELECT order_id FROM public.orders"
    rows = Counter(row[0] for row in cloud.query(in_warehouse))
    assert set(rows.values()) == {1}
    assert len(rows) == cloud.sample.valid


@pytest.mark.parametrize("run_id", [LONG, NEW])
def test_todays_command_line_reads_ledger_and_results(
    upgraded: Upgraded, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    stored = upgraded.runs[run_id]["rows"]["M"]["stored"]["N"]

    outcome = pipeline(upgraded, tmp_path, "results", run_id)
    assert "SUCCEEDED" in outcome
    assert stored in outcome
    assert "SUCCEEDED" in pipeline(upgraded, tmp_path, "jobs", run_id)
    assert "validate" in pipeline(upgraded, tmp_path, "history", run_id)
    pipeline(upgraded, tmp_path, "ledger", "index")  # of the release before: not in the list yet
    assert run_id in pipeline(upgraded, tmp_path, "ls")
