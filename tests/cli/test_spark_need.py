"""Which messages run Spark on this machine; `make run` brings PySpark for these and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli.client import spark
from cli.client.messages import with_bucket
from cli.client.spark import check_spark, main, runs_spark
from cli.exit_codes import CommandFailed

ROOT = Path(__file__).resolve().parents[2]
WITH_SPARK = {"emr-ssm.json", "glue.json", "run-spark.json"}


def test_shipped_messages_whose_datasets_have_a_spark_job_need_it() -> None:
    texts = {path.name: path.read_text() for path in (ROOT / "events").glob("*.*")}
    assert {name for name, text in texts.items() if runs_spark(with_bucket(text, "b"))} == (
        WITH_SPARK
    )


@pytest.mark.parametrize("contract", [None, "jobs: [", "name: odd\njobs: 5"])
def test_a_contract_that_cannot_be_read_is_left_to_the_pipeline(
    tmp_path: Path, contract: str | None
) -> None:
    (tmp_path / "datasets").mkdir()
    if contract:
        (tmp_path / "datasets" / "odd.yaml").write_text(contract)
    assert not runs_spark('{"datasetName": "odd", "startDateTime": "2026-11-01"}', tmp_path)


def test_the_message_is_found_among_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(spark, "_has_pyspark", lambda: False)
    assert main(["--seed", "7", "events/emr-ssm.json", "--keep"]) == 0
    assert main(["events/run.json"]) == 1
    assert main(["--help"]) == 1
    monkeypatch.setattr(spark, "_has_pyspark", lambda: True)
    assert main(["events/emr-ssm.json"]) == 1


def test_without_pyspark_the_next_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "_has_pyspark", lambda: False)
    with pytest.raises(CommandFailed, match="type make setup-spark"):
        check_spark((ROOT / "events" / "emr-ssm.json").read_text())
    check_spark((ROOT / "events" / "run.json").read_text())


def test_without_java_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "_has_pyspark", lambda: True)
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(CommandFailed, match="Spark needs Java 17 to 21"):
        check_spark((ROOT / "events" / "emr-ssm.json").read_text())


def test_make_run_asks_before_it_runs() -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "run", "ARGS=events/emr-ssm.json"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    asked, brought, demo = (
        shown.index(part)
        for part in ("cli.client.spark events/emr-ssm.json", "setup-spark", "demo")
    )
    assert asked < brought < demo
