"""Running one Glue job run as a process: its script, environment, arguments and end."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from local.local_cloud.glue_jobs import JobRun, RunState, error_message
from local.local_cloud.glue_logs import put_logs, tail
from local.local_cloud.processes import Ending, GroupProcess
from local.local_cloud.service_clients import ServiceClients, split_s3_url
from local.local_cloud.services import REGION

LOGGER: Final = logging.getLogger(__name__)
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"

Begin = Callable[[Callable[[], GroupProcess]], GroupProcess | None]
RoleEnvironment = Callable[[str], Mapping[str, str]]


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
        self._endpoint_url = endpoint_url
        self._runs_dir = work_dir / "runs"
        self._log_dir = work_dir / "logs"
        self._environment = dict(environment)
        self._role_environment = role_environment
        self._clients = clients

    def prepare(self) -> None:
        """Make the directories."""
        self._runs_dir.mkdir(parents=True, exist_ok=True)
        self._log_dir.mkdir(parents=True, exist_ok=True)

    def run(self, run: JobRun, begin: Begin) -> tuple[RunState, str | None]:
        """Run to the end; blocks.

        Args:
            run: whose script; not changed here.
            begin: is given what starts the process and answers the process, or None when the run
                was stopped meanwhile.

        Returns:
            The state it ended in, and what went wrong.
        """
        directory = Path(tempfile.mkdtemp(prefix="run-", dir=self._runs_dir))
        try:
            return self._run_in(directory, run, begin)
        except Exception as failure:  # the run must end whatever happens
            LOGGER.exception("Glue job run %s could not be run", run.id)
            return RunState.FAILED, f"Internal service failure: {failure}"
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def upload_logs(self, run: JobRun) -> None:
        """Put the run's output into CloudWatch Logs; never raises for its failure."""
        put_logs(self._clients, run.id, *self._log_files(run))

    def _run_in(self, directory: Path, run: JobRun, begin: Begin) -> tuple[RunState, str | None]:
        location = run.job.script_location
        script = directory / Path(location).name
        try:
            bucket, key = split_s3_url(location)
            self._clients.get("s3").download_file(bucket, key, str(script))
        except (ClientError, BotoCoreError, OSError, ValueError) as error:
            return RunState.FAILED, f"Failed to download the script {location}: {error}"
        output, errors = self._log_files(run)
        process = begin(
            lambda: GroupProcess(
                [sys.executable, str(script), *run.command_line()],
                environment=self._job_environment(run, directory),
                directory=directory,
                stdout=output,
                stderr=errors,
            )
        )
        if process is None:
            return RunState.STOPPED, None
        ending, status = process.wait(run.timeout_minutes * 60)
        if ending is Ending.TIMED_OUT:
            return RunState.TIMEOUT, "Job run timed out"
        if ending is Ending.STOPPED:
            return RunState.STOPPED, None
        if status == 0:
            return RunState.SUCCEEDED, None
        return RunState.FAILED, error_message(tail(errors), status)

    def _job_environment(self, run: JobRun, directory: Path) -> dict[str, str]:
        by_role = self._role_environment(run.job.role) if self._role_environment else {}
        return {
            "PATH": _PATH,
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            **self._environment,
            **by_role,
            "AWS_ENDPOINT_URL": self._endpoint_url,
        }

    def _log_files(self, run: JobRun) -> tuple[Path, Path]:
        return self._log_dir / f"{run.id}.out", self._log_dir / f"{run.id}.err"
