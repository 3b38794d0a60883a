"""Running one Glue job run as a process: its script, environment, arguments and end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.jobs.forked_jobs import JobForks
from local.local_cloud.jobs.glue_jobs import JobRun, RunState
from local.local_cloud.jobs.glue_python import Interpreter, interpreter_for
from local.local_cloud.jobs.job_logs import put_log_stream
from local.local_cloud.jobs.job_runner import (
    Begin,
    CannotRunError,
    JobRunner,
    Program,
    Result,
    script_environment,
)
from local.local_cloud.jobs.spark_submit import (
    explain_failure,
    glue_spark_options,
    spark_environment,
)

RoleEnvironment = Callable[[str], Mapping[str, str]]
_PACKAGES: Final = "--extra-py-files"
_STATES: Final = {
    Result.SUCCEEDED: RunState.SUCCEEDED,
    Result.FAILED: RunState.FAILED,
    Result.STOPPED: RunState.STOPPED,
    Result.TIMED_OUT: RunState.TIMEOUT,
}


class ScriptRunner:
    """Fetches scripts from S3 and runs them, each in a directory of its own.

    Output goes to `<work_dir>/logs/<run id>.out` and `.err`.
    """

    def __init__(
        self,
        endpoint_url: str,
        work_dir: Path,
        environment: Mapping[str, str],
        role_environment: RoleEnvironment | None,
        clients: ServiceClients,
    ) -> None:
        self._runner = JobRunner(endpoint_url, work_dir, environment, clients)
        self._role_environment = role_environment
        self._clients = clients
        self._forks = JobForks(work_dir / "forks.log", script_environment())

    def prepare(self) -> None:
        """Make the directories."""
        self._runner.prepare()

    def stop(self) -> None:
        """End what scripts are forked from, and every job of it."""
        self._forks.stop()

    def run(self, run: JobRun, begin: Begin) -> tuple[RunState, str | None]:
        """Run to the end; blocks.

        Args:
            run: whose script; not changed here.
            begin: called with what starts the process; returns the process, or None when the run
                was stopped meanwhile.

        Returns:
            The state it ended in, and what went wrong.
        """
        ended = self._runner.run(
            run.id,
            lambda directory: self._program(run, directory),
            begin,
            run.timeout_minutes * 60,
        )
        late = "Job run timed out" if ended.result is Result.TIMED_OUT else None
        return _STATES[ended.result], ended.error or late

    def upload_logs(self, run: JobRun) -> None:
        """Put the run's output into CloudWatch Logs; never raises for its failure."""
        clients = self._clients.signing_as(self._by_role(run))
        output, errors = self._runner.log_files(run.id)
        note = self._interpreter(run).note
        if note and errors.exists():
            with errors.open("a", encoding="utf-8") as log:
                log.write(f"local cloud: Glue job {run.job.name} {note}\n")
        for kind, file in (("output", output), ("error", errors)):
            put_log_stream(clients, f"{run.job.log_group}/{kind}", run.id, file)

    def _by_role(self, run: JobRun) -> Mapping[str, str]:
        return self._role_environment(run.job.role) if self._role_environment else {}

    def _interpreter(self, run: JobRun) -> Interpreter:
        if run.job.is_spark:
            return Interpreter(Path(sys.executable))
        return interpreter_for(run.job.python_version)

    def _find_packages(self, run: JobRun, by_role: Mapping[str, str]) -> None:
        """Fail as Glue does without a file that it is to install, which is not installed here.

        AWS Glue Developer Guide, "Using job parameters in AWS Glue jobs": `--extra-py-files` are
        complete S3 paths, separated by commas.

        Raises:
            CannotRunError: one is not there, or may not be read.
        """
        for url in filter(None, run.all_arguments().get(_PACKAGES, "").split(",")):
            try:
                self._runner.find(url.strip(), by_role)
            except CannotRunError as error:
                raise CannotRunError(
                    f"{_PACKAGES} names {url.strip()}, which cannot be read: {error}; pipeline"
                    " upload brings the wheel of the template's job"
                ) from error

    def _program(self, run: JobRun, directory: Path) -> Program:
        by_role = self._by_role(run)
        script = self._runner.fetch(run.job.script_location, directory, by_role)
        self._find_packages(run, by_role)
        python = self._interpreter(run)
        command = [str(python.path), str(script), *run.command_line()]
        if not run.job.is_spark:
            return Program(command, by_role, server=self._forks.prepare(python.path))
        spark = spark_environment(directory, glue_spark_options(run.all_arguments()))
        return Program(command, {**spark, **by_role}, explain_failure)
