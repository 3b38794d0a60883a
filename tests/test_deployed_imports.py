"""Deployed code stays light, and the orchestrator pure: seen in what their modules import."""

from __future__ import annotations

import ast
import sys

import deployed_code
import pytest
from deployed_template import functions

# What src/requirements.txt installs, by import name. A new one costs every cold start.
BUNDLED = {
    "aws_durable_execution_sdk_python",
    "aws_lambda_powertools",
    "boto3",
    "botocore",
    "pydantic",
    "pydantic_core",
    "typing_extensions",
    "yaml",
}
# `compression` is the standard library's from 3.14 on; before, backports.zstd stands in for it.
IN_DATA_LAYER = {"backports", "compression", "duckdb", "sqlglot"}
MODULES = sorted(deployed_code.modules())
PURE = [name for name in MODULES if name.startswith("durable_pipeline")]
IMPURE_MODULES = {"time", "random", "secrets", "uuid", "os", "boto3", "botocore", "pathlib", "io"}
IMPURE_CALLS = {"now", "utcnow", "today", "fromtimestamp", "open", "time", "getenv"}


def test_deployed_code_imports_only_what_is_deployed_with_it() -> None:
    allowed = BUNDLED | IN_DATA_LAYER | set(sys.stdlib_module_names)
    others = {module: deployed_code.distributions(module) - allowed for module in MODULES}
    assert {module: names for module, names in others.items() if names} == {}


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_function_that_imports_duckdb_or_sqlglot_has_the_data_layer(name: str) -> None:
    function = functions()[name]
    module = function["Handler"].rpartition(".")[0]
    heavy = {
        f"{ours} imports {theirs}"
        for ours in deployed_code.closure(module)
        for theirs in deployed_code.distributions(ours) & IN_DATA_LAYER
    }
    assert bool(heavy) == ("Layers" in function), heavy or "the layer is not needed"


def test_contracts_import_nothing_of_ours_but_contracts_and_reading_rules() -> None:
    others = {
        (module, name)
        for module in MODULES
        if module.startswith("contracts")
        for name in deployed_code.imports(module)
        if name in MODULES and not name.startswith(("contracts", "reading_rules"))
    }
    assert others == set()


@pytest.mark.parametrize("module", PURE)
def test_the_orchestrator_imports_no_step_and_no_aws(module: str) -> None:
    ours = {name.partition(".")[0] for name in deployed_code.imports(module) if name in MODULES}
    assert ours <= {"contracts", "durable_pipeline"}


@pytest.mark.parametrize("module", [name for name in PURE if name != "durable_pipeline.settings"])
def test_the_orchestrator_reads_no_clock_chance_environment_or_file(module: str) -> None:
    assert deployed_code.distributions(module) & IMPURE_MODULES == set()
    assert list(_impure_calls(deployed_code.tree(module))) == []


def _impure_calls(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in IMPURE_CALLS:
                found.append(f"line {node.lineno}: {ast.unparse(called)}()")
    return found


def test_an_impure_call_would_be_found() -> None:
    tree = ast.parse("from datetime import datetime\nlate = datetime.now()\nopen('x')")
    assert _impure_calls(tree) == ["line 2: datetime.now()", "line 3: open()"]
