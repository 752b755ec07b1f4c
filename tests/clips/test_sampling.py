"""Choosing the training clips of a point."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.clips.sampling import (
    balance,
    cap,
    class_counts,
    draw,
    filter_clips,
    floor_share,
    priorities,
    select,
    training_clips,
    validation_split,
)
from vernal.common.problems import InputError


def labelled(n_positive, n_negative, split="train", start=0):
    n = n_positive + n_negative
    number = np.arange(start, start + n)
    is_positive = np.arange(n) < n_positive
    tiers = np.array(["high", "medium", "low"])[number % 3]
    return pd.DataFrame(
        {
            "clip_id": [f"{i:016x}" for i in number],
            "source": "labelled",
            "file_path": [f"{i}.wav" for i in number],
            "content_hash": [f"h{i}" for i in number],
            "is_positive": is_positive,
            "quality": pd.Series(np.where(is_positive, tiers, None)).astype("str"),
            "call_type": pd.Series(
                np.where(is_positive, np.array(["grunt", "growl"])[number % 2], None)
            ).astype("str"),
            "recorder_id": np.array(["M1", "M2"])[number % 2],
            "site": np.array(["pond", "creek"])[number % 2],
            "date": "2025-03-01",
            "group": [f"g{split}{i % 4}" for i in number],
            "split": split,
        }
    )


def point(**changes):
    nothing = dict.fromkeys(
        ["quality", "call_type", "recorders", "sites", "positive_subsets", "negative_subsets"]
    )
    return SimpleNamespace(
        **(nothing | {"max_per_class": 0, "neg_ratio": 0.0, "balance": False, "seed": 1} | changes)
    )


def field(n, is_positive=False, source="field", origin="mined", start=10_000):
    return pd.DataFrame(
        {
            "clip_id": [f"{i:016x}" for i in range(start, start + n)],
            "source": source,
            "is_positive": is_positive,
            "content_hash": [f"f{i}" for i in range(start, start + n)],
            "group": "field night",
            "origin": origin,
        }
    )


def splits_of(n_positive=30, n_negative=60):
    train = labelled(n_positive, n_negative)
    held = [
        labelled(4, 4, split, start)
        for split, start in (("val", 1000), ("test_iid", 2000), ("test_ood", 3000))
    ]
    return pd.concat([train, *held], ignore_index=True)


mixtures = st.builds(labelled, st.integers(1, 40), st.integers(1, 40))
seeds = st.integers(0, 2**31)


# Balance


def test_800_and_3000_become_800_and_800():
    balanced = balance(labelled(800, 3000), seed=123)
    assert class_counts(balanced) == (800, 800)
    assert balanced.clip_id.is_monotonic_increasing


@given(mixtures, seeds)
def test_balance_keeps_the_smaller_class_and_takes_from_the_larger(clips, seed):
    balanced = balance(clips, seed)
    n_positive, n_negative = class_counts(clips)
    assert class_counts(balanced) == (min(n_positive, n_negative),) * 2
    assert set(balanced.clip_id) <= set(clips.clip_id) and balanced.clip_id.is_unique
    smaller = clips[clips.is_positive == (n_positive <= n_negative)]
    assert set(smaller.clip_id) <= set(balanced.clip_id)


@given(mixtures, seeds, st.randoms())
def test_the_order_of_rows_and_the_index_change_no_draw(clips, seed, random):
    order = list(range(len(clips)))
    random.shuffle(order)
    shuffled = clips.iloc[order]
    pd.testing.assert_frame_equal(balance(clips, seed), balance(shuffled, seed))
    pd.testing.assert_frame_equal(cap(clips, 7, 0.5, seed), cap(shuffled, 7, 0.5, seed))


@given(st.integers(1, 20), st.integers(21, 60), seeds, st.data())
def test_a_clip_that_is_added_moves_at_most_one_other(n_positive, n_negative, seed, data):
    clips = labelled(n_positive, n_negative)
    gone = data.draw(st.sampled_from(list(clips.clip_id[~clips.is_positive])))
    before = set(balance(clips[clips.clip_id != gone], seed).clip_id)
    after = set(balance(clips, seed).clip_id)
    assert after - before <= {gone}
    assert len(before - after) <= 1


def test_a_draw_is_part_of_every_larger_one_and_sorted():
    clips = labelled(0, 30).iloc[::-1]
    drawn = [draw(clips, count, 1, "test").clip_id for count in (0, 5, 12, 30, 99)]
    assert [len(ids) for ids in drawn] == [0, 5, 12, 30, 30]
    assert all(ids.is_monotonic_increasing for ids in drawn)
    assert set(drawn[1]) < set(drawn[2]) < set(drawn[3])


def test_seeds_draw_differently_and_about_evenly():
    clips = labelled(50, 100)
    draws = [frozenset(balance(clips, seed).clip_id) for seed in range(150)]
    assert len(set(draws)) == 150
    counts = pd.Series([clip for drawn in draws for clip in drawn]).value_counts()
    negatives = counts[clips.clip_id[~clips.is_positive]]
    assert negatives.between(44, 106).all()  # expected 75, five standard deviations of 6.1


def test_the_draw_is_the_same_on_every_system():
    places = priorities(["0" * 16, "f" * 16], 123, "training clips")
    assert places.tolist() == [17192141909485554286, 2073685431805461565]


def test_balance_without_a_class_says_which():
    with pytest.raises(InputError, match="there is no negative clip"):
        balance(labelled(3, 0), 1)


# Caps


@given(mixtures, seeds, st.integers(0, 30), st.sampled_from([0.0, 0.29, 0.5, 1.0, 2.0]))
def test_caps_hold_and_follow_one_list(clips, seed, most, ratio):
    capped = cap(clips, most, ratio, seed)
    n_positive, n_negative = class_counts(capped)
    assert n_positive == min(class_counts(clips)[0], most or 100)
    if ratio:
        assert n_negative <= floor_share(ratio, n_positive)
    # Balancing what was capped is the head of the same list as balancing everything.
    if n_positive and n_negative:
        assert set(
            balance(capped, seed).clip_id[lambda ids: ids.isin(clips.clip_id[~clips.is_positive])]
        ) <= set(cap(clips, n_negative, 0, seed).clip_id)
    assert set(cap(clips, 5, 0, seed).clip_id) <= set(cap(clips, 9, 0, seed).clip_id)


def test_caps_below_zero_are_refused():
    with pytest.raises(ValueError, match="max_per_class is -1"):
        cap(labelled(2, 2), -1, None, 1)
    with pytest.raises(ValueError, match="neg_ratio nan"):
        cap(labelled(2, 2), None, float("nan"), 1)


def test_shares_round_down_as_a_person_reckons():
    assert [floor_share(0.29, 100), floor_share(0.57, 100), floor_share(0.05, 1030)] == [29, 57, 51]
    assert floor_share(np.float64(0.3), 1030) == 309


# Filters


def test_quality_and_call_type_spare_negatives_but_places_do_not():
    clips = labelled(12, 12)
    chosen = filter_clips(clips, clips, quality=["high", "medium"], call_type=["grunt"])
    assert class_counts(chosen) == (4, 12)
    assert set(chosen[chosen.is_positive].quality) == {"high", "medium"}
    assert class_counts(filter_clips(clips, clips, recorders=["M1"])) == (6, 6)
    assert class_counts(filter_clips(clips, clips, sites=["pond"], quality=["low"])) == (2, 6)


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_an_empty_filter_lets_everything_pass(nothing):
    clips = labelled(5, 5)
    assert len(filter_clips(clips, clips, nothing, nothing, nothing, nothing)) == 10


def test_positives_without_a_quality_count_as_high():
    clips = labelled(3, 3).assign(quality=pd.Series([np.nan] * 6, dtype="str"))
    assert class_counts(filter_clips(clips, clips, quality=["high"])) == (3, 3)
    assert class_counts(filter_clips(clips.drop(columns="quality"), clips, quality=["low"])) == (0, 3)


def test_misspelled_filters_are_reported_together():
    with pytest.raises(InputError) as caught:
        filter_clips(
            labelled(3, 3),
            labelled(3, 3),
            quality=["hihg"],
            recorders=["M11"],
            sites=["ponds"],
            call_type=["chirp"],
        )
    message = str(caught.value)
    assert "4 problems" in message
    assert "did you mean 'high'?" in message and "did you mean 'pond'?" in message


# The training set


def test_steps_come_in_the_order_of_the_study_and_are_counted():
    splits = splits_of()
    low = splits[(splits.split == "train") & (splits.quality == "low")]
    subsets = {"bestLowQuality/small": low.head(3), "hardNeg/hardneg_conf_min_50": field(8)}
    selection = select(
        splits,
        subsets,
        point(
            quality=("high", "medium"),
            positive_subsets=("bestLowQuality/small",),
            negative_subsets=("hardNeg/hardneg_conf_min_50",),
            neg_ratio=2.0,
            balance=True,
        ),
    )
    assert selection.steps.to_dict("split")["data"] == [
        ["train split", 30, 60],
        ["quality", 20, 60],
        ["call_type", 20, 60],
        ["recorders", 20, 60],
        ["sites", 20, 60],
        ["subsets", 23, 68],
        ["caps", 23, 46],
        ["balance", 23, 23],
    ]
    clips = selection.clips
    assert set(low.clip_id.head(3)) <= set(clips.clip_id)
    assert (clips.split == "train").all() and clips.clip_id.is_monotonic_increasing
    assert clips.subset.value_counts()["bestLowQuality/small"] == 3


def test_a_clip_that_is_there_already_is_not_added_twice():
    splits = splits_of()
    low = splits[(splits.split == "train") & (splits.quality == "low")]
    subsets = {"bestLowQuality/small": low.head(3), "bestLowQuality/large": low.head(6)}
    both = point(quality=("high",), positive_subsets=tuple(subsets))
    assert class_counts(training_clips(splits, subsets, both)) == (16, 60)
    everything = training_clips(splits, subsets, point(positive_subsets=tuple(subsets)))
    assert class_counts(everything) == (30, 60)
    assert everything.subset.isna().all()


@settings(max_examples=12, deadline=None)
@given(st.randoms(), seeds, st.booleans())
def test_no_order_of_rows_or_subsets_changes_the_training_set(random, seed, is_balanced):
    splits = splits_of(12, 20)
    hard = {f"hardNeg/{n}": field(n) for n in (2, 6)}
    chosen = point(
        negative_subsets=("hardNeg/2", "hardNeg/6"), balance=is_balanced, seed=seed, max_per_class=15
    )
    expected = training_clips(splits, hard, chosen)
    order = list(range(len(splits)))
    random.shuffle(order)
    shuffled = {name: table.iloc[::-1] for name, table in reversed(hard.items())}
    pd.testing.assert_frame_equal(
        training_clips(splits.iloc[order], shuffled, chosen), expected, check_like=True
    )
    held = splits[splits.split != "train"]
    assert not set(expected.clip_id) & set(held.clip_id)
    assert not set(expected.content_hash) & set(held.content_hash)


def test_the_larger_class_is_drawn_alike_at_points_of_one_seed():
    splits = splits_of(30, 60)
    few = training_clips(splits, {}, point(quality=("high",), balance=True))
    many = training_clips(splits, {}, point(balance=True))
    assert set(few.clip_id[~few.is_positive]) < set(many.clip_id[~many.is_positive])


def test_empty_subsets_add_nothing():
    splits = splits_of()
    subsets = {"hardNeg/a": field(0)}
    assert len(training_clips(splits, subsets, point(negative_subsets=("hardNeg/a",)))) == 90


def test_an_unknown_subset_is_refused_with_the_nearest_name():
    with pytest.raises(
        InputError, match=r"hardNeg/hardneg_conf_min_58.*did you mean 'hardNeg/hardneg_conf_min_85'"
    ):
        training_clips(
            splits_of(),
            {"hardNeg/hardneg_conf_min_85": field(1)},
            point(negative_subsets=("hardNeg/hardneg_conf_min_58",)),
        )


@pytest.mark.parametrize("split", ["val", "test_iid", "test_ood"])
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("clip_id", "clip of a validation or test split"),
        ("content_hash", "same audio as a validation or test clip"),
        ("group", "group or night of a validation or test clip"),
    ],
)
def test_validation_and_test_never_enter_the_training_set(split, column, message):
    splits = splits_of()
    held = splits[(splits.split == split) & ~splits.is_positive]
    subset = field(3)
    subset.loc[1, column] = held[column].iloc[0]
    with pytest.raises(InputError, match=message):
        training_clips(splits, {"hardNeg/a": subset}, point(negative_subsets=("hardNeg/a",)))


def test_a_night_of_the_test_split_is_recognised_without_a_group():
    splits = splits_of()
    splits.loc[splits.split == "test_ood", "night"] = "2025-05-05"
    subset = field(2).drop(columns="group").assign(recorder_id="M1", night=["2025-05-04", "2025-05-05"])
    with pytest.raises(InputError, match=r"group or night of a validation or test clip \(1\)"):
        training_clips(splits, {"hardNeg/a": subset}, point(negative_subsets=("hardNeg/a",)))


def test_unlabelled_clips_need_a_review():
    unchecked = {"candidates": field(2, source="unlabelled")}
    with pytest.raises(InputError, match=r"unlabelled clip that nobody reviewed \(2\)"):
        training_clips(splits_of(), unchecked, point(negative_subsets=("candidates",)))
    reviewed = {"reviewed/negatives": field(2, source="unlabelled", origin="reviewed")}
    assert class_counts(training_clips(splits_of(), reviewed, point(negative_subsets=tuple(reviewed)))) == (
        30,
        62,
    )


def test_a_subset_on_the_wrong_side_or_of_unknown_clips_is_refused():
    splits = splits_of()
    with pytest.raises(InputError, match=r"negative clip in a positive subset \(2\)"):
        training_clips(splits, {"hardNeg/a": field(2)}, point(positive_subsets=("hardNeg/a",)))
    with pytest.raises(InputError, match="clip unknown to the splits"):
        training_clips(splits, {"a": field(2, source="labelled")}, point(negative_subsets=("a",)))
    mislabelled = splits[splits.is_positive & (splits.split == "train")].head(1).assign(is_positive=False)
    with pytest.raises(InputError, match="positive clip in a negative subset"):
        training_clips(splits, {"a": mislabelled}, point(negative_subsets=("a",)))


def test_a_clip_cannot_be_both():
    splits = splits_of()
    both = {"p": field(1, is_positive=True, origin="reviewed"), "n": field(1)}
    with pytest.raises(InputError, match="clip given as positive and as negative"):
        training_clips(splits, both, point(positive_subsets=("p",), negative_subsets=("n",)))


def test_an_absent_class_is_reported_with_the_points_filters():
    splits = splits_of()
    splits.loc[splits.is_positive & (splits.split == "train"), "quality"] = "low"
    with pytest.raises(
        InputError, match=r"No positive clip is left.*\(0 positive, 60 negative\).*quality high, medium"
    ):
        training_clips(splits, {}, point(quality=("high", "medium"), balance=True))
    with pytest.raises(InputError, match=r"No negative clip is left.*neg_ratio 0.01"):
        training_clips(splits, {}, point(neg_ratio=0.01))


def test_repeated_clips_are_refused():
    splits = splits_of()
    with pytest.raises(ValueError, match="repeat a clip_id"):
        training_clips(pd.concat([splits, splits.head(1)]), {}, point())


# The clips held out


@given(st.integers(2, 60), st.integers(2, 60), seeds, st.sampled_from([0.1, 0.2, 0.5]))
def test_the_held_out_clips_are_a_share_of_each_class(n_positive, n_negative, seed, fraction):
    clips = labelled(n_positive, n_negative)
    train, held = validation_split(clips.iloc[::-1], seed, fraction)
    assert sorted([*train.clip_id, *held.clip_id]) == sorted(clips.clip_id)
    for kept, whole in zip(class_counts(train), class_counts(clips), strict=True):
        assert kept == max(1, floor_share(1 - fraction, whole)) < whole
    pd.testing.assert_frame_equal(held, validation_split(clips, seed, fraction)[1])


def test_a_fifth_is_held_out_by_default_and_seeds_differ():
    clips = labelled(100, 50)
    train, held = validation_split(clips, 1)
    assert class_counts(train) == (80, 40) and class_counts(held) == (20, 10)
    assert set(held.clip_id) != set(validation_split(clips, 2)[1].clip_id)


def test_the_held_out_draw_does_not_follow_the_balancing_draw():
    clips = labelled(100, 1000)
    _, held = validation_split(clips, 1)
    first = set(cap(clips, 200, 0, 1).clip_id[100:])
    negatives = set(held.clip_id[~held.is_positive])
    assert 10 < len(negatives & first) < 80


def test_too_few_clips_to_hold_any_out():
    with pytest.raises(InputError, match="set use_validation: true"):
        validation_split(labelled(1, 9), 1)
    with pytest.raises(ValueError, match="fraction is 1"):
        validation_split(labelled(5, 9), 1, 1)
