"""How many places a pool has, whatever is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from emr_fakes import CLUSTER, FakeEmr
from job_fakes import FakeClock, FakeGlue, service_error

from contracts.errors import NotConfigured
from contracts.job import Engine
from contracts.ledger_items import PoolsFileItem
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.engines.emr import EmrJobs
from remote_jobs.engines.glue import GlueJobs
from remote_jobs.pools.limits import CurrentPoolsFile, Limit, Limits

GLUE = "glue/stack-clean"
WATCHER = "job-watcher-XYZ"


class Deployment:
    """A code bucket, a ledger and two engines."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.clock = FakeClock()
        self.glue = FakeGlue(self.clock, "stack-clean", places=3)
        self.emr = FakeEmr(self.clock)

    def put(self, text: str | bytes) -> None:
        self.cloud.put("pools.yaml", text, self.cloud.code_bucket)

    def remove(self) -> None:
        client = self.cloud.client("s3")
        client.delete_object(Bucket=self.cloud.code_bucket, Key="pools.yaml")

    def adapter(self, engine: Engine) -> RemoteJobs:
        if engine is Engine.GLUE:
            return GlueJobs(self.glue, "stack-")
        if engine is Engine.EMR:
            return EmrJobs(self.emr, CLUSTER, self.cloud.code_bucket)
        raise NotConfigured(f"engine {engine}: not here")

    @property
    def current(self) -> CurrentPoolsFile:
        return CurrentPoolsFile(self.cloud.ledger, self.cloud.code_bucket, self.clock, WATCHER)

    def limits(self) -> Limits:
        """As the next invocation sees them."""
        return Limits(self.current, self.adapter)

    def of_glue(self, last: int | None = None) -> Limit:
        return self.limits().limit_of(GLUE, "glue", "stack-clean", last)

    def stored(self) -> PoolsFileItem:
        item = self.cloud.ledger.get_item(*PoolsFileItem.key_of())
        return PoolsFileItem.from_item(item or {})


@pytest.fixture
def here(cloud: Any) -> Deployment:
    return Deployment(cloud)


@pytest.fixture
def broken(capsys: pytest.CaptureFixture[str]) -> Callable[[], float]:
    """How often a broken file was counted since the last call."""

    def count() -> float:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        of_watcher = [line for line in lines if line.get("FunctionName") == WATCHER]
        return sum(line["PoolsFileBroken"][0] for line in of_watcher)

    return count


class TestWithoutAFile:
    def test_engines_say_it(self, here: Deployment, broken: Callable[[], float]) -> None:
        assert here.of_glue() == Limit(3, "glue")
        assert here.limits().limit_of(f"emr/{CLUSTER}", "emr", CLUSTER) == Limit(1, "emr")
        assert broken() == 0
        assert here.stored() == PoolsFileItem()

    def test_the_engine_is_asked_each_time(self, here: Deployment) -> None:
        assert here.of_glue().places == 3
        here.glue.definition = {"ExecutionProperty": {"MaxConcurrentRuns": 8}}
        assert here.of_glue(last=3).places == 8

    def test_an_engine_that_cannot_be_asked_has_as_many_as_before(self, here: Deployment) -> None:
        here.glue.refuse_once("GetJob", "ThrottlingException")
        assert here.of_glue(last=7) == Limit(7, "last known: glue does not say it")

    @pytest.mark.parametrize("code", ["AccessDeniedException", "EntityNotFoundException"])
    def test_an_engine_that_never_said_it_has_one(self, here: Deployment, code: str) -> None:
        here.glue.refuse_once("GetJob", code)
        assert here.of_glue() == Limit(1, "default: glue does not say it")

    def test_an_engine_that_is_not_deployed_any_more_has_as_many_as_before(
        self, here: Deployment
    ) -> None:
        found = here.limits().limit_of("emr-serverless/00a", "emr-serverless", "00a", 4)
        assert found.places == 4


