"""Driven in a headless Chromium: filter the leaderboard, open two points, build and save a sweep."""

from __future__ import annotations

import pytest

from tests.small_browser import console_errors, open_browser, wait_for
from tests.web.results.conftest import Served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(served: Served):
    with open_browser(1400, 1200) as driver:
        driver.implicitly_wait(10)
        driver.get(f"{served.address}/results?token={served.token}")
        yield driver


def find(driver, selector: str):
    return driver.find_element("css selector", selector)


def texts(driver, selector: str) -> list[str]:
    return [element.text for element in driver.find_elements("css selector", selector)]


def test_the_leaderboard_is_filtered_and_two_points_opened(browser, served):
    find(browser, 'a[href="/results/made"]').click()
    assert len(texts(browser, ".board tbody tr")) == 4
    find(browser, 'input[name="s.hidden_units"][value="64"]').click()
    find(browser, ".filters button.main").click()
    wait_for(browser, lambda _: "2 of 4 configurations" in find(browser, "#count").text)
    assert "token" not in browser.current_url
    hidden = [row.split()[2] for row in texts(browser, ".board tbody tr")]
    assert len(hidden) == 2
    browser.get(f"{served.address}/results/made?rows=points")
    find(browser, 'input[name="a"][value="made_001"]').click()
    find(browser, 'input[name="b"][value="made_003"]').click()
    browser.find_element("xpath", "//button[text()='Compare A and B']").click()
    assert "hidden_units" in wait_for(browser, lambda _: texts(browser, "main table tbody tr"))[0]
    assert console_errors(browser) == []


def test_clips_are_gone_through_by_keyboard_and_heard(browser, served):
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{served.address}/results/made/compare?a=made_001&b=made_003")
    clips = texts(browser, ".clip")
    assert clips and "right" in clips[0] and "wrong" in clips[0]
    body = find(browser, "body")
    body.send_keys("j")
    first = browser.switch_to.active_element.get_attribute("data-clip")
    browser.switch_to.active_element.send_keys("j")
    second = browser.switch_to.active_element.get_attribute("data-clip")
    browser.switch_to.active_element.send_keys("k")
    assert first and second and first != second
    assert browser.switch_to.active_element.get_attribute("data-clip") == first
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    playing = "return [...document.querySelectorAll('audio')].some(one => one.currentTime > 0 && one.src.includes(arguments[0]))"
    wait_for(browser, lambda _: browser.execute_script(playing, first))
    wait_for(browser, lambda _: find(browser, ".clip .spectrogram").get_attribute("data-drawn") == "1")
    assert console_errors(browser) == []


def test_paper_has_every_spectrogram_and_no_form(browser, served):
    browser.get(f"{served.address}/results/made/errors?point=made_001")
    clips = "return [...document.querySelectorAll('.spectrogram')].map(one => [one.dataset.drawn, one.getBoundingClientRect().top])"
    wait_for(browser, lambda _: all(drawn == "1" for drawn, _ in browser.execute_script(clips)))
    assert max(top for _, top in browser.execute_script(clips)) > 1_500, "some are far below what is seen"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not find(browser, "form").is_displayed() and not find(browser, ".tabs").is_displayed()
    assert find(browser, ".spectrogram").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert console_errors(browser) == []


def test_a_sweep_is_built_checked_and_saved(browser, served):
    browser.get(f"{served.address}/sweeps/_new")

    def field(name: str):
        return find(browser, f'input[name="text.{name}"]')

    find(browser, "#stage").send_keys("Not Good")
    field("seed").send_keys("1, 2")
    field("dropout").send_keys("0.2, 1.5")
    wait_for(browser, lambda _: "0 to below 1" in find(browser, "#problem-dropout").text)
    assert "small letters" in find(browser, "#problem-stage").text
    assert (
        field("dropout").get_attribute("aria-invalid") == "true" and not find(browser, "#save").is_enabled()
    )
    find(browser, "#stage").clear()
    find(browser, "#stage").send_keys("in_browser")
    field("dropout").clear()
    field("dropout").send_keys("0.2, 0.5")
    find(browser, '[data-setting="balance"] [data-add="true"]').click()
    wait_for(browser, lambda _: "4 points, 4 distinct runs, 2 configurations" in find(browser, "#size").text)
    assert find(browser, "#time").text and "Measured: the run of made" in find(browser, "#parts").text
    assert find(browser, "#problem-dropout").text == ""
    find(browser, "#save").click()
    wait_for(browser, lambda _: browser.current_url.endswith("/sweeps/in_browser?saved=1"))
    text = (served.project.sweeps / "in_browser.yml").read_text(encoding="utf-8")
    assert (
        text
        == "stage: in_browser\naxes:\n  seed: [1, 2]\n  dropout: [0.2, 0.5]\nbase_params:\n  balance: true\n"
    )
    assert "Run all 4 points of in_browser" in find(browser, ".run button").text
    assert not (served.project.data_root / "08_reporting" / "in_browser").exists()
    assert console_errors(browser) == []


def test_pages_read_well_in_the_dark_and_in_the_light(browser, served):
    """The picture takes its colours from the page, and no text is as dark as what is behind it."""
    colours = {}
    for theme in ("dark", "light"):
        browser.execute_script("localStorage.setItem('vernal.theme', arguments[0])", theme)
        browser.get(f"{served.address}/results/made/effects")
        script = (
            "return getComputedStyle(document.querySelector(arguments[0])).getPropertyValue(arguments[1])"
        )
        colours[theme] = (
            browser.execute_script(script, "figure svg text", "fill"),
            browser.execute_script(script, "body", "background-color"),
        )
    browser.execute_script("localStorage.setItem('vernal.theme', 'dark')")
    assert colours["dark"] != colours["light"] and all(text != ground for text, ground in colours.values())
    assert brightness(colours["dark"][0]) > brightness(colours["dark"][1]) + 100
    assert brightness(colours["light"][1]) > brightness(colours["light"][0]) + 100


def brightness(colour: str) -> float:
    return sum(map(float, colour.removeprefix("rgb(").removesuffix(")").split(",")[:3])) / 3
