"""Sandboxes are forked from a process that has imported what functions of their code share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lambda_cloud import ACCOUNT, REGION

from local.local_cloud.lambdas import launcher
from local.local_cloud.lambdas.functions import FunctionSpec, HostSettings
from local.local_cloud.lambdas.pool import FunctionHost
from local.local_cloud.lambdas.shared_code import SHARED_PACKAGES, SharedCode

SOURCE = Path(__file__).resolve().parents[2] / "src"
HANDLER = """
import os
import contracts.messages
PROCESS = os.getpid()

def about(event, context):
    found = contracts.messages
    return {
        "value": found.VALUE,
        "shared": found.PROCESS == os.getppid(),
        "own": PROCESS == os.getpid(),
        "file": found.__file__,
        "template": os.getppid(),
    }
"""
# Imports what every function of the pipeline imports, as a template does, and says what that did.
IMPORTED = """
import importlib, json, os, sys, threading
from local.local_cloud.lambdas import sandbox_process
from local.local_cloud.lambdas.shared_code import SharedCode

sandbox_process.preload()
others = set(sys.modules)
opened, started = len(os.listdir("/dev/fd")), threading.active_count()
effects = []
events = {"socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.system", "os.mkdir"}

def note(event, arguments):
    if event in events or event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]:
        effects.append([event, str(arguments)])

sys.addaudithook(note)
code = SharedCode([sys.argv[1]])
for handler in sys.argv[2:]:
    code.load(handler, {"AWS_LAMBDA_FUNCTION_NAME": "any"})
base = importlib.import_module("contracts.ledger_items.base")
print(json.dumps({
    "effects": effects,
    "reads": sorted(code.reads),
    "handlers": [name for name in sys.modules if name.startswith("steps.")],
    "packages": sorted({name.partition(".")[0] for name in set(sys.modules) - others}),
    "missing": [name for name in sys.argv[2:] if name.rpartition(".")[0] not in code._loaded],
    "adapters": len(base._ADAPTERS),
    "opened": len(os.listdir("/dev/fd")) - opened,
    "threads": threading.active_count() - started,
}), flush=True)
os._exit(0)
"""


def code(directory: Path, value: str) -> Path:
    """A directory with a handler and a module of the name that the pipeline's functions share."""
    (directory / "contracts").mkdir(parents=True)
    (directory / "contracts" / "__init__.py").touch()
    (directory / "handlers.py").write_text(HANDLER, "utf-8")
    write(directory, value)
    return directory


def write(directory: Path, value: str) -> None:
    shared = f"import os\nPROCESS = os.getpid()\nVALUE = {value}\n"
    (directory / "contracts" / "messages.py").write_text(shared, "utf-8")


def hosted(tmp_path: Path, **functions: tuple[Path, dict[str, str]]) -> FunctionHost:
    specs = [
        FunctionSpec(name, "handlers.about", (directory,), environment, timeout_seconds=10)
        for name, (directory, environment) in functions.items()
    ]
    return FunctionHost(specs, HostSettings("http://127.0.0.1:9", REGION, ACCOUNT, tmp_path))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FunctionHost]:
    one, other = code(tmp_path / "a", "1"), code(tmp_path / "ab", "2")
    host = hosted(tmp_path, one=(one, {}), beside=(one, {}), other=(other, {}))
    host.start()
    yield host
    host.stop()


def about(host: FunctionHost, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.invoke(name, "$LATEST", b"{}").payload)
    return found


@pytest.mark.cloud
def test_functions_of_other_directories_share_nothing(host: FunctionHost, tmp_path: Path) -> None:
    for name, value, directory in (("one", 1, "a"), ("other", 2, "ab"), ("one", 1, "a")):
        host.kill_sandboxes(name)
        file = str(tmp_path / directory / "contracts" / "messages.py")
        found = about(host, name)
        assert (found["value"], found["file"]) == (value, file)
        assert found["shared"]
        assert found["own"]


@pytest.mark.cloud
def test_a_new_sandbox_has_the_code_as_it_is_now(host: FunctionHost, tmp_path: Path) -> None:
    assert about(host, "one")["value"] == 1
    write(tmp_path / "a", "11111")
    assert about(host, "one")["value"] == 1, "as on AWS: what runs stays as it is"
    host.kill_sandboxes("one")
    assert about(host, "one")["value"] == 11111

    write(tmp_path / "a", "(")
    host.kill_sandboxes("one")
    assert about(host, "one")["errorType"] == "Runtime.UserCodeSyntaxError"

    write(tmp_path / "a", "3")
    assert about(host, "one")["value"] == 3


