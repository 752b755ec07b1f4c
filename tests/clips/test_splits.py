from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vernal.clips.manifest import SPLITS
from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.splits import (
    SplitOptions,
    assign_splits,
    blocks,
    count_splits,
    held_out_sites,
    missing_classes,
    refuse_unusable,
)
from vernal.common.hashing import unit_hash
from vernal.common.problems import InputError

MakeClips = Callable[..., pd.DataFrame]
made = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@made
@given(n=st.integers(1, 120), recorders=st.integers(1, 6), dates=st.integers(1, 9), seed=st.integers(0, 99))
def test_no_night_group_or_file_is_divided_and_no_row_is_lost(
    make_clips: MakeClips, n, recorders, dates, seed
):
    clips = make_clips(n, recorders, dates, seed=seed)
    clips["group"] = [f"g{i // 7}" if i % 3 else None for i in range(n)]
    clips["content_hash"] = clips.content_hash.where(pd.Series(range(n)) % 11 != 0, "f" * 64)
    clips["site"] = "one"
    splits = assign_splits(clips, SplitOptions())
    assert sorted(splits.clip_id) == sorted(clips.clip_id)
    assert set(splits.split) <= set(SPLITS)
    for key in (["site", "night"], ["group"], ["content_hash"], ["block"]):
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
    before = assign_splits(clips[clips.night < "2025-04-10"], SplitOptions()).set_index("clip_id").split
    after = assign_splits(clips, SplitOptions()).set_index("clip_id").split
    held = held_out_sites(clips, SplitOptions())
    assert held == held_out_sites(clips[clips.night < "2025-04-10"], SplitOptions())
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
        InputError, match=r"block given to several splits \(1\): site0 2025-04-01: test_ood, train"
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
        refuse_unusable(splits)
    refuse_unusable(splits.assign(split=splits.split.mask(splits.index == 0, "val")))
    with pytest.raises(InputError, match="train 39, sealed 1"):
        refuse_unusable(splits.assign(split=splits.split.mask(splits.index == 0, "sealed")))


@pytest.mark.parametrize("is_positive", [True, False])
def test_a_single_clip_of_a_class_is_told_at_once(make_clips: MakeClips, is_positive):
    splits = assign_splits(make_clips(40, recorders=2, dates=5), SplitOptions())
    word = "positive" if is_positive else "negative"
    with pytest.raises(InputError, match=f"Only one of 40 clips is {word}"):
        refuse_unusable(splits.assign(is_positive=(splits.index == 3) == is_positive))


def test_letters_of_a_site_that_is_named_do_not_matter(make_clips: MakeClips):
    clips = make_clips(80, recorders=4, dates=5, sites=4).replace(
        {"site": {"site1": "Cole Creek", "site2": "Pond"}}
    )
    options = SplitOptions(test_ood_sites=["cole  creek"], sealed_sites="POND")
    splits = assign_splits(clips, options)
    assert set(splits.site[splits.split == "test_ood"]) == {"Cole Creek"}
    assert set(splits.site[splits.split == "sealed"]) == {"Pond"}


def test_blocks_are_named_by_site_and_night_or_by_recorder_and_night(make_clips: MakeClips):
    clips = make_clips(5, recorders=1, dates=1)
    assert set(blocks(clips)) == {"site0 2025-04-01"}
    assert set(blocks(clips.assign(site=None))) == {"R0 2025-04-01"}
    assert set(blocks(clips.assign(night=None))) == {"R0 at an unknown time"}
    assert len(set(blocks(clips.assign(night=None, recorder_id=None)))) == 5


def test_recorders_of_one_site_share_its_nights(make_clips: MakeClips):
    splits = assign_splits(make_clips(300, recorders=6, dates=10, sites=2), SplitOptions())
    assert (splits.groupby(["site", "night"]).split.nunique() == 1).all()
    assert (splits.groupby(["site", "night"]).recorder_id.nunique() > 1).any()


def from_dusk_to_dawn(recorders: int, n_nights: int) -> pd.DataFrame:
    """A clip an hour from 18:00 to 06:00, dated as recorders do; one in three is positive."""
    rows = [
        (f"R{recorder}", pd.Timestamp("2025-04-01 18:00") + pd.Timedelta(days=night, hours=hour))
        for recorder in range(recorders)
        for night in range(n_nights)
        for hour in range(13)
    ]
    clips = pd.DataFrame(rows, columns=["recorder_id", "began"])
    return clips.assign(
        clip_id=[f"{i:016x}" for i in range(len(rows))], content_hash=[f"{i:064x}" for i in range(len(rows))],
        date=clips.began.dt.strftime("%Y-%m-%d"), time=clips.began.dt.strftime("%H:%M:%S"),
        is_positive=clips.index % 3 == 0, site=None, group=None, split=None,
    ).astype({"site": "str", "group": "str", "split": "str"})  # fmt: skip


def test_no_night_is_cut_at_midnight():
    splits = assign_splits(with_nights(from_dusk_to_dawn(4, 14), NightOptions()), SplitOptions())
    began = pd.to_datetime(splits.date + " " + splits.time)
    evening = (began - pd.Timedelta(hours=12)).dt.date
    nights = splits.groupby([splits.recorder_id, evening]).split.nunique()
    assert len(nights) == 56 and (nights == 1).all()


