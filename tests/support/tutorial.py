"""docs/tutorial.md: its commands, a clone to type them in, and what is equal in two outputs.

Run as a program it types the commands, and writes what they print into the page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from forked_pipeline import ForkedPipeline
from running_cloud import ROOT, RunningCloud
from typed_commands import Terminal

from local.local_cloud.cloud import LocalCloud

PAGE = ROOT / "docs" / "tutorial.md"
PATIENCE_SECONDS = 150  # an alarm looks at whole minutes
# Commands that show what comes by itself, with the seconds after which it is there.
AWAITED = {"pipeline dead-letters show fourth": 10, "pipeline doctor": 90}
CLONED = ("cli", "datasets", "jobs", "local", "requirements", "sql", "src")
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from one reader to the next.
_VARIES = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\bversion [0-9a-f]{12}\b"), "version VERSION"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "TIME"),
    (re.compile(r"20(?!26-11-0[12])\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?"), "TIME"),
    (re.compile(r"\b20(?!26-11-0[12])\d\d-\d\d-\d\d\b"), "DAY"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms|min)\b"), "DURATION"),
    (re.compile(r"resent/[0-9a-f]+"), "resent/DIGEST"),
    (re.compile(r"[ ━─]+"), " "),  # columns are as wide as what is in them
    (re.compile(r"[╇┃│]"), "|"),
)


@dataclass
class Typed:
    """A command of the page.

    Attributes:
        lines: as the page has them, prompts included.
        output: what it prints.
    """

    lines: list[str]
    output: list[str]

    @property
    def command(self) -> str:
        return "\n".join(line[2:] for line in self.lines)


def blocks(page: str) -> Iterator[list[Typed]]:
    """The commands of each block."""
    for block in _BLOCK.finditer(page):
        typed: list[Typed] = []
        for line in block[1].splitlines():
            if line.startswith("$ "):
                typed.append(Typed([line], []))
            elif line.startswith("> ") and not typed[-1].output:
                typed[-1].lines.append(line)
            else:
                typed[-1].output.append(line)
        yield typed


def masked(lines: list[str]) -> list[str]:
    """The lines without what varies."""
    text = "\n".join(line.rstrip() for line in lines if line.strip(" ━╇─┼"))
    for pattern, instead in _VARIES:
        text = pattern.sub(instead, text)
    return [line.strip() for line in text.splitlines()]


class Clone:
    """A copy of the tree beside a running local cloud, and a terminal in it."""

    def __init__(self, cloud: RunningCloud, directory: Path) -> None:
        self._terminal = Terminal(cloud, directory)
        (directory / "datasets").unlink()
        for name in CLONED:
            # With the byte code, but what another process is just writing of it.
            ignored = shutil.ignore_patterns("*.pyc.*")
            shutil.copytree(ROOT / name, directory / name, ignore=ignored)
        for name in ("pools.yaml", "template.yaml", "pyproject.toml"):
            shutil.copy(ROOT / name, directory)
        paths = {"PYTHONPATH": f"{directory / 'src'}:{directory}", "COLUMNS": "100"}
        self._terminal.environment |= {**paths, "NO_COLOR": "1"}
        self._pipeline = ForkedPipeline(self._terminal.environment)
        (directory / "bin" / "pipeline").write_text(self._pipeline.program())

    def close(self) -> None:
        self._pipeline.close()

    def type(self, command: str) -> list[str]:
        """What it prints, on either stream, in the order of its lines."""
        done = subprocess.run(  # noqa: S603
            ["/bin/bash", "-c", f"{self._terminal.output_function}\n{command}"],
            cwd=self._terminal.directory,
            env=self._terminal.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=180,
        )
        return done.stdout.splitlines()

    def type_until(self, command: str, output: list[str]) -> list[str]:
        """The same once it prints this; what it printed last, if it does not in time."""
        began, printed = time.monotonic(), self.type(command)
        while masked(printed) != masked(output) and time.monotonic() - began < PATIENCE_SECONDS:
            time.sleep(10)
            printed = self.type(command)
        return printed


def record() -> None:
    page = PAGE.read_text(encoding="utf-8")
    made = tempfile.mkdtemp()
    with (
        LocalCloud(ROOT / "template.yaml", Path(made), port=0, redelivery_seconds=2) as cloud,
        closing(Clone(RunningCloud(cloud, with_sample=False), Path(tempfile.mkdtemp()))) as clone,
    ):

        def recorded(block: re.Match[str]) -> str:
            lines: list[str] = []
            for typed in next(blocks(block[0])):
                if typed.command in AWAITED:
                    time.sleep(AWAITED[typed.command])
                lines += [*typed.lines, *(line.rstrip() for line in clone.type(typed.command))]
            return "\n".join(["```console", *lines, "```"])

        page = _BLOCK.sub(recorded, page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    record()
