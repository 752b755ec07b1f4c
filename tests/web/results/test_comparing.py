"""Two points side by side: settings, values, and a paired difference that a plain loop confirms."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vernal.common.problems import InputError
from vernal.common.table_files import read_table, write_table
from vernal.evaluation import bootstrap
from vernal.evaluation.stage_results import level_words
from vernal.web.results import comparing

A, B = "made_001", "made_003"  # hidden_units 0 and 64, the rest alike


@pytest.fixture(scope="module")
def pair(made_once, loaded):
    return comparing.read_pair(made_once.data_root, loaded.results, A, B)


def test_settings_that_differ_are_named_with_their_meaning(loaded):
    rows = comparing.setting_rows(loaded.results, A, B)
    (row,) = [one for one in rows if one.differs]
    assert (row.name, row.a, row.b) == ("hidden_units", "0", "64") and "hidden layer" in row.help
    assert {one.name: one.idle for one in rows}["focal_loss_gamma"] == "A, B"
    assert [one for one in comparing.setting_rows(loaded.results, A, A) if one.differs] == []


def test_values_are_those_of_the_points_table(loaded, pair):
    rows = comparing.metric_rows(loaded.results, pair)
    assert {row.split for row in rows} == {"val", "test_iid", "test_ood"} and len(rows) == 21
    for row in rows:
        for point, shown in ((A, row.a), (B, row.b)):
            assert shown[0] == loaded.results.number(point, f"{row.split}_{row.metric}")
        assert row.difference[0] == pytest.approx(row.b[0] - row.a[0], abs=2e-6)


def naive_difference(units, logits, thresholds, options, split, metric):
    """Draw nights one by one and count; the interval by the textbook."""
    nights = bootstrap.nights_of(units, options.seed, split, options.n_draws)
    truth = units["is_positive"].to_numpy(bool)
    found = []
    for counts in nights.counts:
        weight = counts[nights.blocks.code]
        values = []
        for row, at in zip(logits, thresholds, strict=True):
            flagged = row >= at
            tp, fp = (weight * (flagged & truth)).sum(), (weight * (flagged & ~truth)).sum()
            fn, tn = (weight * (~flagged & truth)).sum(), (weight * (~flagged & ~truth)).sum()
            values.append(
                {"f1": 2 * tp / (2 * tp + fp + fn), "recall": tp / (tp + fn), "fpr": fp / (fp + tn)}[metric]
            )
        found.append(values[1] - values[0])
    effective = nights.effective_for(metric)
    error = math.sqrt(np.var(found, ddof=1) * effective / (effective - 1))
    return stats.t.ppf(0.975, effective - 1) * error


@pytest.mark.parametrize("metric", ["f1", "recall", "fpr"])
def test_the_paired_interval_agrees_with_a_plain_loop(loaded, pair, metric):
    units, logits = pair.units["test_ood"], pair.logits["test_ood"]
    thresholds = [loaded.results.number(point, "threshold_logit") for point in (A, B)]
    options = loaded.results.options
    difference, low, high = comparing.differences(units, logits, thresholds, "test_ood", options)[metric]
    reach = naive_difference(units, logits, thresholds, options, "test_ood", metric)
    assert (low, high) == pytest.approx((difference - reach, difference + reach))


def test_swapping_the_points_turns_the_difference_around(made_once, loaded, pair):
    other = comparing.read_pair(made_once.data_root, loaded.results, B, A)
    for one, turned in zip(
        comparing.metric_rows(loaded.results, pair), comparing.metric_rows(loaded.results, other), strict=True
    ):
        assert turned.difference == pytest.approx(
            (-one.difference[0], -one.difference[2], -one.difference[1]), nan_ok=True
        )


def test_a_point_beside_itself_is_the_same(made_once, loaded):
    twin = comparing.read_pair(made_once.data_root, loaded.results, A, A)
    tested = [row for row in comparing.metric_rows(loaded.results, twin) if row.split != "val"]
    assert {row.verdict for row in tested} == {comparing.SAME}
    assert comparing.is_same_run(loaded.results, A, A) and not comparing.is_same_run(loaded.results, A, B)


def test_validation_gets_no_interval(loaded, pair):
    rows = [row for row in comparing.metric_rows(loaded.results, pair) if row.split == "val"]
    assert all(row.verdict == comparing.NO_INTERVAL for row in rows)


def test_too_few_nights_get_no_interval(loaded, pair):
    units, logits = pair.units["test_ood"], pair.logits["test_ood"]
    few = units["date"] <= "2025-03-02"
    found = comparing.differences(units[few], logits[:, few], [0.0, 0.0], "test_ood", loaded.results.options)
    assert all(not math.isfinite(low) for _, low, _ in found.values())


def test_the_effect_of_the_one_setting_that_differs_is_found(loaded):
    rows = comparing.setting_rows(loaded.results, A, B)
    found = comparing.effect_of_difference(loaded.results, rows)
    assert set(found["axis"]) == {"hidden_units"} and len(found) == 6  # two splits, three metrics
    both = comparing.setting_rows(loaded.results, A, "made_004")  # two settings differ
    assert comparing.effect_of_difference(loaded.results, both).empty
    seeds = comparing.setting_rows(loaded.results, A, "made_005")  # the seed alone
    assert comparing.effect_of_difference(loaded.results, seeds).empty


def test_unknown_points_are_refused_with_a_suggestion(loaded):
    with pytest.raises(InputError, match="made has no point 'mad_001'; did you mean 'made_001'"):
        comparing.check_point(loaded.results, "mad_001")
    with pytest.raises(InputError, match="made has no point '13'"):
        comparing.check_point(loaded.results, "13")
    assert comparing.check_point(loaded.results, " 3 ") == "made_003"  # a number is enough


def test_scores_that_do_not_fit_the_splits_any_more_are_refused(made):
    file = made.data_root / "03_primary" / "splits.parquet"
    splits = read_table(file)
    write_table(splits.assign(is_positive=~splits.is_positive), file)
    with pytest.raises(InputError, match="label differs between scores and split table"):
        comparing.read_pair(made.data_root, made.load().results, A, B)
    file.unlink()
    with pytest.raises(InputError, match=r"03_primary/splits.parquet is not there.*Run the stage made again"):
        comparing.read_pair(made.data_root, made.load().results, A, B)


def test_points_that_failed_have_nothing_to_compare(made):
    file = made.data_root / "08_reporting" / "made" / "points.csv"
    table = read_table(file)
    table["error"] = table["error"].astype("object")
    table.loc[0, "error"] = "loss became infinite"
    write_table(table, file)
    with pytest.raises(InputError, match="made_001 has no result to show: loss became infinite"):
        comparing.check_point(made.load().results, "made_001")


def test_levels_are_compared_however_tables_spell_them():
    assert level_words("high;medium") == level_words("high, medium")
    assert pd.Series(["0.50", "0.5"]).map(level_words).tolist() == ["0.50", "0.5"]
