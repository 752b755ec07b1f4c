import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulated_thresholds import highest_f1, of_normal_scores
from vernal.evaluation import metrics
from vernal.evaluation.operating_points import Goal, choose, optimism, review_minutes

# Machines that run tests are slow at times; that is no finding.

SCORES = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
TRUTH = np.array([True, True, False, True, False, False])
UNITS = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=30).filter(
    lambda units: len({truth for _, truth in units}) == 2
)


def test_best_f1_and_what_it_gave():
    point = choose(SCORES, TRUTH, Goal())
    assert (point.logit, point.split, point.is_met, point.goal) == (1.5, "val", True, "best F1")
    assert (point.precision, point.recall, point.fpr) == (0.75, 1.0, pytest.approx(1 / 3))
    assert point.confidence == pytest.approx(1 / (1 + np.exp(-1.5)))


def test_ties_go_to_the_threshold_that_flags_fewer():
    # F1 is 2/3 at 3 and again at 1.
    point = choose([3.0, 2.0, 1.0, 0.0], np.array([True, False, True, False]), Goal("recall", 0.5))
    assert point.logit == 2.5
    scores, truth = [4.0, 3.0, 2.0, 1.0], np.array([True, False, False, True])
    f1 = metrics.threshold_counts(scores, truth).f1
    assert f1.iloc[0] == f1.iloc[3] == f1.max()
    assert choose(scores, truth, Goal()).logit == 3.5


def test_a_precision_floor_takes_the_highest_recall_that_keeps_it():
    assert choose(SCORES, TRUTH, Goal("precision", 0.75)).logit == 2.0
    assert choose(SCORES, TRUTH, Goal("precision", 0.8)).logit == 4.0


def test_a_recall_floor_takes_the_highest_threshold_that_keeps_it():
    assert choose(SCORES, TRUTH, Goal("recall", 0.6)).logit == 3.5
    assert choose(SCORES, TRUTH, Goal("recall", 0.7)).logit == 1.5


def test_a_review_budget_counts_false_alarms_only():
    goal = Goal("review_minutes", 20.0, clips_per_night=1200, seconds_per_clip=3)  # one in three is 20 min
    assert choose(SCORES, TRUTH, goal).logit == 2.0
    assert choose(SCORES, TRUTH, Goal("review_minutes", 19.9, 1200, 3)).logit == 4.0
    assert review_minutes([0.0, 1 / 3], 1200, 3).round(9).tolist() == [0.0, 20.0]


def test_a_goal_out_of_reach_falls_back_and_says_so():
    backwards = choose([2.0, 1.0, 0.0], np.array([False, True, True]), Goal("precision", 0.9))
    assert not backwards.is_met and backwards.logit == 0.0
    assert backwards.note == "no threshold reaches precision >= 0.9; the highest precision, 0.667, is used"
    budget = choose([2.0, 1.0], np.array([False, True]), Goal("review_minutes", 1.0))
    assert not budget.is_met and "no threshold keeps review <= 1 min a night" in budget.note


def apart(n_positive, n_negative):
    """Scores that keep the classes apart, with their truth."""
    truth = np.arange(n_positive + n_negative) < n_positive
    return truth * 10.0 + np.arange(truth.size) / 1000, truth


def test_a_budget_finer_than_one_false_alarm_cannot_be_told():
    point = choose(*apart(9, 31), Goal("review_minutes", 10.0))
    assert point.is_met is None and point.fpr == 0 and point.recall == 1
    assert point.note == (
        "whether review <= 10 min a night is reached cannot be told: none of the 31 negatives of val is flagged, and a "
        "single one would stand for 23 min"
    )
    assert choose(*apart(9, 31), Goal("review_minutes", 24.0)).is_met
    assert choose(*apart(9, 100), Goal("review_minutes", 10.0)).is_met


def test_floors_finer_than_one_clip_cannot_be_told():
    precision = choose(*apart(8, 31), Goal("precision", 0.9))
    assert precision.is_met is None and precision.note.endswith(
        "none of the 31 negatives of val is flagged, and a single one would make it 0.89"
    )
    assert choose(*apart(9, 31), Goal("precision", 0.9)).is_met
    recall = choose(*apart(9, 31), Goal("recall", 0.9))
    assert recall.is_met is None and recall.note.endswith(
        "all 9 positives of val are found, and with one missed it would be 0.89"
    )
    assert choose(*apart(10, 31), Goal("recall", 0.9)).is_met


