"""The built site opened in a real browser: pages, pictures, search, the lineage; nothing leaves the machine."""

import pytest

from tests.small_browser import console_errors, foreign_requests, open_browser, served, wait_for

pytestmark = pytest.mark.docs

PAGES = ("index", "tutorial", "pipelines", "study", "decisions", "reference/parameters", "reference/api")


def test_a_person_clicks_through(site, tmp_path):
    with served(site) as address, open_browser() as driver:
        for page in PAGES:
            driver.get(f"{address}{page}.html")
            assert driver.find_element("css selector", "article h1").text
            driver.save_screenshot(str(tmp_path / f"{page.replace('/', '_')}.png"))
        driver.get(f"{address}pipelines.html")
        picture = driver.find_element("css selector", ".lineage svg")
        assert picture.size["width"] > 600 and picture.size["height"] > 100
        assert driver.find_element("css selector", ".lineage .features rect").value_of_css_property(
            "fill"
        ) not in (
            "rgb(0, 0, 0)",
            "none",
        )

        driver.find_element("link text", "Sweeps").click()
        wait_for(driver, lambda _: driver.current_url.endswith("sweeps.html"))
        box = driver.find_element("css selector", "input.md-search__input")
        box.click()
        box.send_keys("near-duplicates")
        wait_for(driver, lambda _: driver.find_elements("css selector", ".md-search-result__item a"))
        driver.save_screenshot(str(tmp_path / "search.png"))

        driver.get(f"{address}lineage.html")
        driver.find_element("css selector", "a.md-button").click()
        wait_for(driver, lambda _: driver.find_elements("css selector", ".pipeline-node"))
        # In one go: the graph is drawn again while it settles, and an element of before is gone.
        words = "return [...document.querySelectorAll('.pipeline-node')].map(node => node.textContent)"
        shown = {text.strip() for text in driver.execute_script(words)}
        assert {"splits", "curated_subsets", "stage5", "stage5.report"} <= shown
        driver.save_screenshot(str(tmp_path / "lineage.png"))
        assert console_errors(driver) == []
        assert foreign_requests(driver) == []
    assert len(list(tmp_path.glob("*.png"))) == len(PAGES) + 2
