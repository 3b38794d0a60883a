"""Running one job as a process: a directory and an environment of its own, files for its output."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from local.local_cloud.http.clients import ServiceClients, split_s3_url
from local.local_cloud.http.services import REGION
from local.local_cloud.jobs.forked_jobs import CannotForkError, ForkedProcess
from local.local_cloud.jobs.job_logs import error_message, tail
from local.local_cloud.lambdas.fork_server import ForkServer
from local.local_cloud.processes import Ending, GroupProcess, JobProcess

LOGGER: Final = logging.getLogger(__name__)
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class CannotRunError(Exception):
    """A job's program cannot be started; the message says why."""


class Result(StrEnum):
    """How a job has ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Ended:
    """The end of a job.

    Attributes:
        error: what went wrong; only of a failed one.
        status: exit status of the program (negative: the signal that ended it); None: it did not
            get as far.
    """

    result: Result
    error: str | None = None
    status: int | None = None


@dataclass(frozen=True)
class Program:
    """What to start.

    Attributes:
        command: absolute path and arguments.
        environment: variables besides those that every job gets.
        explain: what went wrong, of the end of the error output and the exit status.
        server: of a Python script, what it is forked from, once it takes orders: the first part of
            the command, the interpreter, is not started then.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    explain: Callable[[str, int], str] = error_message
    server: ForkServer | None = None

    def start(
        self, environment: Mapping[str, str], directory: Path, stdout: Path, stderr: Path
    ) -> JobProcess:
        """Start it, in a directory, with files for its output."""
        if self.server is None:
            return GroupProcess(
                self.command,
                environment=environment,
                directory=directory,
                stdout=stdout,
                stderr=stderr,
            )
        return ForkedProcess(
            self.server,
            self.command[1:],
            environment=environment,
            directory=directory,
            stdout=stdout,
            stderr=stderr,
        )


# Makes a program in a directory. Raises CannotRunError.
Prepare = Callable[[Path], Program]
Begin = Callable[[Callable[[], JobProcess]], JobProcess | None]


class JobRunner:
    """Runs jobs, each in a directory of its own that is gone afterwards.

    A job's process inherits nothing of our environment. Its output goes to
    `<work_dir>/logs/<job id>.out` and `.err`.
    """

    def __init__(
        self,
        endpoint_url: str,
        work_dir: Path,
        environment: Mapping[str, str],
        clients: ServiceClients,
        *,
        commands_dir: Path | None = None,
    ) -> None:
        """Make it; `prepare` before use.

        Args:
            endpoint_url: where jobs find AWS.
            work_dir: for working directories and logs.
            environment: variables of every job: credentials and the like.
            clients: how scripts are fetched.
            commands_dir: of commands that jobs find before those of the machine.
        """
        self._endpoint_url = endpoint_url
        self._runs_dir = work_dir / "runs"
        self._log_dir = work_dir / "logs"
        self._environment = dict(environment)
        self._clients = clients
        self._path = f"{commands_dir}:{_PATH}" if commands_dir else _PATH

    def prepare(self) -> None:
        """Make the directories."""
        self._runs_dir.mkdir(parents=True, exist_ok=True)
        self._log_dir.mkdir(parents=True, exist_ok=True)

    def log_files(self, job_id: str) -> tuple[Path, Path]:
        """Where a job's output and error output are."""
        return self._log_dir / f"{job_id}.out", self._log_dir / f"{job_id}.err"

    def fetch(
        self, url: str, directory: Path, environment: Mapping[str, str] | None = None
    ) -> Path:
        """Copy an object into a directory, under the last part of its key.

        Args:
            url: `s3://bucket/key`.
            environment: the job's own variables; its credentials are those of the job.

        Raises:
            CannotRunError: it is not there, or cannot be had.
        """
        file = directory / url.rpartition("/")[2]
        try:
            bucket, key = split_s3_url(url)
            clients = self._clients.signing_as({**self._environment, **(environment or {})})
            clients.get("s3").download_file(bucket, key, str(file))
        except (ClientError, BotoCoreError, OSError, ValueError) as error:
            raise CannotRunError(f"Failed to download the script {url}: {error}") from error
        return file

    def find(self, url: str, environment: Mapping[str, str]) -> None:
        """See that an object can be read, as the job's own credentials do.

        Raises:
            CannotRunError: it is not there, or may not be read.
        """
        try:
            bucket, key = split_s3_url(url)
            clients = self._clients.signing_as({**self._environment, **environment})
            clients.get("s3").head_object(Bucket=bucket, Key=key)
        except (ClientError, BotoCoreError, ValueError) as error:
            raise CannotRunError(str(error)) from error

    def run(
        self, job_id: str, prepare: Prepare, begin: Begin, timeout_seconds: float | None
    ) -> Ended:
        """Run a job to the end; blocks.

        Args:
            job_id: names its files.
            prepare: makes the program.
            begin: called with what starts the process; returns the process, or None when the job
                was stopped meanwhile.
            timeout_seconds: it is killed then; None: never.
        """
        directory = Path(tempfile.mkdtemp(prefix="run-", dir=self._runs_dir))
        try:
            program = prepare(directory)
            return self._run(job_id, program, directory, begin, timeout_seconds)
        except (CannotRunError, CannotForkError) as error:
            return Ended(Result.FAILED, str(error))
        except Exception as failure:  # the job must end whatever happens
            LOGGER.exception("job %s could not be run", job_id)
            return Ended(Result.FAILED, f"Internal service failure: {failure}")
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _run(
        self,
        job_id: str,
        program: Program,
        directory: Path,
        begin: Begin,
        timeout_seconds: float | None,
    ) -> Ended:
        output, errors = self.log_files(job_id)
        environment = self._environment_of(program, directory)
        process = begin(lambda: program.start(environment, directory, output, errors))
        if process is None:
            return Ended(Result.STOPPED)
        ending, status = process.wait(timeout_seconds)
        if ending is Ending.TIMED_OUT:
            return Ended(Result.TIMED_OUT, status=status)
        if ending is Ending.STOPPED:
            return Ended(Result.STOPPED, status=status)
        if status == 0:
            return Ended(Result.SUCCEEDED, status=0)
        return Ended(Result.FAILED, program.explain(tail(errors), status), status)

    def _environment_of(self, program: Program, directory: Path) -> dict[str, str]:
        java = {"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {}
        return {
            **script_environment(),
            "PATH": self._path,
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            **java,
            **self._environment,
            **program.environment,
            "AWS_ENDPOINT_URL": self._endpoint_url,
        }


def script_environment() -> dict[str, str]:
    """What Python reads of its environment as it starts, for every job."""
    return {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
