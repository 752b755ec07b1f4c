from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vernal.clips.splits import SplitOptions, assign_splits
from vernal.sweeps.plans import resolve_points
from vernal.sweeps.spec import parse_spec
from vernal.training.sets import FIT, STOP, draw_training_sets, without_copies

MakeClips = Callable[..., pd.DataFrame]


def plan_of(**axes) -> pd.DataFrame:
    base = {} if "quality" in axes else {"quality": ["high", "medium"]}
    content = {"stage": "trial", "axes": axes, "base_params": base}
    return resolve_points(parse_spec(content, "trial.yml", known_subsets=None), {}, known_subsets=None)


def subset(clips: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    return clips[clips.clip_id.isin(ids)][["clip_id", "is_positive", "source", "content_hash"]]


@pytest.fixture
def splits(make_clips: MakeClips) -> pd.DataFrame:
    return assign_splits(make_clips(400, recorders=6, dates=8), SplitOptions())


def test_no_test_or_validation_clip_trains_and_no_clip_has_two_roles(splits: pd.DataFrame):
    plan = plan_of(seed=[1, 2], balance=[True, False])
    sets, _, failures = draw_training_sets(plan, splits, {})
    assert failures.empty
    split_of = splits.set_index("clip_id").split
    assert set(split_of.loc[sets.clip_id]) == {"train"}
    assert not sets.duplicated(["fit_hash", "clip_id"]).any()
    assert set(sets.role) == {FIT, STOP}


def test_use_validation_stops_on_the_validation_split(splits: pd.DataFrame):
    sets, counts, _ = draw_training_sets(plan_of(seed=[1], use_validation=[True]), splits, {})
    split_of = splits.set_index("clip_id").split
    assert set(split_of.loc[sets.clip_id[sets.role == STOP]]) == {"val"}
    assert set(split_of.loc[sets.clip_id[sets.role == FIT]]) == {"train"}
    assert counts.n_stop_positive[0] == (splits.is_positive & (splits.split == "val")).sum()


def test_a_validation_split_without_a_class_ends_no_training(splits: pd.DataFrame):
    asked = plan_of(seed=[1], use_validation=[True])
    one_sided = splits[(splits.split != "val") | splits.is_positive]
    for lacking in (one_sided, splits[splits.split != "val"]):
        sets, _, failures = draw_training_sets(asked, lacking, {})
        held_out, _, _ = draw_training_sets(plan_of(seed=[1], use_validation=[False]), lacking, {})
        assert failures.empty and set(lacking.set_index("clip_id").split.loc[sets.clip_id]) == {"train"}
        assert sets.drop(columns="fit_hash").equals(held_out.drop(columns="fit_hash"))


def test_balance_makes_the_classes_equal(splits: pd.DataFrame):
    _, counts, _ = draw_training_sets(plan_of(seed=[1, 2, 3], balance=[True]), splits, {})
    total = counts.n_train_positive + counts.n_stop_positive
    assert (total == counts.n_train_negative + counts.n_stop_negative).all()


def test_every_positive_of_the_train_split_trains_or_is_counted_where_it_was_left_out(splits: pd.DataFrame):
    axes = {
        "quality": [["high"], ["high", "medium", "low"]],
        "balance": [True, False],
        "max_per_class": [0, 5],
    }
    plan = plan_of(seed=[1], **axes)
    _, counts, _ = draw_training_sets(plan, splits, {})
    assert (counts.n_positive_at_hand == (splits.is_positive & (splits.split == "train")).sum()).all()
    left_out = counts.filter(like="n_left_out_").sum(axis=1)
    trained = counts.n_train_positive + counts.n_stop_positive
    assert (trained + left_out == counts.n_positive_at_hand).all()
    of_fit = counts.set_index("fit_hash").loc[plan.fit_hash]
    filtered = (plan["quality"] == "high").to_numpy()
    assert ((of_fit.n_left_out_quality > 0) == filtered).all() and (of_fit.n_left_out_caps > 0).any()


def test_an_empty_subset_keeps_its_point_and_is_marked(splits: pd.DataFrame):
    plan = plan_of(seed=[1], negative_subsets=[[], ["hardNeg/hardneg_conf_min_50"]])
    empty = {"hardNeg/hardneg_conf_min_50": splits.iloc[:0]}
    _, counts, failures = draw_training_sets(plan, splits, empty)
    assert failures.empty
    assert sorted(counts.empty_subsets) == ["", "hardNeg/hardneg_conf_min_50"]
    assert counts.n_train_negative.nunique() == 1


def test_a_point_without_clips_fails_alone_and_says_why(splits: pd.DataFrame):
    no_high = splits[~((splits.split == "train") & (splits.quality == "high"))]
    content = {"stage": "trial", "axes": {"quality": [["high"], ["medium"]]}, "base_params": {"seed": 1}}
    plan = resolve_points(parse_spec(content, "trial.yml", known_subsets=None), {}, known_subsets=None)
    sets, counts, failures = draw_training_sets(plan, no_high, {})
    _, none, _ = draw_training_sets(plan[:1], no_high, {})
    assert len(none) == 0
    assert none.columns.tolist() == counts.columns.tolist()
    assert failures.point.tolist() == ["trial_001"]
    assert "No positive clip is left to train on" in failures.message[0]
    assert sets.fit_hash.nunique() == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_the_order_of_clips_and_subsets_changes_no_training_set(splits: pd.DataFrame, seed: int):
    low = splits[(splits.split == "train") & splits.is_positive & (splits.quality == "low")].clip_id.tolist()
    subsets = {"bestLowQuality/small": subset(splits, low[:10])}
    plan = plan_of(seed=[1, 2], balance=[True, False], positive_subsets=[[], ["bestLowQuality/small"]])
    expected, _, _ = draw_training_sets(plan, splits, subsets)
    shuffled = splits.sample(frac=1, random_state=seed)
    turned = {name: table.sample(frac=1, random_state=seed) for name, table in subsets.items()}
    sets, _, _ = draw_training_sets(plan.sample(frac=1, random_state=seed), shuffled, turned)
    pd.testing.assert_frame_equal(expected, sets)


def test_training_clips_that_copy_a_held_out_clip_are_left_out(splits: pd.DataFrame):
    train, val, test = (
        splits.clip_id[splits.split == name].tolist() for name in ("train", "val", "test_ood")
    )
    pairs = pd.DataFrame(
        {
            "clip_id": [train[0], val[0], train[2], val[1]],
            "other_clip_id": [test[0], train[1], train[3], test[1]],
        }
    )
    subsets = {"bestLowQuality/small": subset(splits, train[:4])}
    kept, kept_subsets = without_copies(splits, subsets, pairs)
    assert set(splits.clip_id) - set(kept.clip_id) == {train[0], train[1]}
    assert set(kept_subsets["bestLowQuality/small"].clip_id) == set(train[2:4])
