"""The list of slow tests names tests that exist, and leaves one test of each file fast."""

from __future__ import annotations

import ast
from collections import defaultdict

from slow_tests import SECONDS, TESTS, slow_of, slow_tests


def test_every_slow_test_exists() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for test in slow_tests():
        file, _, name = test.partition("::")
        named[file].add(name)
    missing = {
        f"{file}::{name}" for file, names in named.items() for name in names - _tests_of(file)
    }
    assert missing == set(), "renamed or removed: correct tests/slow_tests.txt"


def _tests_of(file: str) -> set[str]:
    path = TESTS.parent / file
    if not path.exists():
        return set()
    body = ast.parse(path.read_text("utf-8")).body
    methods = {
        f"{each.name}::{method.name}"
        for each in body
        if isinstance(each, ast.ClassDef)
        for method in each.body
        if isinstance(method, ast.FunctionDef)
    }
    return methods | {each.name for each in body if isinstance(each, ast.FunctionDef)}


def test_the_quickest_of_a_file_and_tests_of_the_whole_tree_stay_fast() -> None:
    slow, slower = SECONDS * 1.1, SECONDS * 2
    assert slow_of(
        {
            "tests/cli/test_a.py::test_one": slow,
            "tests/cli/test_a.py::test_two": slower,
            "tests/cli/test_b.py::test_only": slower,
            "tests/cli/test_c.py::TestIt::test_slow": slow,
            "tests/cli/test_c.py::TestIt::test_quick": 0.0,
            "tests/template/test_d.py::test_gate": slower,
            "tests/template/test_d.py::test_other_gate": slow,
            "tests/test_tree.py::test_names": slower,
            "tests/test_tree.py::test_words": slow,
        }
    ) == ["tests/cli/test_a.py::test_two", "tests/cli/test_c.py::TestIt::test_slow"]
