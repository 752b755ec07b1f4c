"""Known error rates are found again, within intervals that are as wide as they should be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.collection.consensus import (
    NO_VOTE,
    UNCHECKED,
    ConsensusOptions,
    dawid_skene,
    find_consensus,
    majority,
)

RATES = {"Ana": (0.05, 0.02), "Ben": (0.25, 0.05), "Cho": (0.12, 0.15)}


def simulate(seed, n=400, prevalence=0.35, missing=0.0, rates=RATES):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < prevalence
    rows = []
    for annotator, (miss, false_alarm) in rates.items():
        said = np.where(truth, rng.random(n) >= miss, rng.random(n) < false_alarm)
        kept = rng.random(n) >= missing
        rows += [(f"c{i:04d}", "RADR", annotator, bool(said[i])) for i in range(n) if kept[i]]
    votes = pd.DataFrame(rows, columns=["clip_id", "label", "annotator", "value"])
    clips = [f"c{i:04d}" for i in range(n)]
    return votes, pd.Series([f"r{i // 5}" for i in range(n)], index=clips), pd.Series(truth, index=clips)


def error_rates(annotators):
    wrong = annotators[annotators.true_value != annotators.said_value]
    return {(row.annotator, row.true_value): row for row in wrong.itertuples()}


@pytest.mark.simulation
def test_known_error_rates_are_found_within_their_intervals():
    inside = 0
    for seed in range(24):
        votes, blocks, _ = simulate(seed, missing=0.1)
        _, annotators = find_consensus(votes, blocks, ConsensusOptions(n_draws=60, seed=seed))
        found = error_rates(annotators)
        for annotator, (miss, false_alarm) in RATES.items():
            inside += found[annotator, True].low <= miss <= found[annotator, True].high
            inside += found[annotator, False].low <= false_alarm <= found[annotator, False].high
    assert inside / (24 * 6) >= 0.89


@pytest.mark.simulation
def test_the_model_is_right_more_often_than_the_majority():
    wrong = {"dawid_skene": 0, "vote": 0}
    rates = {"Ana": (0.03, 0.02), "Ben": (0.4, 0.3), "Cho": (0.4, 0.3)}
    for seed in range(8):
        votes, blocks, truth = simulate(seed, rates=rates)
        for method in wrong:
            consensus, _ = find_consensus(votes, blocks, ConsensusOptions(method=method, n_draws=50))
            label = consensus.set_index("clip_id").value
            wrong[method] += int((label != truth[label.index]).sum())
    assert wrong["dawid_skene"] < 0.5 * wrong["vote"]


def test_certainty_means_what_it_says():
    votes, blocks, truth = simulate(5, n=3_000)
    consensus, _ = find_consensus(votes, blocks, ConsensusOptions(n_draws=50))
    right = consensus.set_index("clip_id").value == truth
    doubtful = consensus.set_index("clip_id").probability < 0.9
    assert right[~doubtful].mean() > 0.95
    assert abs(right[doubtful].mean() - consensus.probability[doubtful.to_numpy()].mean()) < 0.08


def test_where_all_miss_the_same_hard_calls_the_model_is_too_sure_and_without_them_it_is_not():
    """Why clips that people call hard are held back: errors are taken as independent."""
    wrong, promised = {"all": [], "not hard": []}, []
    for seed in range(20):
        votes, blocks, truth = simulate(seed, n=600)
        rng = np.random.default_rng([seed, 1])
        hard = pd.Series(rng.random(600) < 0.15, index=truth.index)
        # On half of the hard calls nobody hears anything.
        nobody = truth.index[hard & truth & (rng.random(600) < 0.5)]
        votes.loc[votes.clip_id.isin(nobody), "value"] = False
        consensus, _ = find_consensus(votes, blocks, ConsensusOptions(n_draws=50, seed=seed))
        sure = consensus[consensus.is_sure].set_index("clip_id")
        is_wrong = sure.value != truth[sure.index]
        wrong["all"].append(is_wrong.mean())
        wrong["not hard"].append(is_wrong[~hard[sure.index]].mean())
        promised.append(1 - sure.probability.mean())
    assert np.mean(wrong["all"]) > 3 * np.mean(promised)
    assert np.mean(wrong["not hard"]) < 1.5 * np.mean(promised)


def test_a_quiet_place_that_one_annotator_judged_alone_makes_nobody_worse_nor_itself_unsure():
    """What nobody else judged says nothing of how its annotator errs, and half the pond's clips say nothing of it."""
    estimates = []
    for seed in range(6):
        votes, blocks, _ = simulate(seed, n=100, prevalence=0.5)
        quiet = [f"q{i:04d}" for i in range(120)]
        alone = pd.DataFrame({"clip_id": quiet, "label": "RADR", "annotator": "Ben", "value": False})
        votes = pd.concat([votes, alone], ignore_index=True)
        blocks = pd.concat([blocks, pd.Series([f"s{i // 5}" for i in range(120)], index=quiet)])
        consensus, annotators = find_consensus(votes, blocks, ConsensusOptions(n_draws=50, seed=seed))
        settled = consensus.set_index("clip_id").loc[quiet]
        assert settled.is_sure.all() and not settled.value.any()
        estimates.append(error_rates(annotators)["Ben", True].rate)
    assert np.mean(estimates) == pytest.approx(RATES["Ben"][0], abs=0.05)


