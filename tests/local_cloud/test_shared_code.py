"""The launcher of sandboxes imports once what functions of the same directories share."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lambda_cloud import ACCOUNT, REGION

from local.local_cloud.lambdas.functions import FunctionSpec, HostSettings
from local.local_cloud.lambdas.pool import FunctionHost
from local.local_cloud.lambdas.sandbox_process import SHARED_CODE, SharedCode

SOURCE = Path(__file__).resolve().parents[2] / "src"
HANDLER = """
import os
import contracts.messages

def about(event, context):
    found = contracts.messages
    return {"value": found.VALUE, "launcher": found.PROCESS != os.getpid(), "file": found.__file__}
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


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FunctionHost]:
    directories = {"one": code(tmp_path / "a", "1"), "other": code(tmp_path / "ab", "2")}
    functions = [
        FunctionSpec(name, "handlers.about", (directory,), timeout_seconds=10)
        for name, directory in directories.items()
    ]
    host = FunctionHost(functions, HostSettings("http://127.0.0.1:9", REGION, ACCOUNT, tmp_path))
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
        assert about(host, name) == {"value": value, "launcher": True, "file": file}


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


def test_what_the_pipelines_functions_share_is_the_same_in_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It must not read the environment, which the launcher does not have, nor open anything."""
    ours = [name for name in sys.modules if (SOURCE / name.partition(".")[0]).is_dir()]
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    shared = SharedCode([str(SOURCE)])
    shared.load()

    assert set(SHARED_CODE) <= shared.modules.keys()
    assert not shared.modules.keys() & sys.modules.keys()
    for name, module in shared.modules.items():
        imported = {
            alias.name.partition(".")[0]
            for node in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8")))
            for alias in _imported(node)
        }
        effects = {"os", "boto3", "socket", "subprocess", "threading", "random", "time", "duckdb"}
        assert not imported & effects, name


def _imported(node: ast.AST) -> list[ast.alias]:
    if isinstance(node, ast.ImportFrom):
        return [ast.alias(node.module or "")]
    return node.names if isinstance(node, ast.Import) else []
