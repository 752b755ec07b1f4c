"""Several classes of a window at once, in a real browser: keys, a phone, a screen reader, one step back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.small_browser import console_errors, open_browser, wait_for
from tests.small_review import QUEUES, WINDOWS, save_windows
from vernal.web.review.options import ReviewOptions
from vernal.web.review.service import ReviewService

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
READY = "return document.body.dataset.ready === document.body.dataset.item && document.body.dataset.item"
SETTLED = "return document.body.dataset.waiting === '0' || document.body.dataset.waiting === undefined"
NINE = ["owl", "frog", "RADR", "toad", "newt", "rain", "dog", "coyote", "poorwill"]
BACK = "\ue012"
NIGHTS = replace(WINDOWS, blind=False, one_a_night=True)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with open_browser(1360, 1000) as made:
        yield made


@pytest.fixture
def opened(browser, context, serve):
    """Open the page of a sample of some labels: `service = opened(labels)`."""

    def open_page(labels: list[str], queue: str = "sample") -> ReviewService:
        save_windows(context, labels)
        bands = {"owl": (200.0, 800.0), "frog": (1800.0, 3200.0)}
        card = Card(labels, bands)
        with_card = replace(context, load=lambda name: card if name == "problem_card" else context.load(name))
        options = ReviewOptions(
            queues={**QUEUES, "sample": WINDOWS, "nights": NIGHTS},
            repeats=0.0,
            call_types={"owl": ("hoot", "bark"), "frog": ("ribbit",)},
        )
        service = ReviewService(with_card, options, "Ana")
        served = serve(service)
        browser.get(f"{served.origin}/review/queue/{queue}?reviewer=Ana&token={served.token}")
        ready(browser)
        return service

    yield open_page
    assert console_errors(browser) == []


class Card:
    """What the page asks a problem card."""

    def __init__(self, names, bands) -> None:
        self.names = self.tops = names
        self.band_of = bands.get


def ready(browser) -> str:
    return wait_for(browser, lambda page: page.execute_script(SETTLED) and page.execute_script(READY))


def press(browser, *keys: str) -> str:
    """Press keys one after another as quickly as may be; the item that is there when all are followed."""
    from selenium.webdriver.common.action_chains import ActionChains

    actions = ActionChains(browser)
    for key in keys:
        actions = actions.send_keys(key)
    actions.perform()
    return ready(browser)


def done(browser) -> int:
    return int(browser.execute_script("return document.body.dataset.done"))


def pressed(browser) -> dict[str, str]:
    """Each class by what a screen reader says of its button."""
    buttons = browser.find_elements("css selector", "#classes button")
    return {one.get_attribute("aria-label"): one.get_attribute("aria-pressed") for one in buttons}


def said(service) -> list[dict[str, str]]:
    """What was decided of each window, in order of the log."""
    log = service.log.read()
    return [
        dict(zip(rows.asked, rows.decision, strict=True))
        for _, rows in log.groupby(["file_path", "start_s"], sort=False)
    ]


def test_nine_classes_by_the_keys_1_to_9(browser, opened):
    service = opened(NINE)
    assert pressed(browser) == {f"{name}, key {at}": "false" for at, name in enumerate(NINE, 1)}
    group = browser.find_element("id", "classes")
    assert (group.get_attribute("role"), group.get_attribute("aria-label")) == ("group", "Classes")
    first = press(browser, "1", "2", "2", "9", "3", "3", "3")
    assert [*pressed(browser).values()] == ["true", "mixed", *["false"] * 6, "true"]
    assert browser.find_element("id", "rest").text == "owl, poorwill, frog?, no other"
    assert done(browser) == 0 and service.log.read().empty
    assert press(browser, "n") != first
    expected = dict.fromkeys(NINE, "not_target") | {"owl": "target", "poorwill": "target", "frog": "unsure"}
    assert said(service) == [expected]
    # None of them; all unsure but one; and a key that says nothing before anything is pressed.
    press(browser, "n")
    press(browser, "4", "u")
    press(browser, "y")
    assert "Press the number" in browser.find_element("id", "problem").text
    assert said(service)[1:] == [
        dict.fromkeys(NINE, "not_target"),
        dict.fromkeys(NINE, "unsure") | {"toad": "target"},
    ]
    assert done(browser) == 3


def test_keys_pressed_quickly_are_each_about_the_window_they_come_upon(browser, opened):
    service = opened(NINE)
    press(browser, *"1n", *"23n", *"n", *"9y")
    there = [[name for name, word in one.items() if word == "target"] for one in said(service)]
    assert there == [["owl"], ["frog", "RADR"], [], ["poorwill"]] and done(browser) == 4


def test_a_window_is_taken_back_at_once_and_marks_without_a_decision_stay(browser, opened):
    service = opened(NINE)
    first = press(browser, "1", "2")
    second = press(browser, "\ue014", "3")
    assert second != first
    assert press(browser, BACK) == first
    assert [*pressed(browser).values()][:3] == ["true", "true", "false"]
    press(browser, "n")
    assert done(browser) == 1 and len(service.log.read()) == len(NINE)
    assert press(browser, "z") == first
    assert done(browser) == 0 and service.log.read().empty
    # Of a window that is decided on, one class is corrected at once, and the correction alone is taken back.
    press(browser, "1", "n")
    press(browser, BACK)
    press(browser, "2")
    assert "You said: owl present; frog present" in browser.find_element("id", "said").text
    assert press(browser, "z") == first
    assert "You said: owl present; the others absent" in browser.find_element("id", "said").text
    browser.refresh()
    ready(browser)
    press(browser, BACK)
    assert [*pressed(browser).values()][:2] == ["true", "false"]


def test_a_correction_says_that_the_score_was_seen_and_one_that_is_not_saved_is_not_shown(browser, opened):
    service = opened(["owl", "frog"], "nights")
    press(browser, "1", "n")
    press(browser, BACK)
    wait_for(browser, lambda page: "score of owl" in page.find_element("id", "facts").text)
    press(browser, "2")
    assert service.log.read().is_score_shown.tolist() == [False, False, True]
    browser.execute_script("window.fetch = () => Promise.reject(new Error('gone'))")
    press(browser, "1")
    assert "NOT saved" in browser.find_element("id", "problem").text
    assert [*pressed(browser).values()] == ["true", "true"] and len(service.log.read()) == 3


def test_band_quality_and_call_types_are_those_of_the_class_pressed_last(browser, opened):
    service = opened(NINE)

    def told():
        types = browser.find_elements("css selector", "[data-call-type]")
        values = [browser.find_element("id", name).get_attribute("value") for name in ("low", "high")]
        return values, [one.text for one in types if one.is_displayed()]

    assert told() == (["0", "15000"], [])
    assert not browser.find_element("id", "qualities").is_displayed()
    press(browser, "1")
    assert told() == (["200", "800"], ["hoot", "bark"])
    press(browser, "q", "t", "t")
    press(browser, "2")
    assert told() == (["1800", "3200"], ["ribbit"])
    press(browser, "t", "q", "q", "4", "4", "4")
    assert told() == (["0", "15000"], [])
    press(browser, "n")
    log = service.log.read().set_index("asked")[["quality", "call_type"]].fillna("")
    assert log.quality.to_dict() == dict.fromkeys(NINE, "") | {"owl": "high", "frog": "medium"}
    assert log.call_type.to_dict() == dict.fromkeys(NINE, "") | {"owl": "bark", "frog": "ribbit"}
    assert told() == (["0", "15000"], [])


def test_a_box_is_that_of_the_class_pressed_last(browser, opened):
    service = opened(NINE)
    words = browser.find_element("id", "box-words")
    press(browser, "w")
    assert words.text == "" and "Press the number of a class" in browser.find_element("id", "problem").text
    press(browser, "1")
    press(browser, "w", "\ue007")
    assert words.text.endswith(" s, 200 to 800 Hz")
    press(browser, "2")
    assert words.text == ""
    press(browser, "n")
    log = service.log.read().set_index("asked")
    assert log.box_low_hz.dropna().to_dict() == {"owl": 200.0}
    assert (log.box_start_s > log.start_s)["owl"] and (log.box_end_s < log.end_s)["owl"]


def test_more_than_nine_come_in_pages_or_by_the_start_of_a_name(browser, opened):
    service = opened([*NINE, "great horned owl", "barn owl"])
    assert len(pressed(browser)) == 11 and [*pressed(browser)][9:] == ["great horned owl", "barn owl"]
    press(browser, "1", "p", "2")
    assert next(iter(pressed(browser))) == "owl" and [*pressed(browser)][10] == "barn owl, key 2"
    assert browser.find_element("id", "class-range").text == "keys 1 to 2: classes 10 to 11 of 11"
    press(browser, "g")
    press(browser, "Gre")
    assert browser.find_element("id", "class-match").text == "great horned owl"
    press(browser, "\ue007")
    press(browser, "n")
    (words,) = said(service)
    assert [name for name, word in words.items() if word == "target"] == [
        "owl",
        "great horned owl",
        "barn owl",
    ]


def test_a_decision_is_about_all_that_are_marked_in_the_grid(browser, opened):
    service = opened(NINE)
    press(browser, "v", "x", "\ue014", "x", "2")
    press(browser, "n")
    both = dict.fromkeys(NINE, "not_target") | {"frog": "target"}
    assert said(service) == [both, both] and done(browser) == 2
    tiles = browser.find_elements("css selector", "#grid .verdict")
    assert [tile.text for tile in tiles[:3]] == ["frog", "frog", ""]
    press(browser, "z")
    assert service.log.read().empty


def test_a_night_is_passed_over_when_all_that_it_is_queued_for_are_confirmed(browser, opened):
    # Every window is queued for owls, every second for frogs too, all of one night.
    service = opened(["owl", "frog"], "nights")
    first = ready(browser)
    assert press(browser, "1", "n") != first
    # Owls are confirmed: what is left was queued for frogs.
    rows = service.queue("nights").rows
    here = rows[rows["item"] == browser.execute_script("return document.body.dataset.item")]
    assert set(here.asked) == {"owl", "frog"}
    assert not browser.find_element("id", "end").is_displayed()
    press(browser, "2", "n")
    assert browser.find_element("id", "end").is_displayed() and done(browser) == 2
    press(browser, "z")
    assert not browser.find_element("id", "end").is_displayed()


def test_on_a_phone_the_classes_lie_under_the_thumb(browser, opened):
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        service = opened(NINE)
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= 390
        boxes = [
            one.rect
            for one in browser.find_elements("css selector", "#classes button, [data-rest], .moves button")
        ]
        assert len(boxes) == len(NINE) + 2 + 4
        for box in boxes:
            assert box["height"] >= 40 and box["x"] >= 0 and box["x"] + box["width"] <= 390
        picture = browser.find_element("id", "spectrogram").rect
        top = browser.execute_script("return document.querySelector('.thumb').getBoundingClientRect().top")
        assert picture["y"] + picture["height"] <= top
        for button in browser.find_elements("css selector", "#classes button")[1:3]:
            button.click()
        ready(browser)
        browser.find_element("css selector", "[data-rest=not_target]").click()
        wait_for(browser, lambda page: done(page) == 1)
        assert said(service) == [dict.fromkeys(NINE, "not_target") | {"frog": "target", "RADR": "target"}]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