def test_votes_are_counted_and_ties_are_unsure():
    rows = [
        ("a", "Ana", True),
        ("a", "Ben", True),
        ("a", "Cho", False),
        ("b", "Ana", True),
        ("b", "Ben", False),
    ]
    votes = pd.DataFrame(
        [(c, "RADR", who, v) for c, who, v in rows], columns=["clip_id", "label", "annotator", "value"]
    )
    blocks = pd.Series(["r", "s"], index=["a", "b"])
    consensus, annotators = find_consensus(votes, blocks, ConsensusOptions(method="vote", sure_from=0.6))
    first, second = consensus.itertuples()
    assert (
        first.value and first.probability == pytest.approx(2 / 3) and first.is_sure and first.n_differing == 1
    )
    assert second.probability == 0.5 and not second.is_sure and second.n_votes == 2
    assert annotators.low.isna().all()


def test_several_classes_of_one_label():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 600)
    names = np.array(["none", "owl", "frog"])
    rows = []
    for annotator, right in (("Ana", 0.95), ("Ben", 0.8), ("Cho", 0.7)):
        said = np.where(rng.random(600) < right, truth, (truth + rng.integers(1, 3, 600)) % 3)
        rows += [(f"c{i:04d}", "all classes", annotator, names[code]) for i, code in enumerate(said)]
    votes = pd.DataFrame(rows, columns=["clip_id", "label", "annotator", "value"])
    consensus, annotators = find_consensus(
        votes, pd.Series("r", index=votes.clip_id.unique()), ConsensusOptions()
    )
    assert (consensus.sort_values("clip_id").value.to_numpy() == names[truth]).mean() > 0.94
    right = annotators[annotators.true_value == annotators.said_value].groupby("annotator").rate.mean()
    assert right["Ana"] == pytest.approx(0.95, abs=0.04) and right["Cho"] == pytest.approx(0.7, abs=0.06)


@given(st.lists(st.lists(st.integers(-1, 1), min_size=3, max_size=3), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_the_fit_is_a_set_of_distributions(rows):
    patterns = np.array(rows)
    fit = dawid_skene(patterns, np.ones(len(patterns)), 2)
    for table in (fit.posterior, fit.confusion, fit.prior):
        assert np.allclose(table.sum(axis=-1), 1) and (table >= 0).all()
    shares = majority(patterns, 2)
    voted = (patterns != NO_VOTE).any(axis=1)
    assert np.allclose(shares[voted].sum(axis=1), 1)


def test_order_and_swapped_values_change_nothing():
    votes, blocks, _ = simulate(1, n=100)
    first, _ = find_consensus(votes, blocks, ConsensusOptions(n_draws=50))
    second, _ = find_consensus(
        votes.sample(frac=1, random_state=0),
        blocks.sample(frac=1, random_state=1),
        ConsensusOptions(n_draws=50),
    )
    pd.testing.assert_frame_equal(first, second)
    flipped, _ = find_consensus(votes.assign(value=~votes.value), blocks, ConsensusOptions(n_draws=50))
    assert (flipped.value.astype(bool) == ~first.value.astype(bool)).all()
    np.testing.assert_allclose(flipped.probability, first.probability, rtol=1e-6)


def test_who_shares_no_clips_is_taken_at_his_word_and_marked():
    votes, blocks, _ = simulate(2, n=200)
    alone = pd.DataFrame(
        {
            "clip_id": [f"x{i:02d}" for i in range(40)],
            "label": "RADR",
            "annotator": "Dora",
            "value": [True, False] * 20,
        }
    )
    blocks = pd.concat([blocks, pd.Series("outside", index=alone.clip_id)])
    consensus, annotators = find_consensus(pd.concat([votes, alone]), blocks, ConsensusOptions(n_draws=50))
    hers = consensus[consensus.clip_id.str.startswith("x")]
    assert hers.value.tolist() == alone.value.tolist() and hers.is_sure.all()
    assert set(hers.rests_on) == {UNCHECKED} and "Dora" not in set(annotators.annotator)
    others, rates = find_consensus(votes, blocks, ConsensusOptions(n_draws=50))
    pd.testing.assert_frame_equal(
        consensus[~consensus.clip_id.str.startswith("x")].reset_index(drop=True), others
    )
    pd.testing.assert_frame_equal(annotators, rates)


def test_two_annotators_cannot_be_told_apart_and_get_no_interval():
    votes, blocks, _ = simulate(2, n=200, rates={"Ana": (0.1, 0.1), "Ben": (0.3, 0.1)})
    _, annotators = find_consensus(votes, blocks, ConsensusOptions(n_draws=50))
    assert annotators.rate.notna().all() and annotators.low.isna().all()


def test_a_single_annotator_makes_labels_but_no_rates():
    votes, blocks, _ = simulate(2, n=50, rates={"Ana": (0.1, 0.1)})
    consensus, annotators = find_consensus(votes, blocks, ConsensusOptions())
    assert consensus.is_sure.all() and len(annotators) == 0


@pytest.mark.parametrize("settings", [{"method": "mean"}, {"sure_from": 0.5}, {"n_draws": 3}, {"level": 1.0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"collection\.consensus"):
        ConsensusOptions(**settings)
