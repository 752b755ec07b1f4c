from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vernal.clips.folds import CHOOSE_BY, MOST_SITE_FOLDS, folds_of, without_fold
from vernal.clips.splits import SplitOptions, assign_splits

MakeClips = Callable[..., pd.DataFrame]
made = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def train_split(n_sites: int, n_nights: int = 6, clips_per_night: int = 4) -> pd.DataFrame:
    """A train split whose every night has positives and negatives."""
    rows = [
        (f"pond {site:02d}", f"r{site}", f"2025-03-{night + 1:02d}", at % 2 == 0)
        for site in range(n_sites)
        for night in range(n_nights)
        for at in range(clips_per_night)
    ]
    table = pd.DataFrame(rows, columns=["site", "recorder_id", "night", "is_positive"])
    return table.assign(
        clip_id=[f"c{at:04d}" for at in range(len(table))],
        split="train",
        block=table.site + " " + table.night,
    )


def test_each_training_site_is_held_out_once():
    clips = train_split(4)
    folds = folds_of(clips, "sites")
    assert (folds.by, folds.reasons) == ("sites", ())
    assert folds.names == sorted(clips.site.unique())
    assert folds.clips.clip_id.tolist() == clips.clip_id.tolist()
    assert folds.clips.fold.tolist() == clips.site.tolist()


def test_many_sites_are_held_out_in_ten_groups():
    clips = train_split(23, n_nights=2)
    folds = folds_of(clips, "sites")
    assert len(folds.names) == MOST_SITE_FOLDS
    assert (folds.clips.groupby(clips.site).fold.nunique() == 1).all()


def test_a_site_of_one_class_always_trains():
    clips = train_split(4)
    clips.loc[clips.site == "pond 03", "is_positive"] = False
    folds = folds_of(clips, "sites")
    assert folds.names == ["pond 00", "pond 01", "pond 02"]
    assert not set(folds.clips.clip_id) & set(clips.clip_id[clips.site == "pond 03"])


def test_with_two_sites_nights_are_held_out_and_the_reason_is_said():
    clips = train_split(2)
    folds = folds_of(clips, "sites")
    assert folds.by == "nights" and len(folds.names) == 5
    assert folds.reasons == (
        "sites cannot be left out in turn: 2 of 2 training sites with clips of both classes, and it takes three",
    )
    assert (folds.clips.groupby(clips.block).fold.nunique() == 1).all()
    assert (folds.clips.groupby("fold").is_positive.nunique() == 2).all()


def test_nights_are_held_out_where_they_are_asked_for():
    assert folds_of(train_split(4), "nights").by == "nights"


def test_positives_of_two_nights_leave_it_to_validation():
    clips = train_split(1)
    clips["is_positive"] &= clips.night <= "2025-03-02"
    folds = folds_of(clips, "sites")
    assert folds.by == "validation" and folds.clips.empty
    assert folds.reasons[1] == (
        "nights cannot be left out in turn: positives of 2 and negatives of 6 nights or blocks cannot be dealt into "
        "three folds"
    )


def test_validation_asks_for_no_folds():
    folds = folds_of(train_split(4), "validation")
    assert (folds.by, folds.reasons, folds.names) == ("validation", (), [])


def test_a_table_without_sites_is_dealt_by_nights():
    clips = train_split(4).assign(site=np.nan)
    assert folds_of(clips, "sites").reasons[0].startswith("sites cannot be left out in turn: no known site")


@made
@given(seed=st.integers(0, 2**16), asked=st.sampled_from(CHOOSE_BY))
def test_the_order_of_rows_changes_nothing(make_clips: MakeClips, seed: int, asked: str):
    splits = assign_splits(make_clips(200, recorders=6, dates=6), SplitOptions())
    one, other = (folds_of(table, asked) for table in (splits, splits.sample(frac=1, random_state=seed)))
    pd.testing.assert_frame_equal(one.clips, other.clips)


@settings(made, max_examples=12)
@given(seed=st.integers(0, 50), asked=st.sampled_from(CHOOSE_BY))
def test_nothing_of_a_held_out_site_night_or_sound_trains(make_clips: MakeClips, seed: int, asked: str):
    splits = assign_splits(make_clips(300, recorders=6, dates=6, seed=seed), SplitOptions())
    subsets = {"mined": splits[splits.split == "train"].sample(frac=0.5, random_state=seed)}
    folds = folds_of(splits, asked)
    for fold in folds.names:
        held = splits[splits.clip_id.isin(folds.clips.clip_id[folds.clips.fold == fold])]
        left, kept = without_fold(splits, subsets, folds, fold)
        for table in (left[left.split.isin(["train", "val"])], *kept.values()):
            assert not set(table.clip_id) & set(held.clip_id)
            assert not set(table.content_hash) & set(held.content_hash)
            assert not set(table.block) & set(held.block)
            if folds.by == "sites":
                assert not set(table.site) & set(held.site)
        untouched = ~splits.split.isin(["train", "val"])
        assert left.split[untouched].equals(splits.split[untouched])


def test_a_recorder_of_unknown_site_goes_with_the_site_where_it_stands():
    clips = train_split(4).assign(content_hash=[f"h{at}" for at in range(96)])
    at_large = clips.index[clips.recorder_id == "r1"][-2:]
    clips.loc[at_large, "site"] = np.nan
    folds = folds_of(clips, "sites")
    left, _ = without_fold(clips, {}, folds, "pond 01")
    assert (left.split[at_large] == "test_ood").all()


@pytest.mark.parametrize("asked", CHOOSE_BY)
def test_names_of_folds_are_text_in_order(asked: str):
    assert folds_of(train_split(3), asked).names == sorted(
        folds_of(train_split(3), asked).clips.fold.unique()
    )
