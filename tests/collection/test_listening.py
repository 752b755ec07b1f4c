"""What is heard next, what is learned from it, and how good that is by an honest measure."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.collection import listening
from vernal.collection.listening import (
    BATCH_COLUMNS,
    LoopOptions,
    choose_batch,
    fit_detector,
    gain_interval,
    lowest,
    measure,
    out_of_fold,
    random_order,
    random_share,
)
from vernal.common.problems import InputError


def season(n=600, share=0.1, seed=0):
    """Embeddings in which the class is shifted, its labels and recordings of six clips each."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    x = rng.normal(size=(n, 32)) + 1.2 * y[:, None] * (np.arange(32) < 4)
    return x.astype(np.float32), y, np.array([f"r{row // 6}" for row in range(n)])


def test_the_detector_is_the_logistic_regression_of_scikit_learn_and_of_no_order():
    from sklearn.linear_model import LogisticRegression

    x, y, _ = season(80, 0.3)
    detector = fit_detector(x, y, x[:0])
    scale = np.sqrt((x.astype(float) ** 2).mean())
    weight = np.where(y, len(y) / (2 * y.sum()), len(y) / (2 * (~y).sum()))
    model = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000).fit(x / scale, y, weight)
    expected = model.decision_function(x / scale)
    np.testing.assert_allclose(detector.logits(x), expected, atol=1e-3)
    shuffled = np.random.default_rng(1).permutation(len(y))
    np.testing.assert_allclose(fit_detector(x[shuffled], y[shuffled], x[:0]).logits(x), expected, atol=1e-3)


def test_presumed_negatives_stand_in_until_enough_are_decided():
    x, y, _ = season()
    positives, negatives = x[y], x[~y]
    alone = fit_detector(positives[:3], np.ones(3, dtype=bool), negatives[:50])
    assert alone.logits(positives[3:]).mean() > alone.logits(negatives[50:]).mean()
    known = np.arange(53) < 3
    decided = np.concatenate([positives[:3], negatives[:50]])
    some, none = (fit_detector(decided, known, presumed) for presumed in (negatives[50:100], negatives[:0]))
    assert some.bias == none.bias and np.array_equal(some.weights, none.weights)
    with pytest.raises(ValueError, match="nothing to tell the class from"):
        fit_detector(positives, np.ones(len(positives), dtype=bool), x[:0])


@given(st.integers(1, 40), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.integers(0, 100))
def test_a_batch_has_the_shares_that_were_asked_for_and_nothing_twice(batch, likely, uncertain, random, seed):
    if likely + uncertain + random == 0:
        with pytest.raises(InputError, match="not all 0"):
            LoopOptions(likely=0, uncertain=0, random=0)
        return
    options = LoopOptions(batch=batch, likely=likely, uncertain=uncertain, random=random)
    assert sum(options.shares()) == batch and min(options.shares()) >= 0
    rng = np.random.default_rng(seed)
    scores, is_open = rng.normal(size=60).astype(np.float32), rng.random(60) < 0.8
    table = choose_batch(scores, is_open, rng.permutation(60), options)
    assert table.columns.tolist() == list(BATCH_COLUMNS)
    assert len(table) == min(batch, is_open.sum()) and table.row.is_unique and is_open[table.row].all()


def test_scores_that_are_but_near_say_whom_to_score_and_exact_ones_choose(monkeypatch):
    monkeypatch.setattr(listening, "SHORTLIST", 30)
    monkeypatch.setattr(listening, "_CHUNK", 64)
    rng = np.random.default_rng(0)
    exact, order = rng.normal(size=500), rng.permutation(500)
    near, is_open = exact + rng.normal(0, 0.01, 500), rng.random(500) < 0.9
    options = LoopOptions(batch=9, likely=4, uncertain=4, random=1)
    asked = []

    def score(rows):
        asked.append(len(rows))
        return exact[rows]

    table = choose_batch(near, is_open, order, options, score)
    pd.testing.assert_frame_equal(table, choose_batch(exact, is_open, order, options))
    assert asked == [30, 30, 9], "of all others only the near scores are known"


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), max_size=60), st.integers(0, 8), st.integers(1, 9))
def test_the_lowest_are_those_of_a_plain_sort_whatever_the_blocks(values, count, chunk):
    values = np.array(values)
    is_free = np.arange(len(values)) % 5 != 3
    plain = [row for row in np.argsort(values, kind="stable") if is_free[row]][:count]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "_CHUNK", chunk)
        patch.setattr(listening, "SHORTLIST", 3)
        assert lowest(values, is_free, count, lambda rows: values[rows]).tolist() == plain


