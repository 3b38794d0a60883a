"""`spark-submit` on this machine: what of its options counts, and what is said when it fails."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from local.local_cloud.jobs.job_runner import CannotRunError
from local.local_cloud.jobs.spark_submit import (
    SparkSubmit,
    explain_failure,
    java_options,
    spark_environment,
)


def test_options_end_at_the_script_and_all_after_it_is_the_scripts() -> None:
    call = SparkSubmit.parse(
        ["--master", "yarn", "--verbose", "--conf", "spark.a=1", "--name=x y"]
        + ["--py-files", "s3://b/one.py,s3://b/two.zip", "s3://b/job.py", "--conf", "mine"]
    )
    assert call == SparkSubmit(
        options=(("--conf", "spark.a=1"), ("--name", "x y")),
        py_files=("s3://b/one.py", "s3://b/two.zip"),
        script="s3://b/job.py",
        arguments=("--conf", "mine"),
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--class", "Main", "s3://b/job.jar"], "--class is not emulated"),
        (["s3://b/job.jar"], "only Python scripts"),
        (["--conf"], "--conf has no value"),
        ([], "no script"),
    ],
)
def test_what_cannot_be_run_is_named(words: list[str], problem: str) -> None:
    with pytest.raises(CannotRunError, match=problem):
        SparkSubmit.parse(words)


def test_spark_is_local_whatever_the_cluster_would_have_been(tmp_path: Path) -> None:
    options = [("--conf", "spark.executor.memory=8g"), ("--conf", "spark.master=yarn")]
    mine = [("--conf", "spark.sql.shuffle.partitions=7"), ("--name", "x y")]
    words = shlex.split(spark_environment(tmp_path, options + mine)["PYSPARK_SUBMIT_ARGS"])
    assert words[:2] == ["--master", "local[1]"]
    assert words[-5:] == ["--conf", mine[0][1], "--name", "x y", "pyspark-shell"]
    assert not [word for word in words if "8g" in word or "yarn" in word]


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("ModuleNotFoundError: No module named 'pyspark'\n", "extra `spark`"),
        ("JAVA_HOME is not set\nPySparkRuntimeError: [JAVA_GATEWAY_EXITED] Java", "needs Java 17"),
        (
            "ValueError: bad row\n26/11/20 INFO ShutdownHookManager: Deleting\n",
            "ValueError: bad row",
        ),
    ],
)
def test_a_failure_says_what_this_machine_lacks(stderr: str, words: str) -> None:
    assert words in explain_failure(stderr, 1)


def test_stored_classes_are_an_option_only_where_they_are(tmp_path: Path) -> None:
    classes = tmp_path / "with space.jsa"
    assert "-XX:+UseSerialGC" in java_options(file=classes)
    assert "SharedArchiveFile" not in java_options(file=classes)
    assert shlex.split(java_options("ArchiveClassesAtExit", classes))[-1].endswith(str(classes))
    classes.touch()
    assert f"-XX:SharedArchiveFile={classes}" in shlex.split(java_options(file=classes))
