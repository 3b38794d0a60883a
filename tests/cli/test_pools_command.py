"""`pipeline pools`, and what other commands do with pools.yaml."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_world import World, pipeline

from cli.client import local_pools
from cli.commands import upload as upload_command
from cli.documents.pools import pools_document
from cli.pools_schema import SCHEMA_FILE, pools_schema, pools_schema_text
from cli.views.ages import age
from contracts.job import JobKey, Priority
from contracts.ledger_items import LedgerItem, PoolItem, PoolsFileItem
from remote_jobs.pools import turns

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
CONTRACT = """\
name: visits
source: {prefix: landing/visits/}
columns: [{name: visit_id}]
jobs:
  - {stage: clean, glueJob: clean-csv, pool: database}
targets: {dynamodb: {key: [visit_id]}}
"""


def key(run_id: str, number: int) -> JobKey:
    return JobKey(run_id=run_id, unit_id=f"00000-{number:03d}", stage="clean", attempt=1)


def used_pool(now: float) -> PoolItem:
    """Two places, both taken; three jobs of two runs wait, the first of them for two hours."""
    pool = PoolItem(
        name="glue/stack-clean", limit=2, limit_at=now - 30, limit_from="glue", engine="glue"
    )
    jobs = [("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0)]
    for position, (run_id, number) in enumerate(jobs):
        since = now - 7200 if position == 2 else now - 60
        pool, _ = turns.entered(
            pool, f"{run_id}-{number}", key(run_id, number), Priority.NORMAL, since
        )
    return pool


def put(world: World, item: LedgerItem) -> None:
    """boto3's tables take no floats."""
    world.put(json.loads(json.dumps(item.to_item()), parse_float=Decimal))


class TestPools:
    def test_it_says_what_runs_and_what_waits(self, local: World) -> None:
        put(local, used_pool(datetime.now(UTC).timestamp()))
        put(local, PoolsFileItem(revision="a1", limits={"database": 4}))

        shown = pipeline("pools")

        assert shown.exit_code == 0, shown.output
        header, *rows = [
            [word for word in line.split() if word not in ("┃", "│")]
            for line in shown.output.splitlines()
        ]
        assert header == ["pool", "limit", "from", "running", "waiting", "of", "runs", "oldest"] + [
            "note"
        ]
        assert ["database", "4", "pools.yaml", "0", "0", "0"] in rows
        assert ["glue/stack-clean", "2", "glue", "2", "3", "2", "2", "h", "0", "min"] in rows

    def test_as_a_document(self) -> None:
        pool = replace(used_pool(NOW.timestamp()), refused_until=NOW.timestamp() + 15)
        file = PoolsFileItem(revision="a1", limits={"glue/stack-clean": 2, "database": 4})
        document = pools_document([pool], file, NOW).to_json()
        unused, used = document["pools"]
        assert used == {
            "name": "glue/stack-clean",
            "limit": 2,
            "limitFrom": "glue",
            "limitAt": "2026-11-20T07:59:30Z",
            "running": 2,
            "waiting": 3,
            "runsWaiting": 2,
            "oldestSeconds": 7200.0,
            "refusedUntil": "2026-11-20T08:00:15Z",
        }
        assert (unused["name"], unused["limit"], unused["running"]) == ("database", 4, 0)
        assert document["poolsFile"] == {"version": "a1", "problem": None, "problemAt": None}

    def test_a_pool_that_is_not_limited_yet_is_shown(self) -> None:
        (pool,) = pools_document([PoolItem(name="database")], PoolsFileItem(), NOW).pools
        assert (pool.limit, pool.oldest_seconds, pool.refused_until) == (None, None, None)

    def test_a_broken_file_is_shown_with_what_is_in_force(self, local: World) -> None:
        broken = PoolsFileItem(
            revision="a1", limits={}, problem="pools.yaml: pools.a.limit (line 2)", problem_at=NOW
        )
        put(local, broken)
        shown = pipeline("pools").output
        assert "pools.a.limit (line 2)" in shown
        assert "since 2026-11-20" in shown
        assert "in force is version a1" in shown
        assert json.loads(pipeline("pools", "--json").stdout)["poolsFile"]["problem"]

    @pytest.mark.usefixtures("local")
    def test_without_pools_it_says_so(self) -> None:
        assert "no pool has been used yet" in pipeline("pools").output

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-3, "0 s"),
            (0, "0 s"),
            (59.9, "59 s"),
            (60, "1 min"),
            (3_720, "1 h 2 min"),
            (187_200, "2 d 4 h"),
        ],
    )
    def test_ages_are_for_people(self, seconds: float, text: str) -> None:
        assert age(seconds) == text