def test_what_is_likely_uncertain_and_random_is_chosen():
    scores = np.linspace(-5, 5, 101)
    order = np.arange(101)[::-1].copy()
    options = LoopOptions(batch=8, likely=2, uncertain=1, random=1)
    table = choose_batch(scores, np.ones(101, dtype=bool), order, options)
    by = table.groupby("chosen_by").row.agg(set).to_dict()
    # The random order is taken as it comes, whatever the scores; what it took is not taken twice.
    assert by == {"random": {100, 99}, "likely": {98, 97, 96, 95}, "uncertain": {50, 49}}


def test_a_longer_season_leaves_the_random_order_as_it_is():
    names = [f"c{number}" for number in range(300)]
    few, many = (np.array(names)[random_order(names[:n], 3)].tolist() for n in (200, 300))
    assert [name for name in many if name in set(few)] == few and few != names[:200]


def test_the_random_share_ends_where_somebody_has_not_decided():
    order = np.array([4, 2, 0, 1, 3])
    is_decided = np.array([False, True, True, False, True])
    assert random_share(order, is_decided).tolist() == [4, 2]
    assert random_share(order, np.ones(5, dtype=bool)).tolist() == order.tolist()
    assert random_share(order, np.zeros(5, dtype=bool)).tolist() == []


def test_nothing_of_a_recording_teaches_the_detector_that_scores_it():
    x, y, groups = season(120)
    learned: list[set[str]] = []

    def fit(mask):
        learned.append(set(groups[mask]))
        return fit_detector(x[mask], y[mask], x[:0])

    scores = out_of_fold(x, groups.tolist(), groups.tolist(), fit, seed=0)
    assert np.isfinite(scores).all() and len(learned) == 5
    assert all(sum(group not in of_fold for of_fold in learned) == 1 for group in set(groups))
    unknown = out_of_fold(x, groups.tolist(), groups.tolist(), lambda mask: None, seed=0)
    assert np.isnan(unknown).all()


@pytest.mark.simulation
def test_chosen_clips_would_flatter_the_detector_and_the_random_share_does_not():
    """Held out by recording, the random share says what the detector does on the rest; what it learned from does not."""
    flattery, error = [], []
    for seed in range(12):
        x, y, groups = season(900, 0.2, seed)
        order = random_order([f"c{row}" for row in range(900)], seed)
        heard = order[:300]
        detector = fit_detector(x[heard], y[heard], x[:0])
        rest = order[300:]
        true = measure(detector.logits(x[rest]).astype(float), y[rest], groups[rest], LoopOptions(n_draws=50))
        held_out = out_of_fold(
            x[heard], groups[heard].tolist(), groups[heard].tolist(),
            lambda mask, heard=heard, x=x, y=y: fit_detector(x[heard][mask], y[heard][mask], x[:0]), seed,
        )  # fmt: skip
        found = measure(held_out, y[heard], groups[heard], LoopOptions(n_draws=50))
        own = measure(
            detector.logits(x[heard]).astype(float), y[heard], groups[heard], LoopOptions(n_draws=50)
        )
        error.append(found["average_precision"] - true["average_precision"])
        flattery.append(own["average_precision"] - true["average_precision"])
        assert found["low"] <= found["average_precision"] <= found["high"]
    # Slightly too low, as a fifth of what is known was held back; never too good.
    assert -0.06 < np.mean(error) < 0.02 < np.mean(flattery)


def test_what_cannot_be_known_is_not_said():
    nothing = measure(np.array([0.5, 0.1]), np.array([False, False]), np.array(["a", "b"]), LoopOptions())
    assert nothing["n"] == 2 and nothing["n_positive"] == 0 and np.isnan(nothing["average_precision"])
    assert np.isnan(nothing["high"])


def test_a_gain_is_seen_where_there_is_one():
    _, y, groups = season(400, 0.3)
    rng = np.random.default_rng(0)
    good, bad = y + 0.3 * rng.normal(size=400), y + 2.0 * rng.normal(size=400)
    low, high = gain_interval(bad, good, y, groups, LoopOptions())
    assert 0.1 < low < high
    assert gain_interval(good, good, y, groups, LoopOptions()) == (0.0, 0.0)


def test_active_choice_needs_fewer_labels_than_random_choice():
    """As `tests.simulated_listening` measures on recordings."""
    from tests.simulated_listening import Season, labels_needed, learn

    needed = {}
    for name, weights in {"random": (0, 0, 1), "default": (0, 7, 1)}.items():
        mixed = dict(zip(("likely", "uncertain", "random"), weights, strict=True))
        curves = []
        for seed in range(3):
            x, y, groups = season(900, 0.05, seed)
            heard = x + 0.5 * y[:, None] * (np.arange(32) < 4)
            whole = Season(heard, y, groups, np.arange(len(y)))
            curves.append(learn(*whole.deal(seed), LoopOptions(**mixed, seed=seed)))
        needed[name] = labels_needed(np.array(curves), np.full(3, 0.75), 20).mean()
    assert needed["default"] < needed["random"] - 20
