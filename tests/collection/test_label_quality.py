"""Wrong labels come to the top, and coverage says what training lacks."""

import numpy as np
import pandas as pd

from vernal.collection.coverage import compare_coverage, count_choosers, with_facets
from vernal.collection.label_quality import suspect_labels
from vernal.collection.linear_model import deal_groups, out_of_fold, reduce_dims


def labelled(seed, n_wrong):
    rng = np.random.default_rng(seed)
    n = 400
    truth = rng.random(n) < 0.4
    x = rng.standard_normal((n, 8))
    x[:, 0] += 4 * truth
    wrong = rng.choice(n, n_wrong, replace=False)
    y = truth.copy()
    y[wrong] = ~y[wrong]
    ids = np.array([f"c{i:03d}" for i in range(n)])
    groups = np.arange(n) // 8
    return ids, x, y, groups, {ids[i] for i in wrong}


def test_flipped_labels_are_found():
    ids, x, y, groups, wrong = labelled(0, 24)
    table = suspect_labels(ids, y, out_of_fold(reduce_dims(x), y, groups, 0), "RADR")
    found = set(table.clip_id)
    assert len(found & wrong) >= 19 and len(found - wrong) <= 14
    assert len(set(table.clip_id[:15]) & wrong) >= 14
    assert (
        table["rank"].tolist() == list(range(1, len(table) + 1))
        and table.label_quality.is_monotonic_increasing
    )


def test_right_labels_raise_little_suspicion():
    ids, x, y, groups, _ = labelled(1, 0)
    assert len(suspect_labels(ids, y, out_of_fold(reduce_dims(x), y, groups, 0), "RADR")) <= 20


def test_too_little_to_suspect_anything():
    assert (
        len(suspect_labels(np.array(["a", "b"]), np.array([True, False]), np.array([0.1, 0.9]), "RADR")) == 0
    )
    assert len(suspect_labels(np.array(["a"]), np.array([True]), np.array([np.nan]), "RADR")) == 0


def test_no_model_sees_the_group_it_judges(monkeypatch):
    from vernal.collection import linear_model as module

    _, x, y, groups, _ = labelled(2, 0)
    marked = np.column_stack([groups.astype(float), x])
    seen = []
    monkeypatch.setattr(
        module, "probabilities", lambda a, b, c: seen.append((set(a[:, 0]), set(c[:, 0]))) or np.zeros(len(c))
    )
    module.out_of_fold(marked, y, groups, 0)
    assert all(not train & test for train, test in seen) and len(seen) == 5


def test_folds_are_alike_in_size_and_the_same_in_any_order():
    groups = np.repeat(np.arange(20), np.arange(1, 21))
    fold = deal_groups(groups, 0, 5)
    assert np.bincount(fold).min() > 25
    order = np.random.default_rng(0).permutation(len(groups))
    assert (deal_groups(groups[order], 0, 5) == fold[order]).all()
    assert np.isnan(out_of_fold(np.zeros((3, 2)), np.array([True, False, True]), np.zeros(3), 0)).all()


def test_reduced_dimensions_do_not_depend_on_order():
    x = np.random.default_rng(0).standard_normal((50, 60))
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_allclose(reduce_dims(x)[order], reduce_dims(x[order]), atol=1e-6)
    assert reduce_dims(np.zeros((5, 3))).shape == (5, 3)


def table(**columns):
    n = max(len(values) for values in columns.values())
    blank = dict.fromkeys(("site", "recorder_id", "date", "time"), [np.nan] * n)
    return with_facets(pd.DataFrame(blank | columns).astype("str"))


def test_what_training_lacks_is_named():
    training = table(site=["pond"] * 18 + ["creek"] * 2, time=["21:10:00"] * 20, date=["2025-04-03"] * 20)
    deployment = table(
        site=["pond"] * 5 + ["creek"] * 5 + ["marsh"] * 2,
        time=["21:00:00"] * 6 + ["04:00:00"] * 6,
        date=["2025-06-01"] * 12,
    )
    state = compare_coverage(training, deployment).set_index(["by", "value"]).state
    assert (
        state["site", "marsh"] == "missing"
        and state["site", "creek"] == "thin"
        and state["site", "pond"] == "covered"
    )
    assert (
        state["hour", "04"] == "missing"
        and state["month", "04"] == "only in training"
        and state["month", "06"] == "missing"
    )
    assert state["recorder_id", "not known"] == "covered"


def test_shares_add_up_and_without_deployment_nothing_is_judged():
    training = table(site=["a", "b", "b"])
    result = compare_coverage(training, training.iloc[:0])
    assert np.allclose(result.groupby("by").training_share.sum(), 1) and set(result.state) == {""}


def test_who_chose_the_clips():
    chosen = pd.Series([np.nan, np.nan, "stage5_001", np.nan], dtype="str")
    clips = pd.DataFrame({"mined_by": chosen, "is_positive": [True, False, True, False]})
    recordings = pd.DataFrame({"mined_by": pd.Series([np.nan, "stage5_001", "older"], dtype="str")})
    result = count_choosers(recordings, clips)
    assert result.chosen_by.tolist() == ["people", "older", "stage5_001"] and result.n_clips.tolist() == [
        3,
        0,
        1,
    ]
    assert result.n_recordings.tolist() == [1, 1, 1] and result.positive_share[2] == 1.0
