"""The page in a browser, as a person uses it: looks, clicks, types."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from cli.page.server import PageServer
from cli.page.source import Source


class Page:
    """A browser at the page of one deployment."""

    def __init__(self, browser: Chrome, source: Source) -> None:
        self.browser = browser
        self.server = PageServer(source)
        self._thread = threading.Thread(target=self.server.serve, daemon=True)
        self._thread.start()
        self.browser.get(self.server.address)

    def close(self) -> None:
        self.browser.get("about:blank")  # its stream ends
        self.server.stop()
        self._thread.join(10)

    def open(self, path: str) -> None:
        self.browser.get(self.server.address.partition("/?")[0] + path)

    @property
    def text(self) -> str:
        return self.browser.find_element(By.TAG_NAME, "body").text

    def until(self, holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := holds():
                    return found
            except Exception as error:  # noqa: BLE001 - drawn anew between two commands
                what = f"{what} ({type(error).__name__})"[:200]
            time.sleep(0.05)
        raise AssertionError(f"not seen: {what}; the page has: {self.text[:1500]}")

    def expect(self, *texts: str) -> None:
        for text in texts:
            self.until(lambda text=text: text in self.text, text)  # type: ignore[misc]

    def click(self, text: str) -> None:
        wanted = f"//*[self::a or self::button][normalize-space(.)={text!r}]"
        self.until(lambda: self.browser.find_element(By.XPATH, wanted).click() or True, text)

    def confirm(self, label: str) -> None:
        dialog = f"//dialog//button[normalize-space(.)={label!r}]"
        self.until(lambda: self.browser.find_element(By.XPATH, dialog).click() or True, label)

    def find(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def press(self, key: str) -> None:
        ActionChains(self.browser).send_keys(key).perform()

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def violations(self) -> list[str]:
        """What axe-core finds."""
        self.run(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        found = self.browser.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
        )
        return [
            f"{each['id']}: {node['html'][:160]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]