class TestChecking:
    def test_a_valid_file(self, tmp_path: Path) -> None:
        file = tmp_path / "pools.yaml"
        file.write_text("pools: {database: {limit: 4}}")
        assert "limits 1 pools" in pipeline("dataset", "check", str(file)).output
        document = json.loads(pipeline("dataset", "check", str(file), "--json").stdout)
        assert document["valid"]

    def test_a_broken_file(self, tmp_path: Path) -> None:
        file = tmp_path / "pools.yaml"
        file.write_text("pools: {database: {limit: 0}}")
        shown = pipeline("dataset", "check", str(file))
        assert shown.exit_code == 2
        assert "pools.database.limit (line 1): should be greater" in shown.output
        (problem,) = json.loads(pipeline("dataset", "check", str(file), "--json").stdout)[
            "problems"
        ]
        assert problem["path"] == "pools.database.limit (line 1)"

    def test_a_dataset_may_be_called_pools(self, tmp_path: Path) -> None:
        file = tmp_path / "datasets" / "pools.yaml"
        file.parent.mkdir()
        file.write_text(CONTRACT.replace("visits\n", "pools\n").replace(", pool: database", ""))
        assert "its result has these columns" in pipeline("dataset", "check", str(file)).output

    def test_a_pool_without_a_limit_is_a_problem_of_the_contract(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contract = tmp_path / "visits.yaml"
        contract.write_text(CONTRACT)
        problems_of: Any = local_pools.problems_of_pools
        monkeypatch.setattr(
            local_pools, "problems_of_pools", lambda dataset: problems_of(dataset, tmp_path)
        )

        shown = pipeline("dataset", "check", str(contract))
        assert shown.exit_code == 2
        assert "jobs[0].pool: pools.yaml has no limit for it (it has none)" in shown.output

        (tmp_path / "pools.yaml").write_text("pools: {database: {limit: 0}}")
        shown = pipeline("dataset", "check", str(contract))
        assert "pools.yaml: pools.database.limit (line 1): should be greater" in shown.output

        (tmp_path / "pools.yaml").write_text("pools: {database: {limit: 1}}")
        assert pipeline("dataset", "check", str(contract)).exit_code == 0

    def test_the_file_that_ships_is_valid_and_so_is_its_example(self, tmp_path: Path) -> None:
        text = (ROOT / "pools.yaml").read_text("utf-8")
        assert pipeline("dataset", "check", str(ROOT / "pools.yaml")).exit_code == 0
        example = text.partition("#   pools:\n")[2].partition("\n\n")[0].replace("#   ", "")
        file = tmp_path / "pools.yaml"
        file.write_text(f"pools:\n{example}\n")
        assert "limits 5 pools" in pipeline("dataset", "check", str(file)).output


class TestUpload:
    def test_a_broken_file_is_refused_before_anything_is_uploaded(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        del world
        (tmp_path / "pools.yaml").write_bytes(b"\xff")
        refuse: Any = upload_command.refuse_broken_pools
        monkeypatch.setattr(upload_command, "refuse_broken_pools", lambda: refuse(tmp_path))
        shown = pipeline("upload")
        assert shown.exit_code == 2
        assert "nothing was uploaded" in shown.output
        assert "byte 0: is not UTF-8" in shown.output

    def test_the_file_is_brought(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "pools.yaml").write_text("pools: {}")
        s3 = world.deployment.client("s3")
        s3.create_bucket(Bucket="code")
        assert upload_command.upload_code(s3, "code", tmp_path) == ["s3://code/pools.yaml"]


class TestSchema:
    def test_the_one_that_ships_is_current(self) -> None:
        reported = f"write it anew: pipeline dataset schema --pools > {SCHEMA_FILE}"
        assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == pools_schema_text(), reported
        assert pipeline("dataset", "schema", "--pools").output == pools_schema_text()

    def test_the_file_names_it(self) -> None:
        first = (ROOT / "pools.yaml").read_text("utf-8").splitlines()[0]
        assert first == f"# yaml-language-server: $schema={SCHEMA_FILE.as_posix()}"

    def test_every_field_is_explained(self) -> None:
        schema = pools_schema()
        for model in (schema, *schema["definitions"].values()):
            assert model["description"]
            assert all(each["description"] for each in model["properties"].values())
