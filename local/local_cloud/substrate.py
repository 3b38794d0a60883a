"""The emulator behind the front: MiniStack as a child process in a virtual environment of its own.

Only its AWS wire API is used, so another emulator could take its place; but for one operation that
its process adds to SQS, as the wire has none that looks at messages and changes nothing. It
keeps everything in memory: a restart starts clean.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Final

from local.local_cloud.http.services import ACCOUNT_ID, REGION

PYTHON_VARIABLE: Final = "LOCAL_CLOUD_SUBSTRATE_PYTHON"
SERVICES: Final = (
    "s3", "sqs", "sns", "dynamodb", "dynamodbstreams", "sts", "iam", "secretsmanager",
    "logs", "monitoring", "events", "kms", "ssm",
)  # fmt: skip
_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_OTHER_PORTS: Final = 3
_IN_USE: Final = re.compile("in use", re.IGNORECASE)
_HEALTH_PATH: Final = "/_ministack/health"
_PROGRAM: Final = Path(__file__).with_name("substrate_server.py")


class SubstrateError(Exception):
    """The emulator does not run; the message says why and holds the end of its log."""


def substrate_python() -> Path:
    """The Python that has the emulator installed: $LOCAL_CLOUD_SUBSTRATE_PYTHON or setup's own.

    Raises:
        SubstrateError: there is none.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    python = Path(named) if named else _REPOSITORY / ".venv-substrate" / "bin" / "python"
    if not python.exists():
        raise SubstrateError(
            f"{python} does not exist: run `make setup`, or let ${PYTHON_VARIABLE} name a Python"
            " that has requirements/substrate.txt installed"
        )
    return python


class Substrate:
    """The emulator's process. `start` only launches it; `wait_until_ready` before use."""

    def __init__(self, state_dir: Path, python: Path | None = None) -> None:
        """Prepare it.

        Args:
            state_dir: for its log and temporary files.
            python: interpreter that has the emulator; absent: `substrate_python()`.
        """
        self._state_dir = state_dir
        self._python = python or substrate_python()
        self._log = state_dir / "substrate.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._token = uuid.uuid4().hex
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Launch the process; returns at once."""
        temporary = self._state_dir / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own program)
                [str(self._python), "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(temporary),
                cwd=self._state_dir,
                # A Ctrl-C in the terminal is for us: we end it when everything else has ended.
                start_new_session=True,
            )

    def wait_until_ready(self, timeout_seconds: float = 30) -> None:
        """Return when it responds; `port` may have changed by then.

        Raises:
            SubstrateError: it ended or does not respond in time.
        """
        deadline = time.monotonic() + timeout_seconds
        other_ports = _OTHER_PORTS
        while not self._responses():
            status = self._process.poll() if self._process else 0
            if status is not None:
                if not other_ports or not _IN_USE.search(self._log_tail()):
                    what = f"the emulator ended with status {status}"
                    raise SubstrateError(what + self._log_tail())
                # Somebody took the port between our finding it free and its being opened.
                other_ports -= 1
                self.stop()
                self.port = _free_port()
                self.start()
            if time.monotonic() > deadline:
                raise SubstrateError(
                    f"the emulator does not respond after {timeout_seconds:g} s{self._log_tail()}"
                )
            time.sleep(0.02)

    def oldest_message_sent(self, queue: str) -> float | None:
        """When the oldest message of a queue was sent, one that is being worked on included.

        Args:
            queue: its name.

        Returns:
            Epoch seconds; None: it holds no message.

        Raises:
            SubstrateError: there is no such queue.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = json.dumps({"QueueUrl": f"{self.url}/{ACCOUNT_ID}/{queue}"})
        headers = {
            "X-Amz-Target": "AmazonSQS.LocalOldestMessage",
            "Content-Type": "application/x-amz-json-1.0",
        }
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise SubstrateError(f"no age of {queue}'s messages: {content.decode()}")
        sent: float | None = json.loads(content)["SentAt"]
        return sent

    def stop(self) -> None:
        """End the process and discard its data."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._process = None

    def _environment(self, temporary: Path) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "PYTHONUNBUFFERED": "1",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "MINISTACK_REGION": REGION,
            "SERVICES": ",".join(SERVICES),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "0",
            "LOG_LEVEL": "WARNING",
            # It tidies up containers of its own at start; no business of ours.
            "DOCKER_HOST": f"unix://{temporary}/no-docker.sock",
            # Its health page shows it: so we know that the process that responds is ours.
            "MINISTACK_VERSION": self._token,
        }

    def _responses(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", _HEALTH_PATH)
            return self._token.encode() in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log_tail(self) -> str:
        try:
            lines = self._log.read_text("utf-8", errors="replace").splitlines()[-20:]
        except OSError:
            lines = []
        return f"; the end of {self._log}:\n" + "\n".join(f"  {line}" for line in lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
