"""Clips reviewed by the keyboard in a browser, as a person does it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.warm_kedro import warm_kedro

READY = "return document.body.dataset.ready === document.body.dataset.item && document.body.dataset.item"


class Reviewing:
    """`kedro review` in a process of its own.

    Args:
        env: of the process; None is this one's.
    """

    def __init__(self, project: Path, root: Path, *args: str, env: Mapping[str, str] | None = None) -> None:
        command = [warm_kedro(), "review", *args, "--no-browser", f"--params=data_root={root}"]
        self.process = subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
        )
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            found = re.search(r"Open (http://127\.0\.0\.1:\d+\S+)", line)
            if found:
                self.address = found[1]
                return
        pytest.fail(f"kedro review ended with {self.process.wait()}:\n{said}")

    def kill(self) -> None:
        os.kill(self.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.read()  # Until all that could write to it have ended.
            self.process.stdout.close()


def until(browser, script: str, seconds: float = 15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = browser.execute_script(script)
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(
        f"{script} was not true within {seconds:g} s; the page says {browser.execute_script('return document.body.innerText')}"
    )


def press(browser, keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(keys).perform()


def decide(browser, key: str) -> str:
    """Press a decision's key; the item that it was about, once the next one is ready to be heard."""
    item = until(browser, READY)
    done = int(browser.execute_script("return document.body.dataset.done"))
    press(browser, key)
    until(browser, f"return Number(document.body.dataset.done) === {done + 1}")
    return item
