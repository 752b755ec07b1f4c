import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from tests import plain_metrics
from vernal.evaluation import metrics

# Machines that run tests are slow at times; that is no finding.

UNIT = st.tuples(st.integers(-4, 4).map(lambda n: n / 2), st.booleans(), st.sampled_from("ab"))
UNITS = st.lists(UNIT, min_size=1, max_size=25)


def split(units):
    scores, truth, groups = zip(*units, strict=True)
    return np.array(scores), np.array(truth), np.array(groups)


def same(one, other):
    return (np.isnan(one) and np.isnan(other)) or one == pytest.approx(other, abs=1e-12)


def test_a_worked_example_at_every_threshold():
    table = metrics.threshold_counts([3.0, 2.0, 2.0, 1.0], np.array([True, True, False, False]))
    assert table.threshold.tolist() == [3.0, 2.0, 1.0]
    assert table[["tp", "fp", "fn", "tn"]].to_numpy().tolist() == [[1, 0, 1, 2], [2, 1, 0, 1], [2, 2, 0, 0]]
    assert table.f1.round(3).tolist() == [0.667, 0.8, 0.667]
    assert table.fpr.tolist() == [0, 0.5, 1]


def test_ten_negatives_called_positive_are_false_positives():
    # 10 positives and 90 negatives, all called right but 10 of the negatives.
    scores = np.r_[np.ones(10), np.ones(10), np.zeros(80)]
    truth = np.r_[np.ones(10, bool), np.zeros(90, bool)]
    found = metrics.metrics_at(scores, truth, 0.5)
    assert [found[cell] for cell in ("tp", "fp", "fn", "tn")] == [10, 10, 0, 80]
    assert (found["precision"], found["recall"], found["accuracy"]) == (0.5, 1.0, 0.9)
    assert found["f1"] == pytest.approx(2 / 3)


@given(UNITS)
def test_equal_to_the_plain_reference(units):
    scores, truth, groups = split(units)
    table = metrics.threshold_counts(scores, truth)
    for row in table.itertuples():
        assert (row.tp, row.fp, row.fn, row.tn) == plain_metrics.confusion(scores, truth, row.threshold)
        for name, value in plain_metrics.rates(scores, truth, row.threshold).items():
            assert same(getattr(row, name), value)
    assert same(metrics.auroc(scores, truth), plain_metrics.pairs(scores, truth))
    assert same(metrics.auroc_within(scores, truth, groups), plain_metrics.pairs(scores, truth, groups))
    assert same(metrics.average_precision(scores, truth), plain_metrics.average_precision(scores, truth))


@given(UNITS)
def test_equal_to_scikit_learn(units):
    scores, truth, _ = split(units)
    if truth.any() and not truth.all():
        assert metrics.auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
        assert metrics.average_precision(scores, truth) == pytest.approx(
            average_precision_score(truth, scores)
        )
        assert metrics.metrics_at(scores, truth, 0.0)["f1"] == pytest.approx(f1_score(truth, scores >= 0))


