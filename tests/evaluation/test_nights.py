import numpy as np
import pandas as pd
import pytest

from tests.small_stage import split_table
from vernal.evaluation import bootstrap, nights
from vernal.evaluation.proportions import exact_interval


def season():
    """Four nights: found, found only by a false alarm, silent, and silent with a false alarm."""
    return pd.DataFrame(
        {
            "clip_id": list("abcdefgh"),
            "recorder_id": ["r1", "r1", "r1", "r1", "r2", "r2", "r2", "r2"],
            "night": ["2025-03-01"] * 2 + ["2025-03-02"] * 2 + ["2025-03-01"] * 2 + ["2025-03-02"] * 2,
            "is_positive": [True, False, True, False, False, False, False, False],
        }
    )


SCORES = np.array([2.0, -2.0, -1.0, 1.0, -1.0, -2.0, 3.0, -1.0])


def test_each_night_is_asked_whether_it_was_reported_and_whether_a_person_would_confirm_it():
    table = nights.night_table(season(), SCORES, 0.0).set_index(["recorder_id", "night"])
    assert table.n_flagged.tolist() == [1, 1, 0, 1] and table.n_false.tolist() == [0, 1, 0, 1]
    assert table.is_reported.tolist() == [True, True, False, True]
    assert table.is_confirmed.tolist() == [True, False, False, False]
    assert table.is_missed.tolist() == [False, True, False, False]
    assert table.is_false_presence.tolist() == [False, False, False, True]
    assert not table.is_false_absence.any() and table.max_logit.tolist() == [2.0, 1.0, -1.0, 3.0]


def test_presence_in_numbers():
    summary = nights.presence_summary(nights.night_table(season(), SCORES, 0.0))
    assert (summary["n_nights"], summary["n_present"]) == (4, 2)
    assert (summary["missed_nights"], summary["missed_nights_share"]) == (1, 0.5)
    assert (summary["false_presences"], summary["false_presences_share"]) == (1, 0.5)
    strict = nights.presence_summary(nights.night_table(season(), SCORES, 5.0))
    assert (strict["false_absences"], strict["false_absences_share"], strict["false_presences"]) == (
        2,
        1.0,
        0,
    )


def test_shares_of_nights_that_are_not_there_are_undefined():
    summary = nights.presence_summary(nights.night_table(season().iloc[4:], SCORES[4:], 0.0))
    assert np.isnan(summary["false_absences_share"]) and summary["false_presences_share"] == 0.5


def test_a_night_is_reported_exactly_if_its_highest_score_reaches_the_threshold():
    units = split_table()
    scores = np.random.default_rng(0).normal(size=len(units))
    table = nights.night_table(units, scores, 1.5)
    assert (table.is_reported == (table.max_logit >= 1.5)).all()
    assert table.n_clips.sum() == len(units)


def test_the_curve_agrees_with_the_nights_counted_one_by_one():
    units = split_table()
    scores = np.random.default_rng(1).normal(size=len(units)) + units.is_positive.to_numpy()
    for row in nights.review_curve(units, scores, 1200, n_points=12).itertuples():
        summary = nights.presence_summary(nights.night_table(units, scores, row.threshold_logit))
        assert row.missed_nights == summary["missed_nights"]
        np.testing.assert_equal(row.false_presences, summary["false_presences"])
        negatives = scores[~units.is_positive]
        assert row.review_minutes == pytest.approx((negatives >= row.threshold_logit).mean() * 1200 * 3 / 60)


def test_more_review_never_misses_more_nights():
    units = split_table()
    scores = np.random.default_rng(2).normal(size=len(units))
    curve = nights.review_curve(units, scores, 1200)
    assert (curve.review_minutes.diff()[1:] >= 0).all() and (curve.missed_nights.diff()[1:] <= 0).all()
    assert curve.missed_nights.iloc[-1] == 0 and curve.review_minutes.iloc[-1] == 60


