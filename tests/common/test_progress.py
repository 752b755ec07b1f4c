"""What a person sees while they wait."""

import io
import logging
import sys
import time

import pytest

from vernal.common import progress
from vernal.common.progress import Step, progress_bar


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.05)
    monkeypatch.setattr(progress, "_REDRAWN_AFTER_S", 0.01)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def screen(written: str) -> list[str]:
    """The lines that stay on a terminal."""
    lines = [""]
    for part in written.split("\r"):
        first, *rest = part.split("\n")
        lines[-1] = first + lines[-1][len(first) :]
        lines += rest
    return [line.rstrip() for line in lines]


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.01)


def test_a_step_that_takes_long_is_named_and_a_short_one_is_not(quick, caplog):
    caplog.set_level(logging.INFO, "vernal")
    Step("1/2  short").end()
    step = Step("2/2  long")
    wait_for(lambda: caplog.records)
    step.end()
    assert caplog.messages == ["2/2  long  1 s ..."]


def test_what_is_counted_within_a_step_is_shown_with_it(quick, caplog):
    caplog.set_level(logging.INFO, "vernal")
    step = Step("6/20  embed")
    with progress_bar(5_000, "embedding", "window") as add:
        assert step.words() == "6/20  embed  embedding: 0 of 5,000 windows, 1 s so far"
        add(1_250)
        assert step.words().startswith("6/20  embed  embedding: 1,250 of 5,000 windows, 25%, about ")
    step.end()
    assert not progress._steps and not progress._counts


def test_outside_a_step_what_is_counted_is_shown_by_itself(quick, caplog):
    caplog.set_level(logging.INFO, "vernal")
    with progress_bar(70, "listening", "MB") as add:
        add(7)
        wait_for(lambda: caplog.records)
    assert caplog.messages[0].startswith("listening: 7 of 70 MB, 10%")


def test_on_a_terminal_the_line_is_written_over_and_makes_way_for_what_is_logged(quick, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        step = Step("3/9  listen")
        wait_for(lambda: "listen" in terminal.getvalue())
        logging.getLogger("vernal").warning("Data lake: new file 5")
        step.end()
    finally:
        logging.getLogger().removeHandler(handler)
    assert screen(terminal.getvalue()) == ["Data lake: new file 5", ""]
    assert not handler.filters
