"""Make the virtual environments from the lock files; quick when there is nothing to do.

    python3 scripts/setup.py run     .venv with what `make run` needs, .venv-substrate
    python3 scripts/setup.py test    the same, and the tools that `make test` needs
    python3 scripts/setup.py spark   what `make run` needs, and PySpark
    python3 scripts/setup.py bench   what `make run` needs, and what `make bench-data` compares with
    python3.9 scripts/setup.py glue  .venv-glue, what a Python shell job has on Glue

    .venv/bin/python scripts/setup.py --made run    exit status 0: there is nothing to do

An environment counts as complete only once its stamp is written, last of all. One that was
interrupted, whose Python is gone or whose lock file has changed is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
ENVIRONMENTS = {  # which locks, one installed on top of the other, make up what
    "run": {".venv": ["run"], ".venv-substrate": ["substrate"]},
    "test": {".venv": ["run", "test", "samples"], ".venv-substrate": ["substrate"]},
    "spark": {".venv": ["run", "spark"], ".venv-substrate": ["substrate"]},
    "bench": {".venv": ["run", "bench"]},
    "glue": {".venv-glue": ["glue-python-shell"]},
}
SILENT_SECONDS = 5  # at most, while there is something to say
COMMAND = """#!{python}
from cli.main import main

main()
"""


class SetupError(Exception):
    """What went wrong, for people."""


class Environment:
    """One virtual environment and the stamp that records what is in it."""

    def __init__(self, name: str) -> None:
        self.path = ROOT / name
        self.python = self.path / "bin" / "python"
        self.stamp = self.path / "complete.json"

    def make_up_to_date(self, locks: list[str]) -> None:
        wanted = _digests(locks)
        installed = self._installed()
        if wanted.items() <= installed.items():
            if not self._has_command(locks):
                self._add_project()
            return
        current = {lock: _digest(LOCKS / f"{lock}.txt") for lock in installed if _exists(lock)}
        if not installed or installed != current:
            installed = {}
            print(f"Making {self.path.name} with Python {sys.version.split()[0]}", flush=True)
            venv.create(self.path, clear=True, with_pip=True)
        self.stamp.unlink(missing_ok=True)
        for lock in [lock for lock in locks if lock not in installed]:
            self._install(LOCKS / f"{lock}.txt")
        if "run" in wanted:
            self._add_project()
        part = self.stamp.with_suffix(".part")
        part.write_text(json.dumps({**installed, **wanted}), encoding="utf-8")
        part.replace(self.stamp)

    def is_up_to_date(self, locks: list[str]) -> bool:
        is_installed = _digests(locks).items() <= self._installed().items()
        return is_installed and self._has_command(locks)

    def _installed(self) -> dict[str, str]:
        """Digest by lock; empty if the environment is not there, incomplete or broken."""
        try:
            stamp: dict[str, str] = json.loads(self.stamp.read_text(encoding="utf-8"))
            subprocess.run([self.python, "-c", ""], check=True, capture_output=True)  # noqa: S603
        except (OSError, ValueError, subprocess.CalledProcessError):
            return {}
        return stamp

    def _install(self, lock: Path) -> None:
        lines = lock.read_text(encoding="utf-8").splitlines()
        count = sum("==" in line for line in lines)
        print(f"Installing {count} packages into {self.path.name} (only once)", flush=True)
        began = time.monotonic()
        options = ["--require-hashes", "--no-deps", "--no-input", "--disable-pip-version-check"]
        options += ["--progress-bar=off", "--requirement", str(lock)]
        command = [str(self.python), "-m", "pip", "install", *options]
        with subprocess.Popen(  # noqa: S603 - our own Python and lock file
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as pip:
            assert pip.stdout is not None  # noqa: S101 - asked for above
            output = _follow(pip.stdout, count)
        if pip.returncode:
            tail = "\n".join(output[-25:])
            raise SetupError(f"{tail}\npip could not install {lock.relative_to(ROOT)}.")
        print(f"  done in {time.monotonic() - began:.0f} s", flush=True)

    def _has_command(self, locks: list[str]) -> bool:
        """Whether `pipeline` is there as this release has it, if it belongs there."""
        try:
            there = (self.path / "bin" / "pipeline").read_text(encoding="utf-8")
        except FileNotFoundError:
            there = ""
        return "run" not in locks or there == COMMAND.format(python=self.python)

    def _add_project(self) -> None:
        """Make this project's packages importable, and `pipeline` a command."""
        site_packages = next(self.path.glob("lib/python*/site-packages"))
        paths = site_packages / "durable_pipeline.pth"
        paths.write_text(f"{ROOT}\n{ROOT / 'src'}\n", encoding="utf-8")
        command = self.path / "bin" / "pipeline"
        command.write_text(COMMAND.format(python=self.python), encoding="utf-8")
        command.chmod(0o755)


def _follow(lines: IO[str], count: int) -> list[str]:
    """pip's output; shows how far it is: on a terminal in one line, else a line now and then."""
    output: list[str] = []
    done, shown_at = 0, time.monotonic()
    terminal = sys.stdout.isatty()
    for line in lines:
        output.append(line.rstrip())
        if line.startswith("Collecting "):
            done += 1
            what = f"  {min(done, count)} of {count}: {line.split()[1].partition('=')[0]}"
        elif line.startswith("Installing collected packages"):
            what = f"  all {count} are here; unpacking them"
        else:
            continue
        if terminal:
            print(f"\r{what:<60}", end="", flush=True)
        elif time.monotonic() - shown_at > SILENT_SECONDS:
            print(what, flush=True)
            shown_at = time.monotonic()
    if terminal:
        print("\r" + " " * 60 + "\r", end="")
    return output


def _digests(locks: list[str]) -> dict[str, str]:
    return {lock: _digest(LOCKS / f"{lock}.txt") for lock in locks}


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _exists(lock: str) -> bool:
    return (LOCKS / f"{lock}.txt").exists()


def main() -> int:
    *options, purpose = sys.argv[1:] or [""]
    if purpose not in ENVIRONMENTS or options not in ([], ["--made"]):
        print(__doc__, file=sys.stderr)
        return 2
    if options:
        made = ENVIRONMENTS[purpose].items()
        return 0 if all(Environment(name).is_up_to_date(locks) for name, locks in made) else 1
    with (ROOT / "requirements" / "run.txt").open() as turnstile:
        fcntl.flock(turnstile, fcntl.LOCK_EX)  # a second `make` waits here for the first
        try:
            for name, locks in ENVIRONMENTS[purpose].items():
                Environment(name).make_up_to_date(locks)
        except SetupError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nInterrupted; the next make starts over.", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
