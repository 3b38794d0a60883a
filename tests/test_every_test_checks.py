"""Every test checks something: a test without an assertion can only fail by accident."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).resolve().parent
# By name, as a helper that asserts is named: check_readers, _check_same, expect_refusal, assert_….
CHECKS: Final = re.compile(r"_?(check|expect|assert)(_\w+)?|raises|warns|fail")


def without_check(tree: ast.AST) -> list[str]:
    """The tests of a module that assert nothing and call no helper that does."""
    tests = [function for function in _functions(tree) if function.name.startswith("test_")]
    return [test.name for test in tests if not any(_is_check(node) for node in ast.walk(test))]


def _functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """But for those within others, which are no tests."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield child
        elif isinstance(child, ast.stmt):
            yield from _functions(child)


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
    return CHECKS.fullmatch(name) is not None


def test_every_test_checks_something() -> None:
    found = {
        f"{path.relative_to(TESTS)}::{name}"
        for path in TESTS.rglob("test_*.py")
        for name in without_check(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set(), "assert something, or call a helper named check_… that does"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("checked()\n    world.recheck()", ["test_a"]),
        ("world.check_rows()", []),
        ("with pytest.raises(ValueError): f()", []),
        ("for row in rows:\n        assert row", []),
    ],
)
def test_a_test_that_checks_nothing_would_be_found(body: str, found: list[str]) -> None:
    assert without_check(ast.parse(f"def test_a():\n    {body}")) == found