def test_the_order_of_clips_changes_nothing():
    units = split_table().assign(score=lambda t: np.random.default_rng(3).normal(size=len(t)))
    shuffled = units.sample(frac=1, random_state=0)
    tables = [nights.night_table(table, table.score.to_numpy(), 0.3) for table in (units, shuffled)]
    pd.testing.assert_frame_equal(*tables)
    curves = [nights.review_curve(table, table.score.to_numpy(), 1200) for table in (units, shuffled)]
    pd.testing.assert_frame_equal(*curves)


def totals(units, scores):
    table = nights.night_table(units, scores, 0.5)
    return nights.season_totals(table, units, bootstrap.nights_of(units, 1, "test", 500)).set_index(
        "quantity"
    )


def test_season_totals_with_intervals():
    units = split_table({"test_ood": 20})
    found = totals(units, np.random.default_rng(4).normal(size=len(units)))
    row = found.loc["positive clips"]
    assert row.total == units.is_positive.sum() and row.low < row.total < row.high
    assert row.per_night == row.total / 20
    assert (found.low.dropna() >= 0).all()


def test_totals_of_few_nights_have_no_interval():
    found = totals(season(), SCORES)
    of_clips = found[found.out_of.isna()]
    assert len(of_clips) == 4 and of_clips.low.isna().all()
    assert found.loc["nights missed after review", "total"] == 1


def test_counts_of_nights_have_exact_intervals():
    found = totals(season(), SCORES)
    missed = found.loc["nights missed after review"]
    assert (missed.total, missed.out_of) == (1, 2)
    assert (missed.low, missed.high) == pytest.approx([2 * end for end in exact_interval(1, 2)])
    assert found.loc["nights reported", "out_of"] == 4 and found.loc["false presences", "out_of"] == 2
    none = found.loc["false absences"]
    assert none.total == none.low == 0 and none.high == pytest.approx(2 * (1 - 0.05**0.5))


def test_without_a_night_without_the_target_false_presences_are_not_known():
    units = season().iloc[:4]
    row = totals(units, SCORES[:4]).loc["false presences"]
    assert np.isnan([row.total, row.low, row.high]).all()
    summary = nights.presence_summary(nights.night_table(units, SCORES[:4], 0.0))
    assert np.isnan(summary["false_presences"]) and summary["missed_nights"] == 1
    assert nights.review_curve(units, SCORES[:4], 1200).false_presences.isna().all()
    silent = nights.presence_summary(nights.night_table(season().iloc[4:], SCORES[4:], 0.0))
    assert np.isnan([silent["missed_nights"], silent["false_absences"]]).all()


@pytest.mark.simulation
def test_intervals_of_totals_cover_what_other_seasons_would_give():
    rng, covered = np.random.default_rng(6), []
    for number in range(80):
        clips = rng.poisson(rng.gamma(2, 5, 15))
        units = pd.DataFrame({"recorder_id": "r", "night": [f"d{n:02d}" for n in range(15)]})
        table = units.assign(**dict.fromkeys(nights.TOTALS, clips))
        table = table.assign(**dict.fromkeys(nights.OUT_OF, clips > 0)).assign(is_false_presence=False)
        drawn = bootstrap.nights_of(units.assign(clip_id=units.night, is_positive=True), number, "test", 200)
        row = nights.season_totals(table, units, drawn).iloc[0]
        covered.append(row.low <= 15 * 10 <= row.high)
    assert np.mean(covered) > 0.87


def test_nights_and_blocks_must_be_the_same():
    table = nights.night_table(season(), SCORES, 0.0)
    fewer = season().iloc[:6]
    with pytest.raises(ValueError, match="3 nights were drawn for a table of 4"):
        nights.season_totals(table, fewer, bootstrap.nights_of(fewer, 1, "test", 100))


def test_nights_need_recorder_and_night():
    assert nights.has_nights(season())
    assert not nights.has_nights(season().drop(columns="night"))
    assert not nights.has_nights(season().assign(night=None)) and not nights.has_nights(season().iloc[:0])
