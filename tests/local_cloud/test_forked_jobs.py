"""Jobs that are forked: to a script it is as if Python had started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_services import is_alive, wait_until

from local.local_cloud.jobs.forked_jobs import CannotForkError, ForkedProcess, JobForks
from local.local_cloud.processes import Ending

# What differs between runs of one script is left out: addresses, and the time.
SCRIPTS = {
    "its own main": """
        import __main__, sys
        print(sorted(name for name in vars() if not name.startswith("__")), __name__, __file__)
        print(vars() is vars(__main__), sys.argv, sys.path[0] == __file__.rpartition("/")[0])
        """,
    "beside it": "import helper; print(helper.__file__)",
    "nothing of the cloud": "import glue",
    "raises": "def broken():\n    raise ValueError('row 7')\nbroken()",
    "raises in handling": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('no')",
    "wrong": "print(1\n",
    "exits": "import sys; sys.exit(3)",
    "exits with a message": "import sys; sys.exit('no such column')",
    "exits at once": "import os; os._exit(4)",
    "at exit": "import atexit; atexit.register(print, 'the end'); print('begin')",
    "threads": """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.2), print("the end"))).start()
        """,
    "is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "its environment": "import os; print(sorted(os.environ.items()), os.getcwd())",
    "its input": "import sys; print(repr(sys.stdin.read()))",
    "its temporary files": "import tempfile; print(tempfile.gettempdir())",
    "signals": """
        import signal
        print([(name, signal.getsignal(name)) for name in (signal.SIGTERM, signal.SIGCHLD)])
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """,
    "its group": "import os; print(os.getpid() == os.getpgid(0) == os.getsid(0))",
    "its descriptors": "import os; print(len(os.listdir('/dev/fd')))",
    "dumps": "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__ is A)",
}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobForks]:
    made = JobForks(tmp_path_factory.mktemp("forks") / "forks.log", {"PYTHONUNBUFFERED": "1"})
    yield made
    made.stop()


def forked(forks: JobForks, script: Path, *arguments: str) -> ForkedProcess:
    directory = script.parent
    return ForkedProcess(
        forks.prepare(Path(sys.executable)),
        [str(script), *arguments],
        environment={"TMPDIR": str(directory), "GREETING": "hello", "LC_CTYPE": "C.UTF-8"},
        directory=directory,
        stdout=directory / "out",
        stderr=directory / "err",
    )


def written(directory: Path, source: str) -> Path:
    script = directory / "script.py"
    script.write_text(textwrap.dedent(source), "utf-8")
    (directory / "helper.py").write_text("", "utf-8")
    return script


@pytest.mark.parametrize("source", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_sees_what_it_sees_when_python_starts_it(
    forks: JobForks, tmp_path: Path, source: str
) -> None:
    script = written(tmp_path, source)
    started = subprocess.run(  # noqa: S603
        [sys.executable, str(script), "--of", "a job"],
        env={"TMPDIR": str(tmp_path), "GREETING": "hello", "LC_CTYPE": "C.UTF-8"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        check=False,
    )
    ending, status = forked(forks, script, "--of", "a job").wait(60)
    assert (ending, status) == (Ending.EXITED, started.returncode)
    assert (tmp_path / "out").read_bytes() == started.stdout
    assert (tmp_path / "err").read_bytes() == started.stderr


def test_jobs_of_one_interpreter_come_from_one_process(forks: JobForks, tmp_path: Path) -> None:
    parents = set()
    for _ in range(3):
        forked(forks, written(tmp_path, "import os; print(os.getppid(), end='')")).wait(60)
        parents.add((tmp_path / "out").read_text())
    assert len(parents) == 1


def test_nothing_of_one_job_is_in_the_next(forks: JobForks, tmp_path: Path) -> None:
    source = "import os, boto3; print(hasattr(boto3, 'mark'), 'MARK' in os.environ)"
    mark = "\nboto3.mark = os.environ['MARK'] = 'here'"
    for _ in range(2):
        forked(forks, written(tmp_path, source + mark)).wait(60)
        assert (tmp_path / "out").read_text() == "False False\n"


def test_what_a_job_has_started_ends_with_it(forks: JobForks, tmp_path: Path) -> None:
    source = """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid)
        """
    assert forked(forks, written(tmp_path, source)).wait(60) == (Ending.EXITED, 0)
    child = int((tmp_path / "out").read_text())
    wait_until(lambda: not is_alive(child))


def test_a_job_that_ends_late_is_stopped_with_its_group(forks: JobForks, tmp_path: Path) -> None:
    process = forked(forks, written(tmp_path, "import time; time.sleep(60)"))
    ending, status = process.wait(0.2)
    assert (ending, status) == (Ending.TIMED_OUT, -signal.SIGTERM)
    process.stop()  # again is harmless
    process.kill()


def test_remade_packages_are_imported_anew(tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    stamp = python.parent.parent / "complete.json"
    stamp.write_text("{}")
    forks = JobForks(tmp_path / "forks.log", {})
    try:
        before = forks.prepare(python)
        assert forks.prepare(python) is before
        os.utime(stamp, (1, 1))
        assert forks.prepare(python) is not before
        assert not before.ended  # its jobs may run yet
    finally:
        forks.stop()
    with pytest.raises(CannotForkError, match="stopping"):
        forks.prepare(python)


def test_a_killed_server_takes_its_jobs_along_and_is_replaced(
    forks: JobForks, tmp_path: Path
) -> None:
    source = "import os, time; print(os.getppid(), flush=True); time.sleep(60)"
    process = forked(forks, written(tmp_path, source))
    wait_until(lambda: (tmp_path / "out").read_text().endswith("\n"))
    os.kill(int((tmp_path / "out").read_text()), signal.SIGKILL)
    assert process.wait(60) == (Ending.EXITED, -signal.SIGKILL)
    if sys.platform == "linux":  # the kernel's parent-death signal
        wait_until(lambda: not is_alive(process.pid))
    assert forked(forks, written(tmp_path, "print('again')")).wait(60) == (Ending.EXITED, 0)


def test_a_server_that_does_not_start_is_reported_with_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 1\n")
    broken.chmod(0o755)
    forks = JobForks(tmp_path / "forks.log", {})
    with pytest.raises(CannotForkError, match=r"forks\.log"):
        forks.prepare(broken)
    assert "no such library" in (tmp_path / "forks.log").read_text()
    forks.stop()


def test_a_job_dies_with_the_cloud_even_when_that_is_killed(tmp_path: Path) -> None:
    source = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    owner = f"""
import pathlib, sys
from local.local_cloud.jobs.forked_jobs import ForkedProcess, JobForks
tmp = pathlib.Path({str(tmp_path)!r})
forks = JobForks(tmp / "forks.log", {{}})
process = ForkedProcess(forks.prepare(pathlib.Path(sys.executable)),
                        [{str(written(tmp_path, source))!r}], environment={{}}, directory=tmp,
                        stdout=tmp / "out", stderr=tmp / "err")
process.wait()
"""
    root, out = Path(__file__).parents[2], tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", owner], cwd=root) as process:  # noqa: S603
        wait_until(lambda: out.exists() and out.read_text().endswith("\n"))
        assert is_alive(int(out.read_text()))
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(int(out.read_text())))
