import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import simulated_studies
from tests.simulated_studies import Kind
from vernal.evaluation import effects

# Machines that run tests are slow at times; that is no finding.


def made_plan(seeds=(1, 2, 3), **axes):
    rows = [
        {"seed": seed, **dict(zip(axes, levels, strict=True))}
        for seed in seeds
        for levels in itertools.product(*axes.values())
    ]
    names = [f"p{at:03d}" for at in range(len(rows))]
    return pd.DataFrame(rows).assign(point=names, config_hash=names, is_edited=False)


def run(plan, values, axes=None, n_draws=200, sampling_sd=0.001, **more):
    """Effects with nights that move every run by the same small amounts."""
    shared = np.random.default_rng(0).normal(0, sampling_sd, n_draws)
    runs = dict(zip(plan.config_hash, values, strict=True))
    draws = {name: value + shared for name, value in runs.items()}
    return effects.effects(effects.contrasts(plan, axes, **more), runs, draws, 20.0)


def test_an_effect_is_the_mean_difference_over_pairs():
    plan = made_plan(balance=[True, False], subset=["none", "a"])
    values = plan.seed * 0.01 + (plan.subset == "a") * 0.1 + plan.balance * (plan.subset == "a") * 0.06
    table = run(plan, values)
    main = table[(table.axis == "subset") & (table.within == "")].iloc[0]
    assert (main.level_a, main.level_b, main.n_pairs, main.n_seeds) == ("none", "a", 6, 3)
    assert main.effect == pytest.approx(0.13)
    within = table[(table.axis == "subset") & (table.within != "")].set_index("within").effect
    assert within["balance=true"] == pytest.approx(0.16) and within["balance=false"] == pytest.approx(0.10)


def test_a_difference_shared_by_all_pairs_is_told_with_its_direction():
    rng = np.random.default_rng(1)
    plan = made_plan(range(5), subset=["none", "a", "b"], dropout=[0.0, 0.5])
    noise = rng.normal(0, 0.002, len(plan))
    table = run(plan, (plan.subset == "a") * 0.1 - (plan.subset == "b") * 0.1 + noise)
    verdicts = table[table.within == ""].set_index(["axis", "level_b"]).verdict
    assert verdicts["subset", "a"] == effects.HIGHER
    assert verdicts["subset", "b"] == effects.LOWER
    assert verdicts["dropout", "0.5"] == effects.NO_DIFFERENCE


def test_swapping_the_levels_turns_the_effect_round():
    rng = np.random.default_rng(2)
    plan = made_plan(subset=["none", "a"], dropout=[0.0, 0.5])
    values = rng.normal(size=len(plan))
    backwards = plan.iloc[::-1].reset_index(drop=True)
    one, other = run(plan, values, ["subset"]), run(backwards, values[::-1], ["subset"])
    assert other.effect[0] == pytest.approx(-one.effect[0])
    assert (other.low[0], other.high[0]) == pytest.approx((-one.high[0], -one.low[0]))
    assert other.p[0] == pytest.approx(one.p[0])


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_within_a_level_changes_nothing(random):
    rng = np.random.default_rng(3)
    plan = made_plan(subset=["none", "a", "b"]).assign(value=lambda t: rng.normal(size=len(t)))
    order = random.sample(range(len(plan)), len(plan))
    order.sort(key=lambda at: plan.subset[at] != "none")  # the first level stays the first
    one, other = (
        run(table, table.value).set_index(["level_a", "level_b"]) for table in (plan, plan.iloc[order])
    )
    numbers = ["effect", "low", "high", "p", "p_adjusted"]
    assert other.loc[one.index, numbers].to_numpy() == pytest.approx(one[numbers].to_numpy())


def test_with_and_without_is_one_contrast_against_all_others():
    plan = made_plan(subset=["none", "a", "b", "c"])
    values = plan.subset.map({"none": 0.0, "a": 0.1, "b": 0.2, "c": 0.3}) + plan.seed * 0.01
    row = run(plan, values).set_index("level_b").loc[effects.ANY]
    assert (row.level_a, row.n_pairs) == ("none", 3) and row.effect == pytest.approx(0.2)
    assert effects.ANY not in run(made_plan(subset=["a", "b", "c"]), np.zeros(9)).level_b.tolist()


