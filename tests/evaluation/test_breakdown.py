import numpy as np
import pytest

from tests.small_stage import split_table
from vernal.evaluation import breakdown, metrics


@pytest.fixture
def measured():
    units = split_table({"test_ood": 6})
    scores = np.random.default_rng(0).normal(size=len(units)) + units.is_positive.to_numpy()
    return (
        units,
        scores,
        breakdown.by_group(units, scores[None], [0.5], ["p"]).set_index(["group_by", "level"]),
    )


def test_parts_of_positives_meet_all_negatives(measured):
    units, scores, table = measured
    inside = ((units.quality == "low") | ~units.is_positive).to_numpy()
    row = table.loc[("quality", "low")]
    assert row.n_positive == (units.quality == "low").sum() and row.n_negative == (~units.is_positive).sum()
    assert row.auroc == metrics.auroc(scores[inside], units.is_positive.to_numpy()[inside])
    assert np.isnan(row.precision) and np.isnan(row.f1) and 0 < row.recall < 1


def test_parts_by_place_hold_their_own_clips(measured):
    units, scores, table = measured
    inside = (units.recorder_id == "r8").to_numpy()
    expected = metrics.metrics_at(scores[inside], units.is_positive.to_numpy()[inside], 0.5)
    assert table.loc[("recorder_id", "r8"), ["precision", "f1", "fpr"]].tolist() == [
        expected[name] for name in ("precision", "f1", "fpr")
    ]
    counts = table.loc["recorder_id", ["n_positive", "n_negative"]].to_numpy()
    assert counts.sum() == len(units)


def test_recalls_of_the_parts_make_up_the_whole(measured):
    units, scores, table = measured
    part = table.loc["call_type"]
    assert (part.recall * part.n_positive).sum() / part.n_positive.sum() == pytest.approx(
        metrics.metrics_at(scores, units.is_positive.to_numpy(), 0.5)["recall"]
    )


def test_missing_levels_are_named_and_missing_columns_left_out(measured):
    units, scores, _ = measured
    some = units.assign(site=units.site.mask(units.index < 5)).drop(columns=["quality", "call_type"])
    table = breakdown.by_group(some, scores[None], [0.5], ["p"])
    assert set(table.group_by) == {"recorder_id", "site"}
    assert (
        table[table.level == "unknown"].n_positive.sum() + table[table.level == "unknown"].n_negative.sum()
        == 5
    )
    assert breakdown.by_group(some.assign(site=np.nan, recorder_id=np.nan), scores[None], [0.5], ["p"]).empty


def test_several_detectors_are_told_apart(measured):
    units, scores, _ = measured
    table = breakdown.by_group(units, np.array([scores, -scores]), [0.5, 0.5], ["p1", "p2"])
    assert table.columns[0] == "point" and table.point.value_counts().nunique() == 1
    aurocs = table.pivot(index=["group_by", "level"], columns="point", values="auroc")
    assert (aurocs.p1 + aurocs.p2).to_numpy() == pytest.approx(1)
