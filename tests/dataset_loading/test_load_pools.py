"""What load-dataset says of the pools that a run's jobs take places of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from control_fakes import DATASET, NOW, request

from contracts.errors import InvalidDataset
from contracts.job import Engine, JobKey, Priority
from contracts.ledger_items import PoolItem, PoolsFileItem
from contracts.messages import LoadedDataset
from dataset_loading.deployment import Settings
from dataset_loading.load import load_dataset
from remote_jobs.pools import turns
from remote_jobs.pools.store import Pools

SETTINGS = Settings(
    "data-bucket",
    "code-bucket",
    "stack-",
    "ledger",
    warehouse="true",
    emr_cluster_id="j-1",
    ssm_instance_id="i-1",
    emr_serverless_application_id="00a",
    emr_serverless_role_arn="arn",
)
TARGETS = "targets:\n"
JOBS = """\
jobs:
  - {stage: clean, glueJob: clean-csv, pool: database}
  - {stage: again, glueJob: clean-csv, pool: data-base}
"""
SPARK = "jobs:\n  - {stage: clean, engine: ENGINE, script: jobs/a.py}\n"


@pytest.fixture
def deployed(cloud: Any) -> Any:
    cloud.put("jobs/a.py", "", cloud.code_bucket)
    cloud.client("glue").create_job(
        Name="stack-clean-csv",
        Role="role",
        Command={"Name": "pythonshell", "ScriptLocation": "s3://code-bucket/jobs/a.py"},
    )
    return cloud


def put(cloud: Any, jobs: str) -> None:
    cloud.put("datasets/orders.yaml", DATASET.replace(TARGETS, jobs + TARGETS), cloud.code_bucket)


def put_pools(cloud: Any, text: str) -> None:
    cloud.put("pools.yaml", text, cloud.code_bucket)


def load(run_id: str = "run-1") -> LoadedDataset:
    return load_dataset(request(runId=run_id), SETTINGS, NOW)


def fill(cloud: Any, pool: str, jobs: int, limit: int = 2) -> None:
    """So many jobs of another run enter a pool of so many places."""

    def enter(item: PoolItem) -> PoolItem:
        item = replace(item, limit=limit)
        for number in range(jobs):
            key = JobKey(run_id="other", unit_id=f"00000-{number:03d}", stage="s", attempt=1)
            item, _ = turns.entered(item, f"job-{number}", key, Priority.NORMAL, 0)
        return item

    Pools(cloud.ledger).update(pool, enter)


class TestNamedPools:
    def test_one_without_a_limit_is_refused_with_those_there_are(self, deployed: Any) -> None:
        put(deployed, JOBS)
        put_pools(deployed, "pools: {database: {limit: 4}, redshift: {limit: 2}}")

        with pytest.raises(InvalidDataset) as caught:
            load()

        (problem,) = caught.value.problems
        assert (problem.path, problem.value) == ("jobs[1].pool", "data-base")
        assert "(it has database); did you mean database?" in problem.message

    def test_without_a_file_every_one_is_refused(self, deployed: Any) -> None:
        put(deployed, JOBS)
        with pytest.raises(InvalidDataset) as caught:
            load()
        assert [each.path for each in caught.value.problems] == ["jobs[0].pool", "jobs[1].pool"]
        assert "it has none" in caught.value.problems[0].message

    def test_those_with_limits_are_handed_on(self, deployed: Any) -> None:
        put(deployed, JOBS)
        put_pools(deployed, "pools: {database: {limit: 4}, data-base: {limit: 1}}")
        assert [job.pool for job in load().jobs] == ["database", "data-base"]

    def test_the_last_good_file_counts_while_it_is_broken(self, deployed: Any) -> None:
        put(deployed, JOBS)
        put_pools(deployed, "pools: [")
        last = PoolsFileItem(revision="a", limits={"database": 4, "data-base": 1})
        deployed.ledger.put_if_absent(last.to_item())
        assert [job.pool for job in load().jobs] == ["database", "data-base"]

    def test_the_ledger_is_left_to_the_watcher(self, deployed: Any, clients: Any) -> None:
        put(deployed, JOBS)
        put_pools(deployed, "pools: {database: {limit: 4}, data-base: {limit: 1}}")
        written = clients.watch("dynamodb", "update_item")
        load()
        assert written == []

    def test_a_run_that_has_its_contract_keeps_its_pools(self, deployed: Any) -> None:
        put(deployed, JOBS)
        put_pools(deployed, "pools: {database: {limit: 4}, data-base: {limit: 1}}")
        first = load()
        put_pools(deployed, "pools: {}")
        assert load() == first


class TestFullPools:
    @pytest.mark.parametrize(("jobs", "full"), [(0, False), (1, False), (2, True), (3, True)])
    def test_a_pool_is_full_without_a_free_place(
        self, deployed: Any, jobs: int, full: bool
    ) -> None:
        put(deployed, "jobs:\n  - {stage: clean, glueJob: clean-csv}\n")
        fill(deployed, "glue/stack-clean-csv", jobs)
        assert load().pools_full is full

    def test_a_pool_where_jobs_wait_is_full_whatever_is_free(self, deployed: Any) -> None:
        put(deployed, "jobs:\n  - {stage: clean, glueJob: clean-csv}\n")
        fill(deployed, "glue/stack-clean-csv", 3)
        Pools(deployed.ledger).update("glue/stack-clean-csv", lambda pool: replace(pool, limit=9))
        assert load().pools_full

    def test_a_pool_that_was_never_used_is_not(self, deployed: Any) -> None:
        put(deployed, "jobs:\n  - {stage: clean, glueJob: clean-csv}\n")
        assert not load().pools_full

    def test_each_call_looks_anew(self, deployed: Any) -> None:
        put(deployed, "jobs:\n  - {stage: clean, glueJob: clean-csv}\n")
        assert not load().pools_full
        fill(deployed, "glue/stack-clean-csv", 3)
        assert load().pools_full

    @pytest.mark.parametrize(
        ("engine", "pool"),
        [
            (Engine.EMR, "emr/j-1"),
            (Engine.EMR_SSM, "emr/j-1"),
            (Engine.EMR_SERVERLESS, "emr-serverless/00a"),
        ],
    )
    def test_of_every_engine_it_is_the_pool_of_its_adapter(
        self, deployed: Any, engine: Engine, pool: str
    ) -> None:
        put(deployed, SPARK.replace("ENGINE", engine))
        assert not load("before").pools_full
        fill(deployed, pool, 2)
        assert load("after").pools_full

    def test_a_named_pool_stands_for_the_engines(self, deployed: Any) -> None:
        put(deployed, "jobs:\n  - {stage: clean, glueJob: clean-csv, pool: database}\n")
        put_pools(deployed, "pools: {database: {limit: 2}}")
        fill(deployed, "glue/stack-clean-csv", 2)
        assert not load().pools_full
        fill(deployed, "database", 2)
        assert load().pools_full

    def test_loads_wait_for_the_warehouse(self, deployed: Any) -> None:
        fill(deployed, "redshift", 1, limit=1)
        put(deployed, "")
        assert not load("without").pools_full
        to_warehouse = DATASET.replace(
            TARGETS, f"{TARGETS}  redshift: {{table: o, key: [order_id]}}\n"
        )
        deployed.put("datasets/orders.yaml", to_warehouse, deployed.code_bucket)
        assert load("with").pools_full

    def test_without_jobs_nothing_is_read(self, deployed: Any, clients: Any) -> None:
        put(deployed, "")
        read = clients.watch("dynamodb", "get_item")
        assert not load().pools_full
        assert read == []
