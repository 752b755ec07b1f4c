"""The queue picks what teaches, and a simulation says whether it does."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.collection.queue import Pool, QueueOptions, compare_strategies, pick_next, simulate


def pool(seed, n=600, rare=0.06):
    """Many clips of one dull kind, a few of a kind that is hard to tell from the target."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 6))
    kind = rng.random(n)
    y = kind < rare
    x[y, 0] += 3
    confuser = (kind >= rare) & (kind < 4 * rare)
    x[confuser, 0] += 2
    x[confuser, 1] += 2.5
    return Pool(x, np.array([f"site {i % 3} {20 + i % 2}" for i in range(n)]), y), np.array(
        [f"n{i // 10:03d}" for i in range(n)]
    )


@pytest.mark.simulation
def test_the_queue_learns_faster_than_chance_where_labels_are_rare():
    clips, nights = pool(0)
    options = QueueOptions(n_replicates=8, n_rounds=4)
    result = compare_strategies(simulate(clips, nights, options), options)
    assert result["verdict"] == "better" and result["low"] > 0


@pytest.mark.simulation
def test_without_anything_to_learn_no_difference_is_claimed():
    false_alarms = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        clips = Pool(rng.standard_normal((300, 4)), np.full(300, "a"), rng.random(300) < 0.4)
        options = QueueOptions(n_replicates=5, n_rounds=2, seed=seed)
        false_alarms += (
            compare_strategies(simulate(clips, np.arange(300) // 6, options), options)["verdict"] == "better"
        )
    assert false_alarms <= 2


def test_each_weight_does_what_it_says():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal([-3, 0], 0.1, (30, 2)), rng.normal([3, 0], 0.1, (30, 2))])
    labelled = Pool(x, np.full(60, "pond 21"), np.arange(60) >= 30)
    candidates = Pool(
        np.array([[-3, 0], [0, 0], [0.1, 0], [-3, 9]], dtype=float),
        np.array(["pond 21", "pond 21", "pond 21", "creek 04"]),
    )

    def first(**weights):
        zero = {"uncertainty": 0.0, "diversity": 0.0, "rarity": 0.0}
        return int(pick_next(labelled, candidates, 1, QueueOptions(**(zero | weights))).row[0])

    assert first(uncertainty=1.0) in (1, 2)
    assert first(diversity=1.0) == 3
    assert first(rarity=1.0) == 3


def test_twins_do_not_fill_the_queue():
    labelled = Pool(np.zeros((4, 2)), np.full(4, "a"), np.array([True, False, True, False]))
    twins = np.concatenate([np.full((10, 2), 5.0), np.full((10, 2), -4.0)])
    picked = pick_next(
        labelled, Pool(twins, np.full(20, "a")), 2, QueueOptions(uncertainty=0.0, diversity=1.0, rarity=0.0)
    )
    assert set(picked.row // 10) == {0, 1}


@given(st.integers(0, 25), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_picks_are_distinct_and_their_parts_in_range(size, seed):
    clips, _ = pool(seed, n=40)
    picked = pick_next(clips.part(np.arange(20)), clips.part(np.arange(20, 40)), size, QueueOptions())
    assert picked.row.is_unique and len(picked) == min(size, 20)
    assert picked[["score", "uncertainty", "diversity", "rarity", "probability"]].stack().between(0, 1).all()


def test_nothing_labelled_yet_starts_with_the_unlike():
    clips, _ = pool(1, n=30)
    nothing = Pool(np.empty((0, 6)), np.empty(0, dtype=str), np.empty(0, dtype=bool))
    picked = pick_next(nothing, Pool(clips.x, clips.cells), 5, QueueOptions())
    assert len(picked) == 5 and np.isfinite(picked.score).all()


def test_too_few_labels_to_try_it_out():
    clips, nights = pool(0, n=40)
    options = QueueOptions()
    assert compare_strategies(simulate(clips, nights, options), options)["verdict"] == "not tried"
    assert (
        compare_strategies(
            pd.DataFrame(columns=["replicate", "strategy", "n_labelled", "n_positive", "score"]), options
        )["n_replicates"]
        == 0
    )


@pytest.mark.parametrize(
    "settings",
    [{"uncertainty": -1}, {"size": 0}, {"metric": "f1"}, {"uncertainty": 0, "diversity": 0, "rarity": 0}],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"collection\.label_next"):
        QueueOptions(**settings)