@given(UNITS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(units, random):
    shuffled = random.sample(units, len(units))
    one, other = (metrics.measured(*split(u)[:2], 0.5, split(u)[2]) for u in (units, shuffled))
    assert all(same(one[name], other[name]) for name in metrics.MEASURES)


@given(UNITS)
def test_ranking_metrics_do_not_change_under_a_monotone_transform(units):
    scores, truth, groups = split(units)
    for changed in (scores * 0.25 - 7, np.exp(scores), scores**3):
        assert same(metrics.auroc(scores, truth), metrics.auroc(changed, truth))
        assert same(metrics.average_precision(scores, truth), metrics.average_precision(changed, truth))
        assert same(metrics.auroc_within(scores, truth, groups), metrics.auroc_within(changed, truth, groups))


@given(UNITS)
def test_swapping_labels_and_signs_keeps_auroc_and_swaps_the_matrix(units):
    scores, truth, _ = split(units)
    assert same(metrics.auroc(scores, truth), metrics.auroc(-scores, ~truth))
    assert same(metrics.auroc(scores, truth), 1 - metrics.auroc(scores, ~truth))
    counts, swapped = metrics.counts_at_all(scores, truth), metrics.counts_at_all(scores, ~truth)
    assert (counts.tp == swapped.fp).all() and (counts.fn == swapped.tn).all()


@given(UNITS, st.integers(2, 4))
def test_duplicated_rows_change_no_rate(units, times):
    one, other = (metrics.measured(*split(u)[:2], 0.5, split(u)[2]) for u in (units, units * times))
    assert all(same(one[name], other[name]) for name in metrics.MEASURES)


@given(UNITS)
def test_every_measure_stays_in_its_range(units):
    values = np.array(list(metrics.measured(*split(units)[:2], 0.0, split(units)[2]).values()))
    assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()


@given(UNITS)
def test_counts_at_given_thresholds_are_those_of_the_whole_table(units):
    scores, truth, _ = split(units)
    everything = metrics.counts_at_all(scores, truth)
    for given_counts, whole in zip(
        metrics.counts_at(scores, truth, everything.threshold), everything, strict=True
    ):
        assert (given_counts == whole).all()


def test_undefined_is_nan_and_not_zero():
    nothing_flagged = metrics.metrics_at([0.0, 0.0], np.array([True, False]), 1.0)
    assert np.isnan(nothing_flagged["precision"]) and nothing_flagged["f1"] == 0
    no_positive = metrics.measured([1.0, 0.0], np.array([False, False]), 2.0)
    assert all(np.isnan(no_positive[name]) for name in ("recall", "f1", "auroc", "average_precision"))
    assert np.isnan(metrics.metrics_at([1.0], np.array([True]), 0.0)["fpr"])
    assert np.isnan(metrics.auroc([], np.array([], dtype=bool)))
    assert len(metrics.threshold_counts([], np.array([], dtype=bool))) == 0


def test_without_a_threshold_what_needs_one_is_nan():
    scores, truth = [2.0, 1.0, 0.0], np.array([True, False, True])
    assert np.isnan(list(metrics.metrics_at(scores, truth, np.nan).values())).all()
    found = metrics.measured(scores, truth, np.nan)
    assert {name for name, value in found.items() if np.isfinite(value)} == {"auroc", "average_precision"}
    assert set(metrics.metrics_at(scores, truth, np.nan)) == set(metrics.metrics_at(scores, truth, 0.0))


def test_within_recorder_auroc_sees_through_a_detector_of_places():
    recorders = np.repeat(["a", "b"], 100)
    truth = np.r_[np.ones(90, bool), np.zeros(10, bool), np.ones(10, bool), np.zeros(90, bool)]
    scores = np.where(recorders == "a", 1.0, 0.0)
    assert metrics.auroc(scores, truth) == pytest.approx(0.9)
    assert metrics.auroc_within(scores, truth, recorders) == 0.5


def test_units_without_a_recorder_take_no_part_in_pairs_within():
    groups = np.array(["a", "a", None, None], dtype=object)
    truth = np.array([True, False, True, False])
    assert metrics.auroc_within([2.0, 1.0, 0.0, 9.0], truth, groups) == 1.0
    assert metrics.pairs_within(truth, groups) == 1 and metrics.pairs_within(truth, [None] * 4) == 0
    assert metrics.pairs_within(np.arange(9) < 4, ["a"] * 9) == 20


@pytest.mark.parametrize(
    ("scores", "truth", "words"),
    [
        ([1.0, 2.0], [True], r"shape \(2,\) and is_positive \(1,\)"),
        ([1.0], [1], "type int64; give booleans"),
        ([np.nan, 1.0], [True, False], "1 of 2 scores are not finite"),
        ([np.inf, 1.0], [True, False], "not finite"),
    ],
)
def test_bad_input_is_named(scores, truth, words):
    with pytest.raises(ValueError, match=words):
        metrics.counts_at_all(scores, np.array(truth))


def test_wrong_totals_are_not_passed_over():
    wrong = metrics.Counts(*(np.array([value]) for value in (0.0, 1, 1, 1, 1)))
    with pytest.raises(AssertionError, match="positives"):
        metrics._assert_totals(wrong, 3, 2)
    with pytest.raises(AssertionError, match="negatives"):
        metrics._assert_totals(wrong, 2, 3)


def test_precision_falls_where_the_target_is_rarer():
    assert metrics.precision_at_prevalence(0.9, 0.1, 0.5) == pytest.approx(0.9)
    assert metrics.precision_at_prevalence(0.9, 0.1, 0.01) == pytest.approx(0.009 / 0.108)
    with pytest.raises(ValueError, match="prevalence is 0; give a share"):
        metrics.precision_at_prevalence(0.9, 0.1, 0)


def test_a_constant_predictor_is_known():
    assert (
        metrics.is_constant([0.5, 0.5])
        and not metrics.is_constant([0.5, 0.6])
        and not metrics.is_constant([])
    )
