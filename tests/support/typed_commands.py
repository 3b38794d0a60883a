"""The commands that docs/designs.md has its readers type, and a terminal that types them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from running_cloud import ROOT, RunningCloud

BY_BOTO3 = Path(__file__).parent / "aws_by_boto3.py"
PAGE = (ROOT / "docs" / "designs.md").read_text("utf-8")
DESIGNS = PAGE.split("# You know … → type …")[1].split("\n## ")[0]
# `make run`, but for its port, which may be in use, and for what it installs.
MAKE = """import os, subprocess, sys
assert sys.argv[1] == "run", sys.argv
(arguments,) = (word.removeprefix("ARGS=") for word in sys.argv[2:])
words = [sys.executable, "-m", "cli.main", "demo", *arguments.split(), "--port", "0", "--json"]
sys.exit(subprocess.run([*words, "--state-dir", os.environ["STATE_DIR"]]).returncode)
"""


def commands_of_designs() -> dict[str, list[str]]:
    """The commands in the table of designs, in the order to type them, by the design."""
    rows = re.findall(r"^\| (?!you know|---)(.+?) \| (.+) \|$", DESIGNS, re.MULTILINE)
    return {design: re.findall(r"`([^`]+)`", typed) for design, typed in rows}


def commands_of(part: str) -> list[str]:
    """The commands of the one design whose name holds this part."""
    (commands,) = (typed for design, typed in commands_of_designs().items() if part in design)
    return commands


class Terminal:
    """A shell beside a running local cloud, which finds `pipeline`, `aws`, `make` and `output`.

    The last is the function that the page gives its readers.
    """

    def __init__(self, cloud: RunningCloud, directory: Path) -> None:
        """Set it up.

        Args:
            directory: an empty one; commands run in it as they do in a clone.
        """
        self.directory = directory
        for name in ("events", "datasets"):
            (directory / name).symlink_to(ROOT / name)
        self._write(".local/cloud.json", json.dumps(self._description(cloud)))
        programs = {
            "aws": [str(BY_BOTO3)],
            "pipeline": ["-m", "cli.main"],
            "make": ["-c", MAKE],
        }
        for name, words in programs.items():
            line = f'exec {shlex.join([sys.executable, *words])} "$@"'
            self._write(f"bin/{name}", f"#!/bin/sh\n{line}\n").chmod(0o755)
        (self.output_function,) = re.findall(r"^output\(\) \{.*\}$", DESIGNS, re.MULTILINE)
        self.environment = {
            **os.environ,
            **cloud.cloud.environment(),
            "PATH": f"{directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "STATE_DIR": str(directory / "made"),
            "COLUMNS": "200",
        }

    def type(self, command: str, *, status: int = 0) -> str:
        """Run one command; its standard output. Fails if its exit status is another."""
        done = subprocess.run(  # noqa: S603
            ["/bin/bash", "-c", f"{self.output_function}\n{command}"],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=580,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    @staticmethod
    def _description(cloud: RunningCloud) -> dict[str, object]:
        local = cloud.cloud
        return {
            "endpointUrl": local.endpoint_url,
            "outputs": dict(local.outputs),
            "parameters": dict(local.parameters),
            "stackName": "durable-pipeline",
        }
