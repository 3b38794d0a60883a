"""The page of a deployment in memory, in a browser."""

from __future__ import annotations

from page_browser import Page
from page_world import PageWorld
from selenium.webdriver import Chrome

from cli.page.source import Source


class WorldPage(Page):
    """The page of one world at a time."""

    def __init__(self, browser: Chrome) -> None:
        self.world = PageWorld()
        self._source = Source(lambda: self.world.deployment)
        super().__init__(browser, self._source)

    def begin(self) -> None:
        """An empty world, of which nothing is remembered."""
        self.browser.get("about:blank")
        self.world = PageWorld()
        self._source.lose()