def test_points_that_are_one_run_are_no_pair_and_count_once():
    # At ratio 0 the mode does nothing: three names for one run.
    plan = made_plan(mode=["linear", "mean", "smote"], ratio=[0.0, 0.5])
    plan["config_hash"] = [
        f"{row.seed}-0" if row.ratio == 0 else f"{row.seed}-{row.mode}-{row.ratio}"
        for row in plan.itertuples()
    ]
    found = {(c.axis, c.level_b, c.within): c for c in effects.contrasts(plan)}
    assert len(found["mode", "mean", ""].pairs) == 3  # at ratio 0.5 alone
    assert ("mode", "mean", "ratio=0") not in found
    ratio = found["ratio", "0.5", ""]
    assert len(ratio.pairs) == 9 and len(ratio.weights) == 12
    assert sum(ratio.weights.values()) == pytest.approx(0)
    assert ratio.weights["1-0"] == pytest.approx(-1 / 3)


def test_a_missing_point_takes_its_pair_with_it():
    plan = made_plan(subset=["none", "a"], dropout=[0.0, 0.5]).drop(index=0)
    (contrast,) = [c for c in effects.contrasts(plan) if c.axis == "subset" and not c.within]
    assert len(contrast.pairs) == 5


def test_every_level_with_every_other_on_request():
    plan = made_plan(subset=["a", "b", "c"])
    assert [(c.level_a, c.level_b) for c in effects.contrasts(plan)] == [("a", "b"), ("a", "c")]
    assert len(effects.contrasts(plan, all_pairs=True)) == 3


def test_long_axes_are_not_looked_into():
    plan = made_plan(subset=["a", "b", "c", "d"], balance=[True, False])
    assert {c.within.partition("=")[0] for c in effects.contrasts(plan)} == {"", "balance"}
    assert {c.within.partition("=")[0] for c in effects.contrasts(plan, within_levels=4)} == {
        "",
        "balance",
        "subset",
    }


def test_one_seed_takes_the_other_settings_for_its_noise_and_says_so():
    rng = np.random.default_rng(4)
    plan = made_plan([1], subset=["none", "a"], dropout=[0.0, 0.25, 0.5, 0.75])
    row = run(plan, rng.normal(size=8), ["subset", "dropout"]).iloc[0]
    assert (row.noise_from, row.n_seeds, row.n_pairs) == ("settings", 1, 4) and np.isfinite(row.p)
    alone = run(made_plan([1], subset=["none", "a"]), [0.1, 0.9]).iloc[0]
    assert (alone.noise_from, alone.verdict) == ("none", effects.NOT_TESTED)
    assert np.isnan(alone.low) and alone.effect == pytest.approx(0.8)


def test_too_few_nights_test_nothing():
    plan = made_plan(subset=["none", "a"])
    values = dict(zip(plan.config_hash, np.arange(6.0), strict=True))
    draws = {name: np.zeros(100) for name in values}
    table = effects.effects(effects.contrasts(plan), values, draws, 0.0)
    assert (table.verdict == effects.NOT_TESTED).all() and table.effect.notna().all()


def test_runs_that_agree_exactly_show_no_difference():
    plan = made_plan(subset=["none", "a"])
    row = run(plan, np.full(6, 0.5)).iloc[0]
    assert (row.verdict, row.n_identical, row.p) == (effects.NO_DIFFERENCE, 3, 1.0)


def test_a_mean_of_equal_runs_is_equal_to_them():
    plan = made_plan(subset=["none", "a", "b", "c"])
    table = run(plan, np.repeat([0.1, 0.7, 0.3], 4), sampling_sd=0.0).set_index("level_b")
    assert table.n_identical.tolist() == [3, 3, 3, 3] and effects.ANY in table.index


def test_without_any_scatter_nothing_is_said_of_what_could_have_been_found():
    plan = made_plan(subset=["none", "a"])
    row = run(plan, np.full(6, 0.5), sampling_sd=0.0).iloc[0]
    assert (row.effect, row.low, row.high) == (0, 0, 0) and np.isnan(row.minimum_detectable_effect)


