"""Which tests `make test-fast` leaves to `make test`, by the processor time that they take.

Those of `slow_tests.txt` get the marker `slow`, as if it were written at them. As a plugin of
pytest (`make record-slow`) this module measures the tests that run and writes the list.
"""

from __future__ import annotations

import functools
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Final

import pytest

TESTS: Final = Path(__file__).resolve().parents[1]
LIST: Final = TESTS / "slow_tests.txt"
SECONDS: Final = 0.025  # of processor time, of an average case, on an idle machine
# The same of what decides whether effects happen once: tests that alone fail for a changed line.
SECONDS_OF_DECISIONS: Final = 0.05
DECISIONS: Final = (
    "tests/durable_pipeline/",
    "tests/remote_jobs/test_job_ledger.py",
    "tests/remote_jobs/test_submission",
    "tests/runs/test_claim",
    "tests/runs/test_retention.py",
    "tests/runs/test_stopping_runs.py",
    "tests/runs/test_superseding.py",
    "tests/validation/",
)
# Fast whatever they take: what any change of the tree may break, and what alone fails among the
# fast tests when a line is changed (of those lines that were changed to find out).
ALWAYS_FAST: Final = (
    "tests/ledger/test_attribute_names.py",
    "tests/template/",
    "tests/durable_pipeline/test_beginning_units.py::TestOperationsLeft"
    "::test_a_batch_hands_over_the_run_that_does_not_fit_beside_the_others",
    "tests/durable_pipeline/test_batch.py::test_a_run_leaves_operations_for_those_of_its_batch",
    "tests/durable_pipeline/test_pipeline.py::test_the_same_run_twice_in_a_batch_runs_once",
)
_seconds: Final[dict[str, list[float]]] = defaultdict(list)


def function_of(nodeid: str) -> str:
    """The test without its parameters."""
    return nodeid.partition("[")[0]


@functools.cache
def slow_tests() -> frozenset[str]:
    """None in a copy of the tests that leaves the list out (tests/extending)."""
    return frozenset(LIST.read_text("utf-8").split() if LIST.exists() else ())


def slow_of(seconds: Mapping[str, float]) -> list[str]:
    """The tests to list; of each file one stays fast, so that none is wholly left out."""
    quickest: dict[str, str] = {}
    for test in sorted(seconds, key=seconds.__getitem__):
        quickest.setdefault(test.partition("::")[0], test)
    return sorted(
        test
        for test, taken in seconds.items()
        if taken > (SECONDS_OF_DECISIONS if test.startswith(DECISIONS) else SECONDS)
        and test not in quickest.values()
        and test.count("/") > 1  # the tests of the whole tree are not in a folder
        and not test.startswith(ALWAYS_FAST)
    )


def _now() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    before = _now()
    result = yield
    test = function_of(item.nodeid)
    if test in slow_tests() or not item.get_closest_marker("slow"):
        _seconds[test].append(_now() - before)
    return result


def pytest_sessionfinish() -> None:
    """Write the list anew, but for tests that did not run."""
    slow = slow_of({test: mean(taken) for test, taken in _seconds.items()})
    listed = sorted({*slow, *slow_tests() - _seconds.keys()})
    LIST.write_text("".join(f"{test}\n" for test in listed), encoding="utf-8")
