"""The one script of report pages, in a real browser and without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.report_pages import without_own_script
from tests.small_browser import console_errors, open_browser
from vernal.reports.blocks import Fold, Section, Table, Text
from vernal.reports.clip_sounds import Clip, SoundPage
from vernal.reports.page import sections_page
from vernal.reports.page_templates import page_script, page_script_hash

ROWS = [
    [f"point {at}", f"{value:,.3f}", str(at % 3)] for at, value in enumerate([3.5, 1200.0, 0.2, 11.0] * 3)
]
UNDEFINED = ["point x", "–", "9"]
GROUPED = Table(["split", "what", "n"], [["val", "a", "1"], ["", "b", "2"], ["test", "c", "3"]])


def page_of(folder: Path) -> str:
    soundfile.write(folder / "a.wav", np.sin(np.arange(96_000) / 20), 48_000)
    sounds = SoundPage(4_800).block([Clip(folder / "a.wav", 0.0, 2.0, "confidence 0.9", "Moth01")])
    table = Table(["point", "value", "class"], [UNDEFINED, *ROWS])
    sections = [Section("table", "Table", [table, GROUPED]), Section("listen", "Listen", [sounds])]
    return sections_page("Kind", "Heading", "frog", "Does it sort?", sections)


def test_the_script_is_the_only_one_and_named_by_its_checksum(tmp_path):
    page = page_of(tmp_path)
    assert page_script() in page and f"script-src '{page_script_hash()}'" in page
    assert "<script" not in without_own_script(page)
    assert page.count("<tr>") == 3 + len(ROWS) + 3  # without a script every row stands as it is written


@pytest.mark.browser
def test_tables_sort_and_filter_and_sounds_can_be_played(tmp_path):
    (tmp_path / "page.html").write_text(page_of(tmp_path), encoding="utf-8")
    with open_browser(500, 900) as driver:
        driver.get((tmp_path / "page.html").as_uri())

        def column(at: int) -> list[str]:
            rows = driver.find_elements("css selector", "#table table:first-of-type tbody tr")
            shown = [row.find_elements("css selector", "td") for row in rows if row.is_displayed()]
            return [
                cells[at].text for cells in shown if len(cells) == 3 and cells[0].text.startswith("point")
            ]

        heads = driver.find_elements("css selector", "#table th button")
        assert [head.text for head in heads] == ["point", "value", "class"], "rows in groups are not sorted"
        heads[1].click()
        rising = sorted((row[1] for row in ROWS), key=lambda text: float(text.replace(",", "")))
        assert column(1) == [*rising, "–"]
        heads[1].click()
        assert column(1)[:3] == ["1,200.000"] * 3 and column(1)[-1] == "–"
        driver.find_element("css selector", ".filter").send_keys("POINT 1,200")
        assert column(0) == ["point 1", "point 5", "point 9"], "equal rows keep their order"
        length = driver.execute_async_script(
            "const done = arguments[0], audio = document.querySelector('audio');"
            "audio.onloadedmetadata = () => done(audio.duration); audio.onerror = () => done(-1); audio.load();"
        )
        assert length == pytest.approx(2.0, abs=0.1)
        widths = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], "nothing hangs over the edge of a phone"
        assert console_errors(driver) == []


@pytest.mark.browser
def test_on_paper_only_folds_that_answer_a_question_stand_open(tmp_path):
    folds = [Fold("Totals", [Text("26 nights")], is_printed=True), Fold("All points", [Text("120 rows")])]
    page = sections_page("Kind", "Heading", "frog", "What is printed?", [Section("folds", "Folds", folds)])
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    with open_browser(500, 900) as driver:
        driver.get((tmp_path / "page.html").as_uri())

        def opened(event: str) -> list[bool]:
            driver.execute_script("dispatchEvent(new Event(arguments[0]))", event)
            return driver.execute_script(
                "return [...document.querySelectorAll('details')].map(one => one.open)"
            )

        assert opened("beforeprint") == [True, False]
        assert opened("afterprint") == [False, False]
