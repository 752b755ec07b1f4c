"""A headless Chromium for the pages: it takes their pictures, and tests look at them with it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from vernal.common.problems import InputError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


class NoBrowser(InputError):
    """What pages are looked at with is not installed."""


@contextlib.contextmanager
def open_browser(width: int = 1600, height: int = 1000) -> Iterator[Any]:
    """A Chromium driver that reaches no other machine.

    Args:
        width, height: of the window, in pixels of the page.
    Raises:
        NoBrowser: Chromium, its driver or the package `selenium` is missing.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    driver_program = shutil.which("chromedriver")
    if program is None or driver_program is None or find_spec("selenium") is None:
        raise NoBrowser("Chromium, chromedriver or the package selenium is not installed.")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--mute-audio",
        f"--window-size={width},{height}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(driver_program))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver: Any, what: Callable[[Any], Any], seconds: float = 20) -> Any:
    """Wait until `what(driver)` gives something, and return it."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(
        driver, seconds, poll_frequency=0.25, ignored_exceptions=[StaleElementReferenceException]
    ).until(what)