def test_undefined_values_leave_their_contrast_out():
    plan = made_plan(subset=["none", "a"], dropout=[0.0, 0.5])
    values = np.where(plan.dropout == 0, np.nan, 0.5)
    assert set(run(plan, values).within) == {"dropout=0.5"}


def test_nothing_to_compare_is_an_empty_table():
    table = run(made_plan(), [0.1, 0.2, 0.3])
    assert table.empty and list(table.columns) == list(effects.COLUMNS)


def test_two_configurations_are_compared_as_an_axis_of_two_levels_is():
    """By the seeds that both have; the answer is that of a stage whose one axis has these two levels."""
    rng = np.random.default_rng(3)
    plan = made_plan(subset=["none", "a"])
    values = rng.normal(size=len(plan))
    runs = dict(zip(plan.config_hash, values, strict=True))
    draws = {name: rng.normal(value, 0.1, 200) for name, value in runs.items()}
    first, second = (
        {str(seed): name for seed, name in plan[plan.subset == level][["seed", "config_hash"]].to_numpy()}
        for level in ("none", "a")
    )
    contrast = effects.contrast_of("a name", first, second | {"9": "never run"})
    alone = effects.effects([contrast], runs, draws, 20.0)
    whole = effects.effects(effects.contrasts(plan), runs, draws, 20.0)
    numbers = ["effect", "low", "high", "p", "n_pairs", "n_seeds"]
    pd.testing.assert_frame_equal(alone[numbers], whole[numbers])
    assert effects.contrast_of("a name", {"1": "a"}, {"2": "b"}) is None


def test_holms_adjustment():
    adjusted = effects.holm(np.array([0.01, np.nan, 0.04, 0.03, 0.005]))
    assert adjusted[[0, 2, 3, 4]] == pytest.approx([0.03, 0.06, 0.06, 0.02]) and np.isnan(adjusted[1])
    assert effects.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_the_adjustment_counts_main_effects_and_those_within_levels_apart():
    rng = np.random.default_rng(5)
    plan = made_plan(subset=["none", "a", "b"], balance=[True, False])
    table = run(plan, rng.normal(size=len(plan)))
    for is_within in (False, True):
        part = table[(table.within != "") == is_within]
        assert part.p_adjusted.to_numpy() == pytest.approx(effects.holm(part.p.to_numpy()))


def test_more_seeds_detect_smaller_effects():
    rng = np.random.default_rng(6)
    detectable = [
        run(plan, rng.normal(0, 0.05, len(plan)), ["subset"]).minimum_detectable_effect[0]
        for plan in (made_plan(range(n), subset=["none", "a"], dropout=[0.0, 0.5]) for n in (3, 10))
    ]
    assert detectable[1] < detectable[0]


@pytest.mark.parametrize(
    ("nights_sd", "seeds_sd", "advice"),
    [(0.05, 0.001, "more nights"), (0.0005, 0.05, "more seeds"), (0.01, 0.02, "more nights and seeds")],
)
def test_each_comparison_says_whether_nights_or_seeds_make_it_surer(nights_sd, seeds_sd, advice):
    rng = np.random.default_rng(7)
    plan = made_plan(range(8), subset=["none", "a"])
    values = dict(zip(plan.config_hash, rng.normal(0, 1, len(plan)), strict=True))
    nights = rng.normal(0, nights_sd, (2, 400))
    # One number a level and draw, so that all of it reaches the difference; a run's own luck is its value.
    draws = {row.config_hash: nights[int(row.subset == "a")] for row in plan.itertuples()}
    values = {name: value * seeds_sd * np.sqrt(8) for name, value in values.items()}
    row = effects.effects(effects.contrasts(plan), values, draws, 20.0).iloc[0]
    assert row.nights_share + row.seeds_share == pytest.approx(1)
    assert effects.what_would_help(row) == advice
    sampling = np.var(nights[1] - nights[0], ddof=1) * 20 / 19
    assert row.nights_share == pytest.approx(sampling / (sampling + _seed_variance(plan, values)), rel=1e-6)


