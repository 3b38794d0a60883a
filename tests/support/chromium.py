"""A headless Chromium for tests of the page, or why there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

BINARIES: Final = ("chromium", "chromium-browser", "google-chrome")
DRIVERS: Final = ("chromedriver", "chromium.chromedriver")
REQUIRED: Final = os.environ.get("CHROMIUM") == "required"
_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--force-prefers-reduced-motion",
)


def _found(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def missing() -> str | None:
    """Why tests in a browser are skipped; with CHROMIUM=required they fail instead."""
    lacking = [names[0] for names in (BINARIES, DRIVERS) if _found(names) is None]
    if not lacking or REQUIRED:
        return None
    return f"no {' and no '.join(lacking)}: apt-get install chromium chromium-driver"


def start(profile: Path, width: int = 1280, lines: int = 900) -> Chrome:
    """A browser with an empty profile."""
    binary, driver = _found(BINARIES), _found(DRIVERS)
    assert binary, "there is no chromium"
    assert driver, "there is no chromedriver"
    options = ChromeOptions()
    options.binary_location = binary
    for option in (*_OPTIONS, f"--window-size={width},{lines}", f"--user-data-dir={profile}"):
        options.add_argument(option)
    return Chrome(options=options, service=Service(driver))


def resize(browser: Chrome, width: int, lines: int, *, dark: bool = False) -> None:
    """Set the size of the view itself, as a phone has it, and the scheme of colours."""
    sides = dict(zip(browser.get_window_size(), (width, lines), strict=True))
    metrics = {**sides, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
