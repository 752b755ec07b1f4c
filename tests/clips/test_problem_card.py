"""A problem card is checked whole, and its verdict never says more than the interval does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.problem_cards import CARD
from vernal.clips.problem_card import NOT_ASKED, card_of, make_problem_card, read_problem_card, verdict
from vernal.common.problems import InputError


def test_the_projects_own_card_is_valid(project):
    card = read_problem_card(project / "conf" / "base" / "problem.yml")
    assert card.target in card.names and card.performance.at_least


def test_hierarchy_and_spellings(card):
    assert card.lineage("grunt") == ["grunt", "RADR"]
    assert card.find("rana DRAYTONII ") == "RADR" and card.find("wolf") is None
    assert card.band_of("growl") == (200.0, 1200.0) and card.band_of("owl") is None
    assert card.kinds_of_target() == ["grunt", "growl"]


@pytest.mark.parametrize(
    ("value", "low", "high", "status"),
    [
        (0.9, 0.8, 0.95, "met"), (0.9, 0.79, 0.95, "not shown"), (0.7, 0.6, 0.8, "not shown"),
        (0.7, 0.6, 0.79, "not met"), (math.nan, math.nan, math.nan, "not measured"), (0.9, math.nan, math.nan, "not shown"),
    ],
)  # fmt: skip
def test_verdicts_follow_the_interval(card, value, low, high, status):
    found = verdict(card, value, low, high)
    assert found.status == status
    assert "average precision of at least 0.8 at a new site (test)" in found.sentence


def test_where_nobody_wrote_a_card_nothing_is_asked_for():
    card = card_of("owl")
    assert (card.target, card.names, card.world, card.wanted) == ("owl", ["owl"], "open", "")
    found = verdict(card, 0.9, 0.8, 0.95)
    assert found.status == NOT_ASKED and "owl" in found.sentence


def test_a_target_may_be_an_upper_limit(card_values):
    card_values["performance"] = {
        "metric": "false alarms a night",
        "split": "test_ood",
        "at_most": 5,
        "condition": "at a recall of 0.9",
    }
    card = make_problem_card(card_values)
    assert verdict(card, 3, 2, 4).status == "met" and verdict(card, 7, 6, 8).status == "not met"
    assert verdict(card, 3, 2, 6).status == "not shown"
    assert "at most 5 at a new site (test), at a recall of 0.9" in verdict(card, 3, 2, 4).sentence


def test_a_target_is_on_a_split_that_is_measured(card_values):
    card_values["performance"]["split"] = "test_odd"
    with pytest.raises(
        InputError, match=r"unknown split of performance .*'test_odd'.*did you mean 'test_ood'"
    ):
        make_problem_card(card_values)


def test_everything_wrong_is_told_at_once(card_values):
    card_values |= {"targt": "x", "labelling": "multiple", "users": ""}
    card_values["performance"] = {"metric": "recall", "at_least": "high"}
    card_values["classes"] += [
        {"name": "purr", "parent": "RADRR"}, {"name": "OWL"}, {"name": "negative"}, {"nme": "x"},
        {"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}, {"name": "c", "band_hz": [900, 100]},
    ]  # fmt: skip
    with pytest.raises(InputError) as error:
        make_problem_card(card_values)
    for words in (
        "did you mean 'target'", "did you mean 'multi'", "missing entry (1): users", "performance incomplete",
        "purr: 'RADRR' (did you mean 'RADR'?)", "spelling of two classes (1): owl", "reserved name (1): negative",
        "class without name", "class above itself (2): a; b", "c: [900, 100]",
    ):  # fmt: skip
        assert words in str(error.value)


def test_a_band_beyond_all_hearing_is_no_band(card_values):
    card_values["classes"] += [{"name": "a", "band_hz": [200, 10**400]}]
    with pytest.raises(InputError, match=r"band not understood \(1\): a: \[200, 10000"):
        make_problem_card(card_values)


def test_a_target_must_be_among_the_classes(card_values):
    with pytest.raises(InputError, match=r"target is no class .*did you mean 'RADR'"):
        make_problem_card({**card_values, "target": "RADRS"})


def test_cards_that_are_none(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_problem_card(tmp_path / "absent.yml")
    (tmp_path / "empty.yml").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="is empty"):
        read_problem_card(tmp_path / "empty.yml")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "parent", "metric", "split", "at_least", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*CARD, "other"]), PLAIN, max_size=10))
def test_any_content_is_a_card_or_refused_in_words(content):
    try:
        make_problem_card(CARD | content)
    except InputError as error:
        assert "The problem card" in str(error)
