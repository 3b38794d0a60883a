"""A Glue Python shell job in the Python and with the packages that the template pins for it.

The environment is made once, as by `make setup-glue`. Where there is no such Python the tests are
skipped by name; with CI=true they fail.
"""

from __future__ import annotations

import json
import os
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from moto.server import ThreadedMotoServer

from local.local_cloud.template.loader import parse_template

ROOT: Final = Path(__file__).resolve().parents[2]
_JOB: Final = parse_template((ROOT / "template.yaml").read_text(encoding="utf-8"))["Resources"][
    "CleanCsvJob"
]["Properties"]
PYTHON: Final = str(_JOB["Command"]["PythonVersion"])
# "!Sub [s3://${Bucket}/wheels/duckdb-1.4.5-….whl, {Bucket: …}]", as SAM's parser reads it
WHEEL_URL: Final = str(_JOB["DefaultArguments"]["--extra-py-files"]["Fn::Sub"][0])
DUCKDB: Final = WHEEL_URL.rpartition("/")[2].split("-")[1]
MODULES: Final = [f"duckdb=={DUCKDB}"]
NAME: Final = f"python{PYTHON}, {', '.join(MODULES)}"
# Reads calls from its standard input and writes what they return, a line of JSON each.
_WORKER: Final = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("job", sys.argv[1])
job = importlib.util.module_from_spec(spec)
spec.loader.exec_module(job)
results, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    name, arguments = json.loads(line)
    result = getattr(job, name)(*arguments)
    print(json.dumps(result, default=vars), file=results, flush=True)
"""


def interpreter() -> Path:
    """The Python of the environment, which is made where it is not there yet."""
    found = subprocess.run(  # noqa: S603
        [ROOT / "scripts" / "find-python-version", PYTHON],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        if os.environ.get("CI") == "true":
            pytest.fail(found.stderr)
        pytest.skip(found.stderr)
    subprocess.run(  # noqa: S603
        [found.stdout.strip(), ROOT / "scripts" / "setup.py", "glue"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return ROOT / ".venv-glue" / "bin" / "python"


class PinnedJob:
    """Calls functions of the script there: arguments and results are JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what others look for in any object, to show it
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps([name, arguments]) + "\n")
            self._process.stdin.flush()
            result = json.loads(self._process.stdout.readline())
            return Namespace(**result) if isinstance(result, dict) else result

        return call


@contextmanager
def running(script: Path) -> Iterator[PinnedJob]:
    """The script in a process of its own, which sees the S3 of this process's moto."""
    python = interpreter()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with subprocess.Popen(  # noqa: S603
            [python, "-c", _WORKER, script],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield PinnedJob(process)
            assert process.stdin is not None
            process.stdin.close()
    finally:
        server.stop()
