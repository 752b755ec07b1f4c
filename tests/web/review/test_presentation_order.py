"""Order, second looks and agreement."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.collection.agreement import AgreementOptions
from vernal.common.problems import InputError
from vernal.web.review.decisions import decision_table
from vernal.web.review.options import ReviewOptions
from vernal.web.review.presentation_order import (
    Presentation,
    ordered_items,
    presentation_order,
    reviewers_agree,
)

ITEMS = [f"{at:03d}" for at in range(200)]


@given(st.integers(0, 60), st.floats(0, 1), st.integers(1, 12), st.randoms(), st.integers(0, 3))
def test_every_item_comes_once_and_second_looks_keep_their_distance(n, repeats, after, random, seed):
    options = ReviewOptions(repeats=repeats, repeat_after=after, seed=seed)
    ordered = random.sample(ITEMS[:n], n)
    looks = presentation_order(ITEMS[:n], ordered, "q", "Ana", options)
    assert set(looks) == set(presentation_order(ITEMS[:n], ITEMS[:n], "q", "Ana", options))
    first = [look.item for look in looks if look.look == 1]
    assert sorted(first) == ITEMS[:n]
    assert len(set(looks)) == len(looks)
    for at, look in enumerate(looks):
        if look.look == 2:
            assert at - looks.index(Presentation(look.item, 1)) >= after


def test_about_the_share_that_was_asked_for_comes_again():
    looks = presentation_order(ITEMS, ITEMS, "q", "Ana", ReviewOptions(repeats=0.1))
    assert 8 <= len(looks) - 200 <= 32
    assert len(presentation_order(ITEMS, ITEMS, "q", "Ana", ReviewOptions(repeats=0))) == 200
    assert len(presentation_order(ITEMS, ITEMS, "q", "Ana", ReviewOptions(repeats=1, repeat_after=10))) == 390


def test_a_longer_queue_repeats_the_same_items():
    options = ReviewOptions(repeats=0.2)
    again = [
        {
            look.item
            for look in presentation_order(ITEMS[:n], ITEMS[:n], "q", "Ana", options)
            if look.look == 2
        }
        for n in (150, 200)
    ]
    assert again[0] <= again[1]


def queue_items() -> pd.DataFrame:
    return pd.DataFrame({
        "item": ["a", "b", "c", "d"], "score": [0.2, 0.9, 0.5, 0.9], "source": "field",
        "recorder_id": ["two", "one", "one", "two"], "date": "2026-04-01", "time": ["22", "23", "22", "21"],
        "file_path": "x.wav", "start_s": 0.0,
    })  # fmt: skip


def test_reviewers_repeat_other_items_and_a_random_order_is_their_own():
    items = queue_items().iloc[[0] * 200].assign(item=ITEMS)
    ana, ben = (ordered_items(items, "random", "q", who, 0) for who in ("Ana", "Ben"))
    assert ana != ben and ana != ITEMS and sorted(ana) == ITEMS
    assert ana == ordered_items(items, "random", "q", "Ana", 0)
    options = ReviewOptions(repeats=0.2)
    repeated = [
        {look.item for look in presentation_order(ITEMS, ITEMS, "q", who, options) if look.look == 2}
        for who in ("Ana", "Ben")
    ]
    assert repeated[0] != repeated[1]


@pytest.mark.parametrize(
    ("order", "names"), [("queued", "abcd"), ("place", "cbda"), ("score", "bdca"), ("uncertain", "cabd")]
)
def test_items_are_sorted_and_equal_ones_stay_as_queued(order, names):
    assert ordered_items(queue_items(), order, "q", "Ana", 0) == list(names)


def test_logits_are_least_certain_at_zero_and_unknown_orders_are_refused():
    items = queue_items().assign(score=[3.0, -0.5, 0.1, None])
    assert ordered_items(items, "uncertain", "q", "Ana", 0) == list("cbad")
    with pytest.raises(InputError, match="no order 'loud'; use queued, random"):
        ordered_items(items, "loud", "q", "Ana", 0)


def decided(rows):
    return decision_table(
        [
            {"id": str(at), "when": f"{at:03d}", "queue": "q", "item": item, "look": look, "asked": "RADR", "reviewer": who, "decision": word,
             "file_path": f"{item}.wav"}
            for at, (item, who, look, word) in enumerate(rows)
        ]
    )  # fmt: skip


def test_agreement_is_measured_between_reviewers_and_with_oneself():
    words = ["target", "not_target", "target", "not_target", "unsure", "target"]
    rows = [(f"i{at}", "Ana", 1, word) for at, word in enumerate(words)]
    rows += [
        (f"i{at}", "Ben", 1, word)
        for at, word in enumerate(["target", "not_target", "not_target", *words[3:]])
    ]
    rows += [("i0", "Ana", 2, "target"), ("i1", "Ana", 2, "target"), ("i0", "Ana", 2, "not_target")]
    table = reviewers_agree(decided(rows), AgreementOptions(n_draws=50)).set_index(["between", "coefficient"])
    assert table.value["Ana and Ben", "agreement"] == 5 / 6
    assert table.n_clips["Ana and Ben", "cohen"] == 6
    # The last word of the second look counts: i0 and i1 both differ from the first.
    assert table.value["Ana, sessions 1 and 2", "agreement"] == 0.0


def test_nothing_decided_is_nothing_to_compare():
    assert reviewers_agree(decided([]), AgreementOptions(n_draws=50)).empty