@pytest.mark.cloud
def test_code_is_shared_where_it_reads_the_same_of_the_environment(tmp_path: Path) -> None:
    reads_mode = code(tmp_path / "code", 'os.environ.get("MODE", "none")')
    environments = {"a": {"MODE": "x", "A": "1"}, "b": {"MODE": "x"}, "c": {"MODE": "y"}, "d": {}}
    host = hosted(tmp_path, **{name: (reads_mode, of) for name, of in environments.items()})
    host.start()
    try:
        found = {name: about(host, name) for name in environments}
        assert [found[name]["value"] for name in environments] == ["x", "x", "y", "none"]
        assert all(found[name]["shared"] for name in environments)
        assert len(host._launcher._templates[(str(reads_mode),)]) == 3
    finally:
        host.stop()


@pytest.mark.cloud
def test_code_that_reads_what_each_function_has_of_its_own_is_imported_by_each(
    tmp_path: Path,
) -> None:
    variable = '"AWS_LAMBDA_FUNCTION_NAME"'
    for number, reading in enumerate((f"os.environ[{variable}]", f"dict(os.environ)[{variable}]")):
        directory = code(tmp_path / str(number), reading)
        names = [f"function-{number}-{each}" for each in range(launcher.TEMPLATES_AT_MOST + 2)]
        host = hosted(tmp_path, **dict.fromkeys(names, (directory, {})))
        host.start()
        try:
            found = [about(host, name) for name in names]
            assert [each["value"] for each in found] == names
            assert not found[-1]["shared"]
            templates = host._launcher._templates[(str(directory),)]
            assert len(templates) == launcher.TEMPLATES_AT_MOST
        finally:
            host.stop()


@pytest.mark.cloud
def test_a_template_that_was_killed_is_replaced(host: FunctionHost) -> None:
    before = about(host, "one")
    os.kill(before["template"], signal.SIGKILL)
    after = about(host, "beside")
    assert after == {**before, "template": after["template"]}
    assert after["template"] != before["template"]


def test_what_the_pipelines_functions_share_is_the_same_in_each() -> None:
    """It must not read what differs between them, nor open or start anything."""
    steps = sorted(file.stem for file in (SOURCE / "steps").glob("[a-z]*.py"))
    handlers = [f"steps.{step}.handler" for step in steps]
    shown = subprocess.run(  # noqa: S603
        [sys.executable, "-c", IMPORTED, str(SOURCE), *handlers, "durable_pipeline.app.handle"],
        capture_output=True,
        text=True,
        check=True,
        cwd=SOURCE.parent,
    )
    found = json.loads(shown.stdout.splitlines()[-1])
    # Of the log, pydantic and boto3's default session: the template sets them alike for all.
    prefixes = ("POWERTOOLS_", "PYDANTIC_", "AWS_LAMBDA_LOG_")
    of_all = {
        "AWS_CONFIG_FILE",
        "AWS_DATA_PATH",
        "AWS_DEFAULT_PROFILE",
        "AWS_EXECUTION_ENV",
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "DURABLE_EXECUTION_PLUGINS",
        "HOME",
        "LOG_LEVEL",
    }
    assert {name for name in found["reads"] if not name.startswith(prefixes)} <= of_all
    assert set(SHARED_PACKAGES) <= set(found["packages"])
    assert found["adapters"] >= 15
    assert found["opened"] == found["threads"] == 0
    assert not (found["effects"])
    assert not (found["handlers"])
    assert not (found["missing"])


def test_all_packages_of_functions_but_their_handlers_are_shared() -> None:
    packages = {file.parent.name for file in SOURCE.glob("*/__init__.py")}
    assert packages - {"steps"} == set(SHARED_PACKAGES)


def test_nothing_is_left_of_the_environment_that_code_was_imported_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "1")
    kind, path = type(os.environ), list(sys.path)
    SharedCode([str(code(tmp_path / "a", "1"))]).load("handlers.about", {"MODE": "x"})
    assert type(os.environ) is kind
    assert sys.path == path
    assert os.environ["OURS"] == "1"
    assert "MODE" not in os.environ
