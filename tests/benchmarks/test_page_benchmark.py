"""The benchmark of the page measures what it says, on runs of few units."""

from __future__ import annotations

from pathlib import Path

import chromium
import pytest
from page_browser import Page

from benchmarks.page import __main__ as benchmark
from benchmarks.page.__main__ import REFERENCE, VIEWS, Cost, measure, middle, table, world
from cli.page.source import Source

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_the_reference_is_one_and_the_others_are_beside_it() -> None:
    costs = [(REFERENCE, Cost(0.5, 0.1, 40)), (VIEWS[1], Cost(1.25, 0.2, 1800))]
    assert table(costs).splitlines()[2:] == [
        "| list of runs, none there | 0.500 | 1.00 | 0.100 | 40 |",
        "| run of 10 units | 1.250 | 2.50 | 0.200 | 1,800 |",
    ]
    assert middle([Cost(3, 1, 5), Cost(1, 2, 7), Cost(2, 3, 6)]) == Cost(2, 2, 6)


@pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing()))
def test_every_view_is_drawn_and_takes_some_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "LARGE", 250)
    monkeypatch.setattr(benchmark, "LANES", 120)
    made = world()
    browser = chromium.start(tmp_path)
    page = Page(browser, Source(lambda: made.deployment))
    try:
        costs = [measure(browser, page, view) for view in VIEWS]
    finally:
        page.close()
        browser.quit()
    assert min(cost.all for cost in costs) > 0
    small, large = costs[1].elements, costs[2].elements
    assert costs[0].elements < small <= large
