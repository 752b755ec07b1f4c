import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import simulated_recorders
from vernal.evaluation import bootstrap, metrics

# Machines that run tests are slow at times; that is no finding.


def night_units(sizes=(3, 4, 5), seed=0):
    rng = np.random.default_rng(seed)
    night = np.repeat(np.arange(len(sizes)), sizes)
    return pd.DataFrame(
        {
            "clip_id": [f"{n:03d}" for n in range(len(night))],
            "recorder_id": [f"r{n % 2}" for n in night],
            "night": [f"2025-03-{n + 1:02d}" for n in night],
            "is_positive": rng.random(len(night)) < 0.5,
        }
    )


def repeated(values, code, count):
    """The units of one draw written out."""
    return np.concatenate([np.repeat(values[code == block], int(times)) for block, times in enumerate(count)])


SMALL = st.lists(
    st.tuples(st.integers(-3, 3), st.booleans(), st.integers(0, 3), st.sampled_from("ab")),
    min_size=1,
    max_size=20,
)


@given(SMALL)
def test_every_draw_is_what_its_units_written_out_would_give(units):
    scores, truth, code, groups = (np.array(part) for part in zip(*units, strict=True))
    counts = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 3, 1, 0], [0, 0, 0, 4], [4, 0, 0, 0]], dtype=float)
    ranking = bootstrap.ranking_draws(scores, truth, code, counts)
    rates = bootstrap.rate_draws(scores, truth, code, counts, 0.0)
    within = bootstrap.within_draws(scores, truth, groups, code, counts)
    for at, count in enumerate(counts):
        parts = [repeated(part, code, count) for part in (scores, truth, groups)]
        if not len(parts[0]):
            assert np.isnan(ranking["auroc"][at]) and np.isnan(rates["f1"][at])
            continue
        expected = metrics.measured(*parts[:2], 0.0, parts[2])
        found = ranking | rates | {"auroc_within_recorder": within}
        for name in metrics.MEASURES:
            assert found[name][at] == pytest.approx(expected[name], nan_ok=True, abs=1e-6), name


def test_draws_in_pieces_are_those_of_one_piece(monkeypatch):
    units = night_units((5,) * 12)
    drawn = bootstrap.nights_of(units, 1, "test_ood", 3 * bootstrap.DRAWS_AT_ONCE + 1)
    scores = np.random.default_rng(2).normal(size=len(units)).round(1)
    told = (scores, units.is_positive.to_numpy())
    found = bootstrap.ranking_draws(*told, drawn.blocks.code, drawn.counts)
    within = bootstrap.within_draws(*told, units.recorder_id, drawn.blocks.code, drawn.counts)
    assert np.isfinite(found["auroc"]).mean() > 0.9 and len(found["auroc"]) == 97
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 1)
    for name, pieces in bootstrap.ranking_draws(*told, drawn.blocks.code, drawn.counts).items():
        np.testing.assert_array_equal(pieces, found[name])
    pieces = bootstrap.within_draws(*told, units.recorder_id, drawn.blocks.code, drawn.counts)
    np.testing.assert_array_equal(pieces, within)


def test_draws_are_the_same_for_every_point_and_whatever_the_order_of_rows():
    units = night_units((3, 4, 5, 6))
    shuffled = units.sample(frac=1, random_state=3).reset_index(drop=True)
    one, other = (bootstrap.nights_of(table, 7, "test_ood", 50) for table in (units, shuffled))
    assert (one.counts == other.counts).all() and one.blocks.names == other.blocks.names
    assert (one.counts.sum(axis=1) == 4).all()
    assert (one.counts != bootstrap.nights_of(units, 7, "test_iid", 50).counts).any()
    assert (one.counts != bootstrap.nights_of(units, 8, "test_ood", 50).counts).any()


def test_blocks_are_recorder_nights_then_groups_then_clips():
    clips = pd.DataFrame(
        {
            "clip_id": list("abcde"),
            "recorder_id": ["r1", "r1", "r1", None, None],
            "night": ["2025-03-01", "2025-03-01", "2025-03-02", "2025-03-01", None],
            "group": ["g", "h", "g", "g", None],
        }
    )
    blocks = bootstrap.blocks_of(clips)
    assert blocks.code[0] == blocks.code[1] and len(set(blocks.code.tolist())) == 4
    assert blocks.kind == "clip or group or recorder-night"
    assert bootstrap.blocks_of(clips[["clip_id"]]).kind == "clip"
    assert len(bootstrap.blocks_of(clips[["clip_id", "group"]]).names) == 3


