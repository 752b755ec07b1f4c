"""Coefficients against textbook values and the libraries, intervals against simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.collection.agreement import (
    AgreementOptions,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    list_disagreements,
    measure_agreement,
    value_counts,
)

QUICK = AgreementOptions(n_draws=100)


def ratings(table, label="RADR", session="1"):
    frame = pd.DataFrame(table, columns=[f"A{i}" for i in range(np.shape(table)[1])])
    frame["clip_id"] = [f"c{i:04d}" for i in range(len(frame))]
    long = frame.melt("clip_id", var_name="annotator", value_name="value").dropna()
    return long.assign(label=label, session=session)


def blocks_of(votes, size=4):
    clips = sorted(votes.clip_id.unique())
    return pd.Series([f"r{i // size}" for i in range(len(clips))], index=clips)


def value(result, coefficient, between=None):
    rows = result[result.coefficient == coefficient]
    return rows[rows.between == between].iloc[0] if between else rows.iloc[0]


def test_cohens_own_example():
    table = (
        [[0, 0]] * 88
        + [[0, 1]] * 10
        + [[0, 2]] * 2
        + [[1, 0]] * 14
        + [[1, 1]] * 40
        + [[1, 2]] * 6
        + [[2, 0]] * 18
        + [[2, 1]] * 10
        + [[2, 2]] * 12
    )
    assert cohen_kappa(np.array(table)) == pytest.approx(0.492, abs=5e-4)


def test_fleiss_and_krippendorff_textbook_examples():
    counts = np.array([
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ])  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)
    nan = np.nan
    table = np.array([
        [nan, nan, nan, nan, nan, 3, 4, 1, 2, 1, 1, 3, 3, nan, 3], [1, nan, 2, 1, 3, 3, 4, 3, nan, nan, nan, nan, nan, nan, nan],
        [nan, nan, 2, 1, 3, 4, 4, nan, 2, 1, 1, 3, 3, nan, 4],
    ]).T - 1  # fmt: skip
    assert krippendorff_alpha(value_counts(table, 4)) == pytest.approx(0.691, abs=5e-4)


def test_tables_name_who_is_compared():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 120)
    table = np.stack([np.where(rng.random(120) < 0.9, truth, 1 - truth) for _ in range(3)], axis=1).astype(
        float
    )
    table[:30, 2] = np.nan
    votes = ratings(table)
    again = ratings(table[:40, :1], session="2")
    result = measure_agreement(pd.concat([votes, again]), blocks_of(votes), QUICK)
    assert set(result.between) == {"A0 and A1", "A0 and A2", "A1 and A2", "everybody", "A0, sessions 1 and 2"}
    same = value(result, "cohen", "A0, sessions 1 and 2")
    assert same.value == 1 and same.n_clips == 40
    everybody = value(result, "fleiss")
    assert everybody.n_clips == 90 and everybody.low < everybody.value < everybody.high
    assert value(result, "krippendorff").n_clips == 120


def test_rows_in_any_order_give_the_same_table():
    rng = np.random.default_rng(3)
    votes = ratings(rng.integers(0, 2, (60, 3)).astype(float))
    first = measure_agreement(votes, blocks_of(votes), QUICK)
    second = measure_agreement(
        votes.sample(frac=1, random_state=1), blocks_of(votes).sample(frac=1, random_state=2), QUICK
    )
    pd.testing.assert_frame_equal(first, second)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=20))
def test_coefficients_stay_in_range_and_do_not_care_who_is_who(rows):
    table = np.array(rows, dtype=float)
    for measure, data in (
        (cohen_kappa, table[:, :2]),
        (fleiss_kappa, value_counts(table, 2)),
        (krippendorff_alpha, value_counts(table, 2)),
    ):
        found = measure(data)
        assert np.isnan(found) or -1 - 1e-9 <= found <= 1 + 1e-9
    swapped = cohen_kappa(table[:, [1, 0]])
    assert swapped == pytest.approx(cohen_kappa(table[:, :2]), nan_ok=True)
    assert krippendorff_alpha(value_counts(1 - table, 2)) == pytest.approx(
        krippendorff_alpha(value_counts(table, 2)), nan_ok=True
    )


def test_votes_that_are_all_the_same_show_no_kappa():
    votes = ratings(np.zeros((40, 2)))
    result = measure_agreement(votes, blocks_of(votes), QUICK)
    assert np.isnan(value(result, "cohen").value) and np.isnan(value(result, "cohen").low)
    assert value(result, "agreement").value == 1


def test_few_recordings_give_no_interval():
    votes = ratings(np.array([[0, 0], [1, 1], [0, 1], [1, 1]], dtype=float))
    result = measure_agreement(votes, blocks_of(votes, size=1), QUICK)
    assert np.isfinite(value(result, "cohen").value) and np.isnan(value(result, "cohen").low)


def test_one_annotator_agrees_with_nobody():
    assert len(measure_agreement(ratings(np.zeros((9, 1))), blocks_of(ratings(np.zeros((9, 1)))), QUICK)) == 0


@pytest.mark.simulation
def test_intervals_cover_the_truth_at_about_their_rate():
    """Two annotators with known errors: their kappa follows by arithmetic."""
    prevalence, miss, false_alarm = 0.4, 0.15, 0.1
    agree = prevalence * ((1 - miss) ** 2 + miss**2) + (1 - prevalence) * (
        (1 - false_alarm) ** 2 + false_alarm**2
    )
    said = prevalence * (1 - miss) + (1 - prevalence) * false_alarm
    chance = said**2 + (1 - said) ** 2
    truth = (agree - chance) / (1 - chance)
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        real = rng.random(240) < prevalence
        table = np.stack(
            [np.where(real, rng.random(240) >= miss, rng.random(240) < false_alarm) for _ in range(2)], axis=1
        )
        votes = ratings(table.astype(float))
        row = value(
            measure_agreement(votes, blocks_of(votes), AgreementOptions(n_draws=120, seed=seed)), "cohen"
        )
        covered += row.low <= truth <= row.high
    assert covered >= 51


def test_disagreements_are_listed_the_most_divided_first():
    votes = pd.DataFrame({
        "clip_id": ["a"] * 3 + ["b"] * 2 + ["c"] * 2, "label": "RADR", "annotator": ["Z", "Y", "X", "Z", "Y", "Z", "Y"],
        "is_present": [True, False, False, True, False, True, True],
    })  # fmt: skip
    table = list_disagreements(votes)
    assert table.clip_id.tolist() == ["b", "a"]
    assert table.absent.tolist() == ["Y", "X, Y"] and table.n_absent.tolist() == [1, 2]
    assert len(list_disagreements(votes[votes.clip_id == "c"])) == 0
