"""Open views of the page in a headless Chromium and print what its main thread worked for each."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "page"))

import chromium
from page_browser import Page
from page_world import PageWorld
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from cli.page.source import Source

LARGE: Final = 100_000
SMALL: Final = 10
LANES: Final = 300  # units of a shard, whose execution the timeline shows
PATIENCE: Final = 60.0
# Seconds of the main thread's processor time; Chrome DevTools Protocol, Performance.getMetrics.
ALL, SCRIPT = "TaskDuration", "ScriptDuration"


@dataclass(frozen=True)
class View:
    """A view, and what is in the document once it is drawn."""

    name: str
    path: str
    drawn: str


REFERENCE: Final = View("list of runs, none there", "/?dataset=none", ".runs .empty")
VIEWS: Final = (
    REFERENCE,
    View(f"run of {SMALL} units", "/runs/small", ".lane"),
    View(f"run of {LARGE:,} units", "/runs/large", ".lane"),
    View(f"units of a run of {SMALL}", "/runs/small?tab=units", "tbody tr"),
    View(f"units of a run of {LARGE:,}", "/runs/large?tab=units", "tbody tr"),
)


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time until a view is drawn, from an empty tab.

    Attributes:
        script: of them, in the page's own script.
        elements: in the document.
    """

    all: float
    script: float
    elements: int


def world() -> PageWorld:
    """Two runs that have ended, and a history of one shard."""
    made = PageWorld()
    failure = {"stage": "clean", "error_type": "JobFailed", "message": "exit status 1"}
    for run_id, number in (("small", SMALL), ("large", LARGE)):
        units = {"total": number, "stored": number - 2, "failed": 2, "notStarted": 0}
        made.put_run(run_id, "FAILED", units=units, reason=f"2 of {number:,} units failed")
        made.put_units(run_id, number, failed=2, **failure)
    functions = made.functions
    functions.add("ExecutionStarted", 0)
    for lane in range(LANES):
        functions.add("ContextStarted", 1, f"c{lane}", f"unit-{lane // 1000:05d}-{lane:03d}")
        for step, name in enumerate(("submit-job", "validate", "transform", "store-dynamodb")):
            begin = 1 + 0.1 * lane + 10 * step
            functions.operation(f"{lane}.{step}", name, begin, begin + 9, parent=f"c{lane}")
    return made


def measure(browser: Chrome, page: Page, view: View) -> Cost:
    """Open one view in an emptied tab, until it is drawn."""
    browser.get("about:blank")
    browser.execute_cdp_cmd("Performance.disable", {})
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    before = _metrics(browser)
    page.open(view.path)
    end = time.monotonic() + PATIENCE
    while not browser.find_elements(By.CSS_SELECTOR, view.drawn):
        if time.monotonic() > end:
            raise RuntimeError(f"{view.name}: nothing was drawn in {PATIENCE:.0f} s")
        time.sleep(0.2)
    after = _metrics(browser)
    elements = int(browser.execute_script("return document.querySelectorAll('*').length"))
    # Another process may draw the new document: then its counters begin with it.
    from_nothing = after[ALL] < before[ALL]
    spent = {name: after[name] - (0 if from_nothing else before[name]) for name in (ALL, SCRIPT)}
    return Cost(spent[ALL], spent[SCRIPT], elements)


def table(costs: Iterable[tuple[View, Cost]]) -> str:
    """Rows of Markdown, with the reference as 1.00."""
    found = list(costs)
    unit = found[0][1].all
    rows = [
        f"| {view.name} | {cost.all:.3f} | {cost.all / unit:.2f} | {cost.script:.3f} |"
        f" {cost.elements:,} |"
        for view, cost in found
    ]
    head = "| view | processor time, s | ratio | of it in the script, s | elements |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def middle(costs: list[Cost]) -> Cost:
    """The median of each number."""
    return Cost(
        median(cost.all for cost in costs),
        median(cost.script for cost in costs),
        int(median(cost.elements for cost in costs)),
    )


def _metrics(browser: Chrome) -> dict[str, float]:
    found = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {each["name"]: each["value"] for each in found}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="Of which the median is printed.")
    rounds = parser.parse_args().rounds
    if lacking := chromium.missing():
        raise SystemExit(lacking)
    made = world()
    with tempfile.TemporaryDirectory() as profile:
        browser = chromium.start(Path(profile))
        page = Page(browser, Source(lambda: made.deployment))
        try:
            measured: dict[View, list[Cost]] = {view: [] for view in VIEWS}
            for _ in range(rounds):
                for view in VIEWS:
                    measured[view].append(measure(browser, page, view))
        finally:
            page.close()
            browser.quit()
    print(table((view, middle(costs)) for view, costs in measured.items()))


if __name__ == "__main__":
    main()