class TestWithAFile:
    def test_it_has_the_limits_of_named_pools_and_goes_before_engines(
        self, here: Deployment
    ) -> None:
        here.put("pools: {database: {limit: 4}, glue/stack-clean: {limit: 2}}")
        assert here.limits().limit_of("database") == Limit(4, "pools.yaml")
        assert here.of_glue() == Limit(2, "pools.yaml")
        assert here.glue.count("GetJob") == 0

    def test_it_is_read_once_for_all_pools(self, here: Deployment, clients: Any) -> None:
        here.put("pools: {a: {limit: 1}, b: {limit: 2}}")
        read = clients.watch("s3", "get_object")
        limits = here.limits()
        assert [limits.limit_of(name).places for name in "ab"] == [1, 2]
        assert len(read) == 1

    def test_a_change_is_in_force_at_the_next_reading(self, here: Deployment) -> None:
        here.put("pools: {database: {limit: 4}}")
        here.limits().limit_of("database")
        here.put("pools: {database: {limit: 6}}")
        assert here.limits().limit_of("database", last=4) == Limit(6, "pools.yaml")
        assert here.stored().limits == {"database": 6}

    def test_an_unchanged_one_is_not_written_again(self, here: Deployment, clients: Any) -> None:
        here.put("pools: {database: {limit: 4}}")
        here.current.in_force()
        writes = clients.watch("dynamodb", "update_item")
        assert here.current.in_force().limits == {"database": 4}
        assert writes == []

    def test_a_pool_that_vanished_keeps_its_limit(self, here: Deployment) -> None:
        here.put("pools: {database: {limit: 4}}")
        here.current.in_force()
        here.put("pools: {}")
        assert here.limits().limit_of("database", last=4) == Limit(
            4, "last known: pools.yaml has no such pool"
        )
        assert here.limits().limit_of("database").places == 1

    def test_a_file_that_is_removed_leaves_the_engines(self, here: Deployment) -> None:
        here.put("pools: {glue/stack-clean: {limit: 2}}")
        here.current.in_force()
        here.remove()
        assert here.of_glue(last=2) == Limit(3, "glue")
        assert here.stored() == PoolsFileItem()


class TestABrokenFile:
    @pytest.mark.parametrize("text", ["pools: [", "pools: {database: {limit: 0}}", b"\xff\xfe"])
    def test_the_last_good_one_stays_and_it_is_counted(
        self, here: Deployment, broken: Callable[[], float], text: str | bytes
    ) -> None:
        here.put("pools: {database: {limit: 4}}")
        good = here.current.in_force()
        here.put(text)

        assert here.limits().limit_of("database") == Limit(4, "pools.yaml")

        assert broken() == 1
        stored = here.stored()
        assert (stored.revision, stored.limits) == (good.revision, {"database": 4})
        assert stored.problem is not None
        assert stored.problem.startswith("pools.yaml: ")
        assert stored.problem_at == here.clock()

    def test_other_functions_do_not_count_it(
        self, here: Deployment, broken: Callable[[], float]
    ) -> None:
        here.put("pools: [")
        replace(here.current, counted_for=None).in_force()
        assert here.stored().problem is not None
        assert broken() == 0

    def test_the_first_sight_of_it_stays(self, here: Deployment) -> None:
        here.put("pools: [")
        here.current.in_force()
        seen = here.clock()
        here.clock.advance(60)
        here.current.in_force()
        assert here.stored().problem_at == seen

    def test_without_a_good_one_engines_say_it(
        self, here: Deployment, broken: Callable[[], float]
    ) -> None:
        here.put("pools: [")
        assert here.of_glue() == Limit(3, "glue")
        assert broken() == 1

    def test_once_it_is_right_nothing_is_left_of_it(
        self, here: Deployment, broken: Callable[[], float]
    ) -> None:
        here.put("pools: [")
        here.current.in_force()
        here.put("pools: {database: {limit: 5}}")
        assert here.limits().limit_of("database") == Limit(5, "pools.yaml")
        assert (here.stored().problem, here.stored().problem_at) == (None, None)
        assert broken() == 1

    def test_one_that_may_not_be_read_is_broken_too(
        self, here: Deployment, clients: Any, broken: Callable[[], float]
    ) -> None:
        """S3 says so of a file that is not there, too, to who may not list the bucket."""
        here.put("pools: {database: {limit: 4}}")
        here.current.in_force()
        denied = service_error("GetObject", "AccessDenied", 403)
        clients.break_once("s3", "get_object", denied, after=False)
        assert here.limits().limit_of("database") == Limit(4, "pools.yaml")
        assert broken() == 1
        assert "AccessDenied" in (here.stored().problem or "")

    def test_one_that_cannot_be_read_now_is_not(
        self, here: Deployment, clients: Any, broken: Callable[[], float]
    ) -> None:
        here.put("pools: {database: {limit: 4}}")
        here.current.in_force()
        busy = service_error("GetObject", "SlowDown", 503)
        clients.break_once("s3", "get_object", busy, after=False)
        assert here.limits().limit_of("database") == Limit(4, "pools.yaml")
        assert broken() == 0
        assert here.stored().problem is None

    def test_who_read_an_older_file_does_not_undo_a_newer_one(
        self, here: Deployment, clients: Any
    ) -> None:
        here.put("pools: {database: {limit: 1}}")
        here.current.in_force()
        here.put("pools: {database: {limit: 2}}")

        def newer() -> None:
            here.put("pools: {database: {limit: 3}}")
            here.current.in_force()

        clients.meanwhile("dynamodb", "update_item", newer)
        here.current.in_force()
        assert here.stored().limits == {"database": 3}
