"""What all tests share, and in which order they run."""

from __future__ import annotations

import atexit
import functools
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import reused_duckdb  # noqa: F401
from logging_on import turn_on
from slow_tests import function_of, slow_tests
from spark_here import missing

from local.local_cloud.lambdas.sandbox_process import share_service_descriptions

HERE: Final = Path(__file__).parent
# What waits most comes first: others compute meanwhile. Files that share a cloud are one unit of
# work, because its 21 functions start cold in every worker that makes one. All of end_to_end in one
# worker would take longer than all else in the others, so that there are three such units; what
# makes its own cloud is by itself.
CLOUDS: Final = "end_to_end"
BOTH_CLOUDS: Final = ("test_arrivals.py", "test_five_designs.py")  # of its conftest.py
DECIDED: Final = (
    *("test_decisions.py", "test_stopping.py", "test_stopping_one_run.py", "test_operator.py"),
    *("test_verify.py", "test_sending_corrected_rows.py", "test_permanent_failures.py"),
)
OWN_CLOUD: Final = (
    *("test_tutorial.py", "test_contention.py", "test_pools.py", "test_many_messages.py"),
)
# Longest first, so that no worker ends alone on a long file. What is not named comes after.
SLOW_FIRST: Final = (
    CLOUDS,
    *(f"{CLOUDS}/{name}" for name in BOTH_CLOUDS),
    *(f"{CLOUDS}/{name}" for name in DECIDED),
    "spark/test_verify_engines.py",
    "spark",
    *(f"{CLOUDS}/{name}" for name in OWN_CLOUD),
    "cli/test_demo.py",
    "benchmarks/test_dirt_memory.py",
    "jobs/test_functions_agree.py",
    "upgrade",
    "benchmarks",
    "jobs/test_clean_csv.py",
    "extending",
    "permissions",
    "integration",
    "page/test_views_in_browser.py",
    "page/test_page_in_browser.py",
    "properties",
    "reading/test_chunks.py",
    "durable_pipeline/test_beginning_units.py",
    "local_cloud",
)

# As `make test-fast` selects, and what says of a whole file that nothing of it is selected.
FAST: Final = "not cloud and not slow"
NOT_FAST: Final = re.compile(
    r"^pytestmark = (?:\[[^\]]*?)?pytest\.mark\.(?:cloud|slow)\b", re.MULTILINE
)

# The interpreter collects after 2,000 new objects, which a request to moto makes: 5 % of all time.
MADE_UNTIL_COLLECTED: Final = 50_000

# moto gives every test a new default session, and every session parses the descriptions of its
# services anew. They never change: once per process will do.
share_service_descriptions()
atexit.register(gc.unfreeze)  # the interpreter collects it; what pytest collects before is slow


@functools.cache
def _turn(path: Path) -> int:
    for place in (path, *path.parents):  # a file may have another turn than its folder
        if HERE in place.parents and (name := str(place.relative_to(HERE))) in SLOW_FIRST:
            return SLOW_FIRST.index(name)
    return len(SLOW_FIRST)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file, and no conftest.py of a folder, of which all tests would be deselected."""
    if config.option.markexpr != FAST or HERE not in collection_path.parents:
        return None
    if collection_path.is_dir():
        files = list(collection_path.rglob("test_*.py"))
        return bool(files) and all(map(_is_slow, files)) or None
    return _is_slow(collection_path) or None


@functools.cache
def _is_slow(file: Path) -> bool:
    return file.suffix == ".py" and bool(NOT_FAST.search(file.read_text("utf-8")))


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Spark where there is none, and say why; put what takes long first."""
    for item in items:
        if function_of(item.nodeid) in slow_tests():
            item.add_marker(pytest.mark.slow)
    marked = [item for item in items if item.get_closest_marker("spark")]
    lacking = missing() if marked else None
    for item in marked:
        item.add_marker(pytest.mark.slow)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))  # Java starts slowly on a busy machine
        item.add_marker(pytest.mark.xdist_group("spark"))  # one Java, not one per worker
        if lacking:
            item.add_marker(pytest.mark.skip(reason=lacking))
    # Stable: inside of a file and a folder the order stays.
    items.sort(key=lambda item: _turn(item.path))


def pytest_collection() -> None:
    """Most of what is made from now on stays: modules, classes, tests."""
    gc.freeze()  # xdist's controller collects no tests, so that this is all that it has
    gc.disable()


def pytest_collection_finish() -> None:
    """What is there now stays to the end: the collector need not look at it again and again."""
    gc.freeze()
    gc.set_threshold(MADE_UNTIL_COLLECTED, 20, 100)
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # after the teardown of every fixture
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail the test that leaves the log off, instead of a later one that reads the log."""
    yield
    if left := turn_on():
        pytest.fail(f"{item.nodeid} left the log off: {left}", pytrace=False)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Of workers of xdist: report a test once, not three times and that it begins.

    What is left out says nothing unless it is asked for: that a fixture was made or taken down.
    """
    options = session.config.option
    plugins = session.config.pluginmanager.get_plugins()
    worker: Any = next((plugin for plugin in plugins if hasattr(plugin, "sendevent")), None)
    if worker is None or options.durations or options.verbose > 0:
        return
    send = worker.sendevent

    def send_news(name: str, **about: Any) -> None:
        report = about.get("data", {}) if name == "testreport" else {}
        is_usual = report.get("when") in ("setup", "teardown") and report["outcome"] == "passed"
        if name != "logstart" and not is_usual:
            send(name, **about)

    worker.sendevent = send_news


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OneUnitPerCloud(LoadFileScheduling):
        """Files are what workers get, but for those that share a cloud: they stay together."""

        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            folder, _, name = file.rpartition("/")
            if folder != f"{HERE.name}/{CLOUDS}" or name in OWN_CLOUD:
                return file
            units = [unit for unit in (BOTH_CLOUDS, DECIDED) if name in unit]
            return f"{folder} {units[0][0] if units else 'others'}"

    return OneUnitPerCloud(config, log)
