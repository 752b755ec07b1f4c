"""The first lines of a report: ten questions that an ecologist asks are answered there or one click away."""

import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from tests.problem_cards import CARD
from tests.reports.test_page import text_of
from vernal.clips.problem_card import make_problem_card
from vernal.clips.splits import count_splits
from vernal.reports.commands import StageCommands
from vernal.reports.lead import lead_section, question, setting_words, use_case
from vernal.reports.listening import listen_section
from vernal.sweeps.point_settings import PointSettings

AXES = {"seed": [1, 2, 3], "hidden_units": [0, 64]}


def lead_of(stage, **changed) -> str:
    results = replace(stage.results, **changed)
    bullets, *_ = lead_section(results, count_splits(stage.splits)).blocks
    return " ".join(item.text for item in bullets.items)


def with_card(at_least: float):
    wanted = CARD["performance"] | {"at_least": at_least}
    return make_problem_card(CARD | {"performance": wanted})


def test_ten_questions_of_an_ecologist_are_answered_on_the_first_screen_or_one_click_away(make_stage):
    stage = make_stage(AXES, separation=2.0)
    stage.results = replace(stage.results, card=with_card(0.5))
    results = stage.results
    listen = listen_section(results, stage.scores, stage.splits, {}, StageCommands("made"))
    page = stage.page(listen=listen)
    first = text_of(re.search(r'<section id="answer">.*?</section>', page, re.S)[0])
    at = results.numbers(results.deployed, "test_ood")
    # What was asked, and did anything help?
    assert "Does a detector of RADR change with the size of the classifier?" in page
    assert "Nothing that was tried was shown to help or to harm" in first
    # How many calls does it find at another pond, and how often is it wrong?
    found = f"{100 * at['recall']:.0f}\xa0% of {at['n_positive']:.0f} clips with RADR"
    assert f"At a site it has not heard, the recommended detector finds {found}" in first.replace(
        " %", "\xa0%"
    )
    # How long would I listen?
    assert "of listening to false alarms" in first
    # How many nights did it miss?
    assert re.search(r"It missed (none|\d+) of \d+ nights with RADR\.", first)
    # How many must I check for one true call where calls are rare?
    assert re.search(r"Where 1.% of the clips hold RADR, a person checks about \d+ flagged ones", first)
    # Is it good enough, and may I use it at another pond?
    assert "The target, average precision of at least 0.5 at a new site (test), is met" in first
    assert "You may use it at sites like those of its test" in first
    assert "It was tested at 1 site (Pond test_ood)" in first and "another site can differ" in first
    # Which clips were wrong, and how do they sound?
    assert (
        '<a href="#listen">Listen</a>' in page
        and "<h3>Missed calls</h3>" in page
        and "<h3>False alarms</h3>" in page
    )
    # Which detector is it, what trained it, how sure is it: one click.
    for target in ("deploy", "asked", "sure", "where"):
        assert f'<a href="#{target}">' in page


def test_no_parameter_is_named_in_the_first_lines(make_stage):
    stage = make_stage(AXES)
    assert "`" not in lead_of(stage)
    assert "hidden_units" not in question(stage.results) and "test_ood" not in lead_of(stage).replace(
        "Pond test_ood", ""
    )


def test_every_setting_has_words():
    for field in fields(PointSettings):
        if field.name != "seed":
            assert setting_words(field.name) != field.name.replace("_", " "), field.name
    assert setting_words("of_tomorrow") == "of tomorrow"


def test_a_shown_difference_is_named_in_words(make_stage):
    said = lead_of(make_stage(AXES, gain={64: 3.0}, separation=0.5))
    assert "A difference was shown for the size of the classifier." in said


@pytest.mark.parametrize(
    ("at_least", "case", "said"),
    [
        (0.2, "met", "You may use it"),
        (1.01, "not met", "Do not use it for what was planned."),
        (0.955, "not shown", "Use it only to find clips for a person to listen to"),
    ],
)
def test_whether_to_use_it_follows_from_the_target(make_stage, at_least, case, said):
    stage = make_stage(AXES, separation=2.0)
    results = replace(stage.results, card=with_card(0.5))
    low, high = (
        results.number(results.deployed, f"test_ood_average_precision_{end}") for end in ("low", "high")
    )
    if case == "not shown":
        at_least = (low + high) / 2
    card = with_card(at_least)
    assert use_case(replace(stage.results, card=card)) == case
    assert said in lead_of(stage, card=card)


