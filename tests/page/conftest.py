"""A browser for the tests of this folder, at the page of a deployment in memory."""

from __future__ import annotations

from collections.abc import Iterator

import chromium
import pytest
from selenium.webdriver import Chrome
from world_page import WorldPage


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    started = chromium.start(tmp_path_factory.mktemp("chromium"))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def served(browser: Chrome) -> Iterator[WorldPage]:
    page = WorldPage(browser)
    yield page
    page.close()


@pytest.fixture
def page(served: WorldPage) -> WorldPage:
    served.begin()
    chromium.resize(served.browser, 1280, 900)
    return served