def test_whether_a_goal_is_reached_follows_from_counts():
    precision, recall = Goal("precision", 0.8), Goal("recall", 0.8)
    assert [precision.is_reached(metrics.rates_of(8, fp, 2, 50)) for fp in (0, 2, 3)] == [True, True, False]
    assert [recall.is_reached(metrics.rates_of(10 - fn, 0, fn, 50)) for fn in (0, 2, 3)] == [
        True,
        True,
        False,
    ]
    assert precision.is_reached(metrics.rates_of(0, 0, 2, 50)) is None
    assert Goal("review_minutes", 5.0).is_reached(metrics.rates_of(3, 0, 0, 0)) is None
    assert Goal().is_reached(metrics.rates_of(3, 0, 0, 9)) is None


@pytest.mark.parametrize(
    ("truth", "lacking"), [([True, True], "negative"), ([False, False], "positive"), ([], "clip")]
)
def test_without_both_classes_there_is_no_threshold(truth, lacking):
    point = choose([1.0, -1.0][: len(truth)], np.array(truth, dtype=bool), Goal())
    assert np.isnan(point.logit) and np.isnan(point.confidence) and point.is_met is None
    assert point.note == f"no threshold can be chosen: val has no {lacking}"
    assert np.isnan([point.precision, point.recall, point.f1, point.fpr]).all()


@given(
    UNITS,
    st.sampled_from([Goal(), Goal("precision", 0.6), Goal("recall", 0.8), Goal("review_minutes", 200.0)]),
)
def test_no_threshold_serves_the_goal_better(units, goal):
    scores, truth = (np.array(part) for part in zip(*units, strict=True))
    point, table = choose(scores, truth, goal), metrics.threshold_counts(scores, truth)
    scored = table.threshold[table.threshold >= point.logit].min()
    lower = table.threshold[table.threshold < scored].max()
    stays = goal.kind in ("precision", "review_minutes") or np.isnan(lower)
    assert point.logit == (scored if stays else (scored + lower) / 2)
    if goal.kind == "best_f1":
        assert point.f1 == table.f1.max()
    elif goal.kind == "recall":
        assert point.recall >= goal.value and (table.recall[table.threshold > scored] < goal.value).all()
    elif goal.kind == "precision" and point.is_met is not False:
        assert point.recall == table.recall[table.precision >= goal.value].max()
    elif goal.kind == "precision":
        assert (table.precision < goal.value).all() and point.precision == table.precision.max()


def test_half_way_flags_the_same_clips_wherever_numbers_end():
    truth, top = np.array([True, False]), np.finfo(float).max
    for high, low in ((np.nextafter(1.0, 2), 1.0), (top, -top), (top, np.nextafter(top, 0)), (5e-324, 0.0)):
        point = choose([high, low], truth, Goal())
        assert low < point.logit <= high and (point.precision, point.recall) == (1, 1)


def test_without_a_lower_score_the_threshold_is_the_lowest():
    assert choose([2.0, 1.0], np.array([False, True]), Goal()).logit == 1.0
    assert choose([2.0, 1.0], np.array([False, True]), Goal("recall", 1.0)).logit == 1.0


@pytest.mark.simulation
@pytest.mark.parametrize(("size", "least", "most"), [(2, 0.15, 0.22), (5, 0.05, 0.09), (100, -0.001, 0.001)])
def test_half_way_finds_more_where_validation_is_small_and_costs_nothing_where_it_is_large(size, least, most):
    lowest, between = of_normal_scores(size, 4.0, 1000)
    assert least < between - lowest < most
    assert between < highest_f1(4.0)


@given(UNITS)
def test_scores_shifted_shift_the_threshold_and_nothing_else(units):
    scores, truth = (
        np.array(part, dtype=float if i == 0 else bool) for i, part in enumerate(zip(*units, strict=True))
    )
    one, other = choose(scores, truth, Goal()), choose(scores + 10, truth, Goal())
    assert other.logit == one.logit + 10 and (other.f1, other.fpr) == (one.f1, one.fpr)


@given(UNITS, st.integers(-6, 6))
def test_optimism_is_never_negative(units, logit):
    scores, truth = (np.array(part) for part in zip(*units, strict=True))
    best, gain = optimism(scores, truth, logit)
    assert 0 <= gain <= best <= 1


def test_optimism_is_undefined_without_positives():
    assert np.isnan(optimism([1.0], np.array([False]), 0.0)).all()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"kind": "best_f2"}, "kind is 'best_f2'; did you mean 'best_f1'"),
        ({"kind": "precision"}, "'precision' has value None; give its floor"),
        ({"kind": "recall", "value": 1.2}, "has value 1.2; give its floor, above 0 and up to 1"),
        ({"kind": "review_minutes", "value": -1}, "minutes a night, 0 or more"),
        ({"clips_per_night": 0}, "clips_per_night is 0"),
    ],
)
def test_impossible_goals_are_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        Goal(**setting)