def _seed_variance(plan, values):
    """Of the mean difference between two levels over seeds, by hand."""
    table = plan.assign(value=plan.config_hash.map(values)).pivot(
        index="seed", columns="subset", values="value"
    )
    interaction = (table["a"] - table["none"]).var(ddof=1) / len(table)
    rest = table.sub(table.mean(axis=1), axis=0).sub(table.mean(), axis=1) + table.to_numpy().mean()
    by_run = (rest**2).to_numpy().sum() / (len(table) - 1) * 2 / len(table)
    return max(interaction, by_run)


def test_where_nothing_varies_or_nothing_was_tested_no_share_is_given():
    row = run(made_plan(subset=["none", "a"]), np.full(6, 0.5), sampling_sd=0.0).iloc[0]
    assert np.isnan(row.nights_share) and np.isnan(row.seeds_share) and effects.what_would_help(row) == ""
    alone = run(made_plan([1], subset=["none", "a"]), [0.1, 0.9]).iloc[0]
    assert np.isnan(alone.nights_share) and np.isnan(alone.seeds_share)


NULL = {
    "two levels": Kind(),
    "four levels": Kind(gains=(0.0,) * 4),
    "seeds that hang together": Kind(gains=(0.0,) * 4, shared_sd=0.15),
    "few nights": Kind(n_nights=8),
    "one seed": Kind(n_seeds=1),
}
PLANTED = {
    "small": Kind(gains=(0.0, 0.2)),
    "large": Kind(gains=(0.0, 0.6), n_seeds=5, n_nights=40),
    "seeds that hang together": Kind(gains=(0.0, 0.3, 0.6), shared_sd=0.15),
}


def check_null(kind, metric, n_studies):
    """No effect is there: intervals hold 0, and at most one study in twenty finds any."""
    table = simulated_studies.effects_of(kind, n_studies, metric)
    alarms = table.groupby("study").verdict.agg(
        lambda verdicts: verdicts.isin([effects.HIGHER, effects.LOWER]).any()
    )
    tested = table[table.low.notna()]
    assert len(tested) > 0.8 * len(table)
    slack = 3 * np.sqrt(0.95 * 0.05 / n_studies)
    assert alarms.mean() <= 0.05 + slack
    assert ((tested.low <= 0) & (tested.high >= 0)).mean() >= 0.95 - slack


def check_planted(kind, metric, n_studies):
    """An effect is there: intervals hold it at their rate, and are not so wide as to hold everything."""
    table = simulated_studies.effects_of(kind, n_studies, metric)
    values = simulated_studies.true_values(kind, metric)
    truth = table.level_b.map(
        {str(level): float((values[:, level] - values[:, 0]).mean()) for level in range(len(kind.gains))}
    )
    tested = table.low.notna()
    covered = ((table.low <= truth) & (truth <= table.high))[tested].mean()
    slack = 3 * np.sqrt(0.95 * 0.05 / n_studies)
    assert 0.94 - slack <= covered <= 0.99 + slack
    assert not (table[truth > 0].verdict == effects.LOWER).mean() > 0.05
    return table, truth


@pytest.mark.simulation
@pytest.mark.parametrize("name", ["four levels", "seeds that hang together"])
def test_false_alarms_stay_at_their_rate(name):
    check_null(NULL[name], "f1", 150)


@pytest.mark.simulation
def test_intervals_cover_a_planted_effect():
    table, _ = check_planted(PLANTED["large"], "f1", 100)
    assert (table.verdict == effects.HIGHER).mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["f1", "auroc"])
@pytest.mark.parametrize("name", NULL)
def test_false_alarms_stay_at_their_rate_in_many_studies(name, metric):
    check_null(NULL[name], metric, 1000 if metric == "f1" else 300)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["f1", "auroc"])
@pytest.mark.parametrize("name", PLANTED)
def test_intervals_cover_a_planted_effect_in_many_studies(name, metric):
    check_planted(PLANTED[name], metric, 1000 if metric == "f1" else 300)
