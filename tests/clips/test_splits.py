from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vernal.clips.manifest import SPLITS
from vernal.clips.splits import (
    SplitOptions,
    assign_splits,
    blocks,
    count_splits,
    held_out_sites,
    refuse_untested,
)
from vernal.common.hashing import unit_hash
from vernal.common.problems import InputError

MakeClips = Callable[..., pd.DataFrame]
made = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@made
@given(n=st.integers(1, 120), recorders=st.integers(1, 6), dates=st.integers(1, 9), seed=st.integers(0, 99))
def test_no_recorder_date_group_or_file_is_divided_and_no_row_is_lost(
    make_clips: MakeClips, n, recorders, dates, seed
):
    clips = make_clips(n, recorders, dates, seed=seed)
    clips["group"] = [f"g{i // 7}" if i % 3 else None for i in range(n)]
    clips["content_hash"] = clips.content_hash.where(pd.Series(range(n)) % 11 != 0, "f" * 64)
    clips["site"] = "one"
    splits = assign_splits(clips, SplitOptions())
    assert sorted(splits.clip_id) == sorted(clips.clip_id)
    assert set(splits.split) <= set(SPLITS)
    for key in (["recorder_id", "date"], ["group"], ["content_hash"], ["block"]):
        assert (splits.dropna(subset=key).groupby(key).split.nunique() == 1).all()


@made
@given(seed=st.integers(0, 999))
def test_the_order_of_rows_changes_nothing(make_clips: MakeClips, seed):
    clips = make_clips(80)
    shuffled = clips.sample(frac=1, random_state=seed)
    expected = assign_splits(clips, SplitOptions())
    pd.testing.assert_frame_equal(expected, assign_splits(shuffled, SplitOptions()))


def test_a_night_added_later_moves_no_other(make_clips: MakeClips):
    clips = make_clips(200, dates=12)
    before = assign_splits(clips[clips.date < "2025-04-10"], SplitOptions()).set_index("clip_id").split
    after = assign_splits(clips, SplitOptions()).set_index("clip_id").split
    held = held_out_sites(clips, SplitOptions())
    assert held == held_out_sites(clips[clips.date < "2025-04-10"], SplitOptions())
    pd.testing.assert_series_equal(before, after.loc[before.index])


def test_shares_are_met_over_many_dates():
    keys = [f"R{r} 2025-{m:02d}-{d:02d}" for r in range(9) for m in range(1, 13) for d in range(1, 29)]
    draws = pd.Series([unit_hash("split", 0, key) for key in keys])
    assert (draws < 0.08).mean() == pytest.approx(0.08, abs=0.015)
    assert (draws < 0.23).mean() == pytest.approx(0.23, abs=0.02)


def test_a_given_split_wins_for_its_whole_block(make_clips: MakeClips):
    clips = make_clips(60)
    night = (clips.recorder_id == "R1") & (clips.date == clips.date[clips.recorder_id == "R1"].iloc[0])
    clips.loc[clips.index[night][:1], "split"] = "val"
    splits = assign_splits(clips, SplitOptions())
    assert set(splits.split[splits.clip_id.isin(clips.clip_id[night])]) == {"val"}


def test_a_block_given_to_two_splits_is_refused(make_clips: MakeClips):
    clips = make_clips(20, recorders=1, dates=1)
    clips.loc[[0, 1], "split"] = ["train", "test_ood"]
    with pytest.raises(
        InputError, match=r"block given to several splits \(1\): R0 2025-04-01: test_ood, train"
    ):
        assign_splits(clips, SplitOptions())


def test_named_sites_are_held_out_whole(make_clips: MakeClips):
    splits = assign_splits(make_clips(90), SplitOptions(test_ood_sites=["site1"]))
    assert set(splits.site[splits.split == "test_ood"]) == {"site1"}
    assert set(splits.split[splits.site == "site1"]) == {"test_ood"}


def test_a_site_may_be_named_by_a_number_as_the_command_line_gives_it(make_clips: MakeClips):
    clips = make_clips(30).assign(site="3")
    assert held_out_sites(clips, SplitOptions(test_ood_sites=3)) == ["3"]


def test_an_unknown_site_is_named_with_the_nearest(make_clips: MakeClips):
    with pytest.raises(InputError, match=r"'sit1' \(did you mean 'site1'\?\)"):
        assign_splits(make_clips(30), SplitOptions(test_ood_sites=["sit1"]))


def test_with_fewer_than_three_sites_none_is_held_out(make_clips: MakeClips):
    assert held_out_sites(make_clips(30, sites=2), SplitOptions()) == []


def test_a_group_across_the_held_out_site_is_refused(make_clips: MakeClips):
    clips = make_clips(30)
    clips["group"] = "everything"
    with pytest.raises(InputError, match="block reaches into a held-out site"):
        assign_splits(clips, SplitOptions(test_ood_sites=["site1"]))


def test_a_stage_without_any_clip_to_test_on_is_refused(make_clips: MakeClips):
    splits = assign_splits(make_clips(40).assign(split="train", site="one"), SplitOptions())
    with pytest.raises(InputError, match=r"No clip is in a validation or test split \(train 40\)"):
        refuse_untested(splits)
    refuse_untested(splits.assign(split=splits.split.mask(splits.index == 0, "val")))
    with pytest.raises(InputError, match="train 39, sealed 1"):
        refuse_untested(splits.assign(split=splits.split.mask(splits.index == 0, "sealed")))


def test_blocks_are_named_by_recorder_and_date(make_clips: MakeClips):
    clips = make_clips(5, recorders=1, dates=1)
    assert set(blocks(clips)) == {"R0 2025-04-01"}


def test_counts_add_up_and_name_empty_splits(make_clips: MakeClips):
    splits = assign_splits(make_clips(100, sites=1), SplitOptions())
    counts = count_splits(splits)
    whole = counts[counts.by == "all"].set_index("split")
    assert whole.loc["test_ood", ["n_positive", "n_negative"]].tolist() == [0, 0]
    assert whole.n_positive.sum() + whole.n_negative.sum() == 100
    by_quality = counts[counts.by == "quality"]
    assert by_quality.n_positive.sum() == whole.n_positive.sum()


@pytest.mark.parametrize(
    "options", [{"val_share": 1.0}, {"test_iid_share": -0.1}, {"val_share": 0.6, "test_iid_share": 0.5}]
)
def test_impossible_shares_are_refused(options):
    with pytest.raises(ValueError, match="quality_splitting"):
        SplitOptions(**options)