def test_numbers_as_metadata_are_blocks_too():
    clips = pd.DataFrame({"clip_id": ["a", "b"], "recorder_id": [1, 2], "night": ["2025-03-01"] * 2})
    assert len(bootstrap.blocks_of(clips).names) == 2


def test_effective_number_counts_unequal_blocks_for_less():
    assert bootstrap.effective_number([7, 7, 7]) == pytest.approx(3)
    assert bootstrap.effective_number([100, 1, 1]) == pytest.approx(1.04, abs=0.01)
    assert bootstrap.effective_number([]) == 0 and bootstrap.effective_number([0, 0]) == 0


def test_no_interval_from_few_nights():
    few = bootstrap.nights_of(night_units((20,) * 4), 1, "test", 200)
    enough = bootstrap.nights_of(night_units((20,) * 8), 1, "test", 200)
    draws = np.random.default_rng(0).normal(0.7, 0.05, 200)
    assert few.effective_for("f1") == 0 and np.isnan(few.interval("f1", 0.7, draws, 0.95)).all()
    assert enough.effective_for("f1") > 5
    low, high = enough.interval("f1", 0.7, draws, 0.95)
    assert 0.5 < low < 0.65 < 0.75 < high < 0.85


def test_recall_rests_on_nights_with_positives_and_the_false_positive_rate_on_those_without():
    units = night_units((10,) * 8).assign(is_positive=lambda t: t.night < "2025-03-03")
    drawn = bootstrap.nights_of(units, 1, "test", 100)
    assert (drawn.n_blocks["positive"], drawn.n_blocks["negative"]) == (2, 6)
    assert drawn.effective_for("recall") == 0 and drawn.effective_for("fpr") == pytest.approx(6)
    assert drawn.effective_for("auroc") == 0


# Shares of clips: what lies between 0 and one in a billion is none.
SHARES = st.floats(1e-9, 1 - 1e-9) | st.sampled_from([0.0, 1.0])


@given(SHARES, st.floats(0, 0.05), st.floats(1, 50), st.floats(0.5, 0.99))
def test_intervals_hold_the_estimate_and_stay_within_0_and_1(estimate, variance, df, level):
    low, high = bootstrap.interval(estimate, variance, df, level, effective=5)
    assert 0 <= low <= estimate + 1e-9 and estimate - 1e-9 <= high <= 1


def test_a_perfect_score_on_a_few_nights_is_not_certainty():
    low, high = bootstrap.interval(1.0, 0.0, 9, effective=10)
    assert high == 1 and low == pytest.approx(0.025 ** (1 / 10))
    assert bootstrap.interval(0.0, 0.0, 9, effective=10) == pytest.approx((0, 1 - low))


def test_no_variance_no_interval():
    assert np.isnan(bootstrap.interval(0.5, np.nan, 9)).all()
    assert np.isnan(bootstrap.sampling_variance(np.r_[np.full(79, np.nan), np.ones(21)], 10))
    assert np.isnan(bootstrap.sampling_variance(np.arange(100.0), 1.5))


def test_what_moves_each_estimate_alone_is_not_counted_as_shared():
    rng = np.random.default_rng(0)
    shared, alone = rng.normal(0, 1, 4000), rng.normal(0, 1, (3, 4000))
    assert bootstrap.shared_variance(shared + alone, 1e9) == pytest.approx(1, rel=0.1)
    assert bootstrap.shared_variance(np.array([shared] * 3), 1e9) == pytest.approx(1, rel=0.1)
    assert bootstrap.shared_variance(alone, 1e9) == pytest.approx(0, abs=0.05)


def test_a_draw_that_leaves_a_number_undefined_takes_nothing_but_itself():
    rng = np.random.default_rng(0)
    whole = rng.normal(0, 1, 1000) + rng.normal(0, 0.5, (3, 1000))
    holed = whole.copy()
    holed[1, :50], holed[:, 50:60] = np.nan, np.nan
    assert bootstrap.shared_variance(holed, 9) == pytest.approx(bootstrap.shared_variance(whole[:, 60:], 9))
    holed[0, :300] = np.nan
    assert np.isnan(bootstrap.shared_variance(holed, 9))


