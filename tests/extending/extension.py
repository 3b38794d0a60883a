"""The code of docs/extending.md, applied to a copy of the tree.

The line above a block says which file and where, so that people read it, too: "`FILE`, new:", or
"`FILE`, before `LINE`:" or after it; LINE is a whole line of the file without its indentation.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "extending.md"
COPIED = (
    "src",
    "local",
    "cli",
    "jobs",
    "tests/support",
    "tests/steps",
    "tests/durable_pipeline",
    "tests/remote_jobs",
)
# Byte code is copied: it is that of the copies, too, as they are as old and as long. What another
# worker is just writing of it has a number after its name, and is renamed meanwhile.
NOT_COPIED = shutil.ignore_patterns("*.pyc.*", "*.egg-info")
FILES = (
    "template.yaml",
    "pyproject.toml",
    "tests/conftest.py",
    "tests/test_alarms.py",
    "tests/test_own_key.py",
    "tests/test_steps.py",
    "tests/test_template.py",
)
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist")
_BLOCK = re.compile(
    r"^`(?P<file>[^`\n]+)`, (?:(?P<new>new)|(?P<where>before|after) `(?P<line>[^`\n]+)`):\n\n"
    r"```\w+\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class DoesNotFit(Exception):
    """A block's place is not in the tree."""


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        where: `new`, `before` or `after`.
        line: the line that it goes before or after, without its indentation; empty of a new file.
    """

    file: str
    where: str
    line: str
    code: str

    def applied_to(self, text: str | None) -> str:
        """The file with the block in it.

        Raises:
            DoesNotFit: the file, or exactly one such line, is not there; or a new file is.
        """
        if self.where == "new":
            if text is not None:
                raise DoesNotFit(f"{self.file}: is there already")
            return self.code
        if text is None:
            raise DoesNotFit(f"{self.file}: there is no such file")
        lines = text.splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if line.strip() == self.line]
        if len(found) != 1:
            raise DoesNotFit(f"{self.file}: {len(found)} lines are {self.line!r}, not one")
        place = found[0] + (self.where == "after")
        # Blank lines at the end of a block are none to a formatter of Markdown.
        starts = self.line.startswith(("class ", "def "))
        lines_between = 1 if lines[found[0]].startswith(" ") else 2
        gap = "\n" * lines_between if self.where == "before" and starts else ""
        return "".join([*lines[:place], self.code + gap, *lines[place:]])


def blocks(section: str) -> list[Block]:
    """The blocks under a title of the page."""
    text = PAGE.read_text(encoding="utf-8")
    body = re.split(r"^## ", text.partition(f"\n## {section}\n")[2], flags=re.MULTILINE)[0]
    return [
        Block(found["file"], found["new"] or found["where"], found["line"] or "", found["code"])
        for found in _BLOCK.finditer(body)
    ]


class Tree:
    """A copy of the tree, as far as the examples and their tests need it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in COPIED:
            shutil.copytree(ROOT / name, directory / name, ignore=NOT_COPIED)
        for name in FILES:
            shutil.copy(ROOT / name, directory / name)

    def apply(self, section: str) -> Tree:
        for block in blocks(section):
            self.apply_block(block)
        return self

    def apply_block(self, block: Block) -> None:
        path = self.directory / block.file
        text = path.read_text(encoding="utf-8") if path.exists() else None
        path.write_text(block.applied_to(text), encoding="utf-8")

    def changes(self) -> dict[str, int]:
        """How many lines were added to or removed from which file, new files included."""
        found = {}
        for path in sorted(self.directory.rglob("*")):
            name = path.relative_to(self.directory).as_posix()
            if not path.is_file() or "__pycache__" in name:
                continue
            before = (ROOT / name).read_text(encoding="utf-8") if (ROOT / name).exists() else ""
            after = path.read_text(encoding="utf-8")
            if before != after:
                lines = difflib.ndiff(before.splitlines(), after.splitlines())
                found[name] = sum(line.startswith(("+ ", "- ")) for line in lines)
        return found

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a Python module in the copy, whose code comes before that of the tree itself."""
        path = os.pathsep.join(str(self.directory / name) for name in ("src", ".", "tests/support"))
        return subprocess.run(  # noqa: S603  (our own tests)
            [sys.executable, "-m", *command],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def failures(self, *paths: str) -> str:
        """What tests in the copy printed that failed; empty if they passed."""
        ended = self.run("pytest", *OPTIONS, *paths)
        return ended.stdout + ended.stderr if ended.returncode else ""
