"""A browser for the tests of this folder, at the page of a deployment in memory.

Selenium is imported where it is used: half a second, and most tests here need no browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from world_page import WorldPage


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    import chromium

    started = chromium.start(tmp_path_factory.mktemp("chromium"))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def served(browser: Chrome) -> Iterator[WorldPage]:
    from world_page import WorldPage

    page = WorldPage(browser)
    yield page
    page.close()


@pytest.fixture
def page(served: WorldPage) -> WorldPage:
    import chromium

    served.begin()
    chromium.resize(served.browser, 1280, 900)
    return served