@pytest.mark.parametrize("seed", range(40))
def test_small_collections_have_both_classes_in_every_split(seed: int):
    clips = with_nights(from_dusk_to_dawn(3, 5), NightOptions())
    splits = assign_splits(clips, SplitOptions(seed=seed))
    counts = splits.groupby(["split", "is_positive"]).size()
    assert all(
        (name, label) in counts.index for name in ("train", "val", "test_iid") for label in (True, False)
    )


@pytest.mark.parametrize("seed", range(20))
def test_small_collections_keep_most_of_each_class_to_train(seed: int):
    clips = with_nights(from_dusk_to_dawn(1, 10), NightOptions())
    clips = clips.assign(is_positive=clips.groupby("night").cumcount() < clips.night.str[-1].astype(int))
    splits = assign_splits(clips, SplitOptions(seed=seed))
    train = splits[splits.split == "train"]
    assert train.is_positive.sum() >= 0.75 * 0.77 * clips.is_positive.sum()
    assert set(splits.split[splits.is_positive]) == {"train", "val", "test_iid"}


def test_a_site_without_positives_is_not_held_out_unasked(make_clips: MakeClips):
    clips = make_clips(120, recorders=4, sites=4)
    (chosen,) = held_out_sites(clips, SplitOptions())
    poor = clips.assign(is_positive=clips.is_positive & (clips.site != chosen))
    (other,) = held_out_sites(poor, SplitOptions())
    assert other != chosen
    alone = clips.assign(is_positive=clips.is_positive & (clips.site == chosen))
    assert held_out_sites(alone, SplitOptions()) == []


def test_what_a_split_lacks_is_said_with_what_mends_it(make_clips: MakeClips):
    splits = make_clips(60).assign(split=["train", "val", "test_ood"] * 20)
    lacking = splits.assign(
        is_positive=splits.is_positive & (splits.split != "test_ood") & (splits.split != "val")
    )
    said = missing_classes(lacking, SplitOptions(test_iid_share=0))
    assert said[0].startswith("val has no positive clip, so no threshold can be chosen. More nights")
    assert "test_ood_sites to one of the sites with both classes: site0, site1, site2" in said[1]
    assert missing_classes(splits, SplitOptions(test_iid_share=0)) == []


def test_clips_of_one_night_are_refused_before_anything_long(make_clips: MakeClips):
    splits = make_clips(14, recorders=1, dates=1).assign(split="val")
    with pytest.raises(
        InputError, match=r"No positive and no negative clip is in the train split \(val 14\)"
    ):
        refuse_unusable(splits)
    dealt = assign_splits(splits.assign(split=None).astype({"split": "str"}), SplitOptions())
    assert set(dealt.split) == {"train"}
    with pytest.raises(
        InputError, match=r"All 14 clips are of one night \(site0 \S+\).*label clips of a second night"
    ):
        refuse_unusable(dealt)


def test_a_single_positive_is_trained_on(make_clips: MakeClips):
    clips = make_clips(9).assign(recorder_id=None, site=None, night=None, is_positive=[True] + [False] * 8)
    splits = assign_splits(clips, SplitOptions())
    assert splits.split[splits.is_positive].tolist() == ["train"]


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


def dealt_by_hand(make_clips: MakeClips, splits: list[str], **columns) -> pd.DataFrame:
    """Count clips of one site, each in the split named."""
    clips = (
        make_clips(len(splits)).assign(site="pond", recorder_id="R1", night="2025-04-01").assign(**columns)
    )
    return count_splits(assign_splits(clips.assign(split=splits), SplitOptions()))


def seen(counts: pd.DataFrame, split: str, by: str) -> dict[str, int]:
    rows = counts[(counts.split == split) & (counts.by == by)]
    return dict(zip(rows.value, rows.n_positive + rows.n_negative, strict=True))


def test_counts_say_which_places_and_nights_also_train(make_clips: MakeClips):
    splits = ["train", "train", "test_iid", "test_iid", "test_ood"]
    known = dealt_by_hand(
        make_clips, splits, site=["a", "b", "a", "b", "c"], night=["1", "2", "2", "1", "1"],
    )  # fmt: skip
    assert seen(known, "test_iid", "place_in_training") == {"yes": 2}
    assert seen(known, "test_iid", "night_in_training") == {"no": 2}
    assert (
        seen(known, "test_ood", "place_in_training")
        == {"no": 1}
        == seen(known, "test_ood", "night_in_training")
    )
    # Two recorders without a site: one has a night that is not known, so any of its nights may train.
    part = dealt_by_hand(
        make_clips,
        splits,
        site=None,
        recorder_id=["A", "B", "A", "B", None],
        night=[None, "1", "2", "2", "1"],
    )
    assert seen(part, "test_iid", "place_in_training") == {"yes": 2}
    assert seen(part, "test_iid", "night_in_training") == {"no": 1, "not given": 1}
    assert (
        seen(part, "test_ood", "place_in_training")
        == {"not given": 1}
        == seen(part, "test_ood", "night_in_training")
    )


def test_where_only_dates_are_missing_clips_are_dealt_by_recorder(make_clips: MakeClips):
    clips = make_clips(200, recorders=8).drop(columns=["night", "night_from"]).assign(date=None)
    splits = assign_splits(
        with_nights(clips.astype({"date": "str"}), NightOptions()), SplitOptions(test_ood_sites=[])
    )
    assert splits.night.isna().all() and splits.split.nunique() == 3
    assert (splits.groupby("recorder_id").split.nunique() == 1).all()
    counts = count_splits(splits)
    assert seen(counts, "test_iid", "night_in_training") == {
        "not given": len(splits[splits.split == "test_iid"])
    }