def test_the_auroc_within_recorders_rests_on_recorders_that_hold_both_classes():
    units = night_units((10,) * 16)  # on two recorders in turn
    one_night = (units.night == "2025-03-02") & units.is_positive
    units = units.assign(is_positive=(units.recorder_id == "r0") | one_night)
    drawn = bootstrap.nights_of(units, 1, "test", 100)
    assert (drawn.n_blocks["both"], drawn.n_blocks["within"]) == (8, 1)
    assert drawn.effective_for("auroc") > 5 and drawn.effective_for("auroc_within_recorder") == 0
    unknown = bootstrap.nights_of(units.assign(recorder_id=None), 1, "test", 100)
    assert unknown.effective_for("auroc_within_recorder") == 0


def test_joint_degrees_of_freedom():
    assert bootstrap.joint_df([1.0, 1.0], [10, 10]) == 20
    assert bootstrap.joint_df([1.0, 0.0], [10, 2]) == 10
    assert bootstrap.joint_df([0.0, 0.0], [10, 2]) == 10


@pytest.mark.simulation
@pytest.mark.parametrize("n_nights", [5, 12])
def test_intervals_cover_the_truth(n_nights):
    check_coverage(n_nights, n_studies=120)


@pytest.mark.slow
@pytest.mark.parametrize("n_nights", [5, 6, 8, 12, 20, 50])
def test_intervals_cover_the_truth_in_many_studies(n_nights):
    check_coverage(n_nights, n_studies=1500 if n_nights <= 12 else 400)


def check_coverage(n_nights, n_studies):
    """Few nights may cover more than 95 % (little is known, and the interval says so), never much less."""
    rng = np.random.default_rng(n_nights)
    names = ("f1", "recall", "fpr", "auroc", "average_precision")
    whole = simulated(20_000, rng)
    truth = metrics.measured(whole[0], whole[1], 1.0)
    covered = {name: [] for name in names}
    for _ in range(n_studies):
        scores, is_positive, code = simulated(n_nights, rng)
        frame = pd.DataFrame(
            {"clip_id": code, "recorder_id": "r", "night": code.astype(str), "is_positive": is_positive}
        )
        drawn = bootstrap.nights_of(frame, int(rng.integers(1 << 30)), "test", 200)
        estimates = metrics.measured(scores, is_positive, 1.0)
        draws = bootstrap.rate_draws(scores, is_positive, drawn.blocks.code, drawn.counts, 1.0)
        draws |= bootstrap.ranking_draws(scores, is_positive, drawn.blocks.code, drawn.counts)
        for name in names:
            low, high = drawn.interval(name, estimates[name], draws[name], 0.95)
            if np.isfinite(low):
                covered[name].append(low <= truth[name] <= high)
    slack = 3 * np.sqrt(0.95 * 0.05 / n_studies)
    for name in names:
        assert len(covered[name]) > 0.6 * n_studies
        assert np.mean(covered[name]) > 0.92 - slack, name


def simulated(n_nights, rng):
    """Nights of unequal size and prevalence, each harder or easier as a whole."""
    sizes = np.maximum(4, rng.lognormal(np.log(25), 0.7, n_nights)).astype(int)
    code = np.repeat(np.arange(n_nights), sizes)
    truth = rng.random(code.size) < rng.beta(1.5, 1.5, n_nights)[code]
    hard, loud = rng.normal(0, 0.5, (2, n_nights))
    return rng.normal(size=code.size) + hard[code] + truth * (2 + loud[code]), truth, code


@pytest.mark.simulation
def test_intervals_cover_where_recorders_of_a_site_share_its_nights():
    found = simulated_recorders.coverage(8, 4, "site", n_studies=60)
    assert min(found.values()) >= 0.90 - 3 * np.sqrt(0.9 * 0.1 / 60), found


@pytest.mark.slow
@pytest.mark.parametrize(("n_recorders", "n_nights"), simulated_recorders.DESIGNS)
def test_intervals_cover_in_many_studies_where_recorders_of_a_site_share_its_nights(n_recorders, n_nights):
    found = simulated_recorders.coverage(n_recorders, n_nights, "site", n_studies=300)
    assert min(found.values()) >= 0.90, found


@pytest.mark.slow
@pytest.mark.parametrize(("n_recorders", "n_nights"), simulated_recorders.DESIGNS)
def test_verdicts_are_rarely_false_where_recorders_of_a_site_share_its_nights(n_recorders, n_nights):
    assert simulated_recorders.false_verdicts(n_recorders, n_nights, "site", n_studies=300) <= 0.05
