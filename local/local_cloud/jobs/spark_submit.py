"""`spark-submit` of a Python script on this machine: local Spark in place of a cluster's.

The script runs in our own interpreter. PySpark starts its Java when the script asks for a session,
with the options given here, so that a script which does not ask needs neither.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.local_cloud.jobs.job_logs import error_message
from local.local_cloud.jobs.job_runner import CannotRunError, JobRunner, Program

SPARK_SUBMIT: Final = "spark-submit"
_FLAGS: Final = frozenset({"--verbose", "-v", "--supervise"})
# Where and how large a cluster's program is; here it is one process with one worker thread.
_SIZES: Final = frozenset(
    {"--master", "--deploy-mode", "--queue", "--num-executors", "--executor-cores"}
    | {"--executor-memory", "--driver-memory", "--driver-cores", "--total-executor-cores"}
)
_SIZE_SETTINGS: Final = re.compile(
    r"spark\.(master|submit\.deployMode|executor\.|driver\.(memory|cores)|dynamicAllocation\.|yarn\.)"
)
_PASSED_ON: Final = frozenset({"--name", "--conf"})
_PY_FILES: Final = "--py-files"
# Before the job's own, which go before. Nothing may listen on other than the loopback address.
_SETTINGS: Final = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
}
# Jobs on sample data last seconds: better code than the first compiler's never pays here.
_SHORT_LIVED: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# Spark's classes as Java has them in memory, by `make setup-spark`: they save two fifths of what a
# job on sample data costs. Java ignores those of another Java or Spark, and need not say so.
CLASSES: Final = Path(sys.prefix) / "spark-classes.jsa"
_SILENT: Final = "-Xlog:disable -Xlog:all=error:stderr"
_NO_PYSPARK: Final = (
    "PySpark is not installed in the environment of the local cloud: install the project with its "
    "extra `spark`"
)
_NO_JAVA: Final = (
    "Spark could not start Java on this machine: it needs Java 17, by JAVA_HOME or on the PATH"
)


@dataclass(frozen=True)
class SparkSubmit:
    """A call of `spark-submit`.

    Attributes:
        options: those that have an effect here, as name and value.
        py_files: URLs of modules that the script imports.
        script: its URL.
        arguments: of the script.
    """

    options: tuple[tuple[str, str], ...]
    py_files: tuple[str, ...]
    script: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, words: Sequence[str]) -> SparkSubmit:
        """Read what follows `spark-submit`.

        Raises:
            CannotRunError: it cannot be run here; says why.
        """
        options: list[tuple[str, str]] = []
        py_files: list[str] = []
        rest = list(words)
        while rest and rest[0].startswith("-"):
            name, has_value, value = rest.pop(0).partition("=")
            if name in _FLAGS:
                continue
            if not has_value:
                if not rest:
                    raise CannotRunError(f"{SPARK_SUBMIT}: {name} has no value")
                value = rest.pop(0)
            if name == _PY_FILES:
                py_files += value.split(",")
            elif name in _PASSED_ON:
                options.append((name, value))
            elif name not in _SIZES:
                raise CannotRunError(f"{SPARK_SUBMIT} {name} is not emulated by the local cloud")
        if not rest:
            raise CannotRunError(f"{SPARK_SUBMIT}: there is no script")
        if not rest[0].endswith(".py"):
            raise CannotRunError(f"{SPARK_SUBMIT} runs only Python scripts here, not {rest[0]}")
        return cls(tuple(options), tuple(py_files), rest[0], tuple(rest[1:]))

    def program(
        self, runner: JobRunner, directory: Path, credentials: Mapping[str, str] | None = None
    ) -> Program:
        """Fetch the script and make the program that runs it.

        Args:
            runner: fetches it.
            directory: to fetch it to.
            credentials: variables of the job's role; absent: those that all jobs have.

        Raises:
            CannotRunError: an object cannot be had.
        """
        script = runner.fetch(self.script, directory, credentials)
        modules = [str(runner.fetch(url, directory, credentials)) for url in self.py_files]
        return Program(
            [sys.executable, str(script), *self.arguments],
            {
                **spark_environment(directory, self.options),
                **(credentials or {}),
                **({"PYTHONPATH": os.pathsep.join([str(directory), *modules])} if modules else {}),
            },
            explain_failure,
        )


def spark_environment(directory: Path, options: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """Variables by which a Python process finds local Spark.

    Args:
        directory: for Spark's temporary files.
        options: of spark-submit, as name and value.
    """
    settings = {**_SETTINGS, "spark.local.dir": str(directory)}
    other_options = [(name, value) for name, value in options if not _is_size(name, value)]
    words = ["--master", "local[1]"]
    for name, value in [*(("--conf", f"{k}={v}") for k, v in settings.items()), *other_options]:
        words += [name, value]
    return {
        "PYSPARK_SUBMIT_ARGS": shlex.join([*words, "pyspark-shell"]),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_SUBMIT_OPTS": java_options(),
    }


def java_options(classes: str = "SharedArchiveFile", file: Path = CLASSES) -> str:
    """Options of the Java that runs Spark.

    Args:
        classes: `ArchiveClassesAtExit` writes the file, which is there to be read otherwise.
        file: with Spark's classes; none is no error.
    """
    if classes == "SharedArchiveFile" and not file.exists():
        return _SHORT_LIVED
    return f"{_SHORT_LIVED} {_SILENT} {shlex.quote(f'-XX:{classes}={file}')}"


def glue_spark_options(arguments: Mapping[str, str]) -> list[tuple[str, str]]:
    """The Spark settings among a Glue job's arguments: `--conf` holds one, or several in a row."""
    settings = arguments.get("--conf", "").split("--conf")
    return [("--conf", setting.strip()) for setting in settings if setting.strip()]


def explain_failure(stderr: str, status: int) -> str:
    """What went wrong with a Spark program; names what this machine lacks."""
    if "No module named 'pyspark'" in stderr:
        return _NO_PYSPARK
    if "JAVA_GATEWAY_EXITED" in stderr or "JAVA_HOME is not set" in stderr:
        return _NO_JAVA
    return error_message(stderr, status)


def _is_size(name: str, value: str) -> bool:
    return name == "--conf" and _SIZE_SETTINGS.match(value) is not None