def test_no_threshold_no_test_and_no_better_than_guessing_stand_before_any_target(make_stage, clips):
    table = clips()
    none = make_stage(splits=table[(table["split"] != "val") | ~table["is_positive"]])
    assert "cannot say yes or no: it has no threshold, because val has no positive" in lead_of(none)
    assert "Do not use it to report calls yet." in lead_of(none, card=with_card(0.1))
    assert "%" not in lead_of(none)
    only = make_stage(AXES, splits=table[~table["split"].str.startswith("test")].reset_index(drop=True))
    assert "On the clips that also chose its threshold" in lead_of(only)
    assert "Do not rely on it yet" in lead_of(only, card=with_card(0.1))
    deaf = make_stage(AXES, separation=-2.0)
    assert "not shown to do better than a guess without listening" in lead_of(deaf, card=with_card(0.1))


def test_forty_clips_of_one_site_and_one_night_claim_no_other_place(make_stage, clips):
    few = clips(nights=1).groupby("split").head(10).assign(site="Pond")
    said = lead_of(make_stage(splits=few.reset_index(drop=True)))
    assert "has not heard" not in said
    assert "Do not use it yet: it is not shown to do better" in said


def test_of_few_clips_no_share_is_given_and_nothing_is_said_of_a_night(make_stage, clips):
    few = clips().groupby(["split", "is_positive"]).head(4).reset_index(drop=True)
    stage = make_stage(splits=few, separation=0.5)
    said = lead_of(stage)
    _, tiles = lead_section(stage.results, count_splits(stage.splits)).blocks
    assert "% of 4 clips" not in said and "of 4 clips with RADR" in said
    assert "So few do not tell how many false alarms a night brings." in said
    assert [tile.value for tile in tiles.tiles[:2]] != ["–", "–"]
    assert all(tile.value.endswith(" of 4") for tile in tiles.tiles[:2]) and tiles.tiles[2].value == "–"
    assert "4 clips without RADR are too few" in said and len(tiles.tiles) == 4


def test_a_test_split_at_the_places_of_training_is_no_new_site(make_stage, clips):
    known = clips().assign(site="Pond")
    nights = known["split"] + known["night"]
    said = lead_of(make_stage(splits=known.assign(night=nights)))
    assert "At the sites it was trained on, on other nights" in said


def test_where_no_site_is_known_recorders_are_claimed_and_no_sites(make_stage, clips):
    known = clips()
    nowhere = known.assign(site=pd.Series(np.nan, index=known.index, dtype="str"))
    here = nowhere.assign(recorder_id="R1", night=known["split"] + known["night"])
    for splits, said in (
        (nowhere, "On recorders it has not heard"),
        (here, "On the recorders it was trained on, on other"),
    ):
        assert said in lead_of(make_stage(splits=splits)), said


def test_no_false_alarm_among_few_is_not_none_at_night(make_stage):
    said = lead_of(make_stage(AXES, separation=12.0))
    assert "raises no false alarm on 32 without" in said and "it can still mean up to" in said
    assert "32 clips without RADR are too few" in said


def test_tiles_are_of_one_detector_on_one_split(make_stage):
    stage = make_stage(AXES)
    _, tiles = lead_section(stage.results, count_splits(stage.splits)).blocks
    at = stage.results.numbers(stage.results.deployed, "test_ood")
    assert [tile.label for tile in tiles.tiles][:2] == [
        "of clips with RADR found",
        "of clips without it flagged",
    ]
    assert tiles.tiles[0].value == f"{100 * at['recall']:.0f}\xa0%"
    assert tiles.tiles[3].value == f"{at['missed_nights']:.0f} of {at['n_present']:.0f}"


def test_nights_that_are_not_known_are_not_counted(make_stage, clips):
    nowhere = clips().assign(recorder_id=pd.Series(dtype="str"), night=pd.Series(dtype="str"))
    said = lead_of(make_stage(AXES, splits=nowhere))
    assert "How many nights it misses is not known." in said
    too_good = "Whether it was trained on the nights of these clips is not known; if it was, these numbers are too good."
    assert too_good not in said  # another site has other nights
    assert too_good in lead_of(make_stage(AXES, splits=nowhere.assign(site="Pond")))
    assert too_good not in lead_of(make_stage(AXES))
