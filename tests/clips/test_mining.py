"""What the miner may be trained on, what it may score, and what becomes of the scores."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.clips.mining import (
    MiningOptions,
    assert_pool_is_unseen,
    best_low_quality,
    hard_negatives,
    logit_of,
    low_quality_pool,
    miner_training_clips,
    rank,
    reaches,
    review_candidates,
    thin_hard_negatives,
)
from vernal.common.problems import InputError


def scores(logits, source="labelled", **columns):
    ids = [f"{i:016x}" for i in range(len(logits))]
    return pd.DataFrame({"clip_id": ids, "source": source, "logit": np.array(logits, dtype=float)} | columns)


def splits():
    rows = []
    for split in ("train", "val", "test_iid", "test_ood"):
        for quality in ("high", "medium", "low", None):
            rows += [(split, quality, quality is not None)] * 3
    table = pd.DataFrame(rows, columns=["split", "quality", "is_positive"]).astype({"quality": "str"})
    n = len(table)
    return table.assign(
        clip_id=[f"{i:016x}" for i in range(n)],
        source="labelled",
        file_path=[f"{i}.wav" for i in range(n)],
        content_hash=[f"h{i}" for i in range(n)],
        group=[f"g{split}" for split in table.split],
        recorder_id="M1",
        night=table.split.map(
            {"train": "2025-01-01", "val": "2025-01-02", "test_iid": "2025-01-03", "test_ood": "2025-01-04"}
        ),
    )


finite = st.lists(st.floats(-20, 20), min_size=0, max_size=60)


# The golden sizes of the study


def test_a_pool_of_1030_gives_51_154_309_and_515():
    """1,568 low-quality positives, of which the model gave 1,030 a detection."""
    logits = np.concatenate([np.linspace(-2, 8, 1030), np.linspace(-9, -3, 538)])
    subsets = best_low_quality(scores(logits), MiningOptions())
    assert {name: len(table) for name, table in subsets.items()} == {
        "bestLowQuality/small": 51,
        "bestLowQuality/medium": 154,
        "bestLowQuality/large": 309,
        "bestLowQuality/top50": 515,
    }
    assert subsets["bestLowQuality/small"].logit.tolist() == sorted(logits, reverse=True)[:51]


def test_20457_field_clips_give_1401_981_and_475():
    logits = np.concatenate(
        [
            np.linspace(5, 9, 475),
            np.linspace(2, 4, 506),
            np.linspace(0, 1.5, 420),
            np.linspace(-9, -0.1, 19056),
        ]
    )
    subsets = hard_negatives(scores(logits, "field"), MiningOptions())
    assert [len(table) for table in subsets.values()] == [1401, 981, 475]
    assert list(subsets) == [f"hardNeg/hardneg_conf_min_{percent}" for percent in (50, 85, 99)]


# Properties


@given(finite)
def test_subsets_are_nested_heads_of_one_ranking(logits):
    options = MiningOptions()
    best = best_low_quality(scores(logits), options)
    hard = hard_negatives(scores(logits, "field"), options)
    for subsets in (best, hard):
        ordered = sorted(subsets.values(), key=len)
        for smaller, larger in pairwise(ordered):
            pd.testing.assert_frame_equal(larger.head(len(smaller)), smaller)
        for table in subsets.values():
            assert table["rank"].tolist() == list(range(1, len(table) + 1))
            assert table.logit.is_monotonic_decreasing
    detected = int(reaches(logits, 0.1).sum())
    for name, share in options.best_low_quality.items():
        percent = round(share * 100)
        assert len(best[f"bestLowQuality/{name}"]) == percent * detected // 100


@given(st.lists(st.sampled_from([-5.0, 0.0, 1.0, 3.0]), max_size=40), st.randoms())
def test_the_order_of_rows_changes_nothing_even_among_equal_scores(logits, random):
    table = scores(logits)
    order = list(range(len(table)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(rank(table.iloc[order]), rank(table))
    shuffled = best_low_quality(table.iloc[order], MiningOptions())
    for name, subset in best_low_quality(table, MiningOptions()).items():
        pd.testing.assert_frame_equal(shuffled[name], subset)


def test_equal_scores_are_not_ordered_by_name():
    names = rank(scores([1.0] * 50)).clip_id
    assert not names.is_monotonic_increasing and not names.is_monotonic_decreasing


@given(st.floats(0.001, 0.999))
def test_the_smallest_confidence_is_inclusive(confidence):
    at = logit_of(confidence)
    assert reaches([at, np.log(confidence) - np.log1p(-confidence)], confidence).all()
    assert not reaches([at - 1e-6], confidence).any()
    assert 1 / (1 + math.exp(-at)) == pytest.approx(confidence)


def test_a_very_sure_clip_is_not_rounded_to_certainty():
    assert reaches([40.0, 30.0], 0.99).all()
    ranked = hard_negatives(scores([30.0, 40.0], "field"), MiningOptions())["hardNeg/hardneg_conf_min_99"]
    assert ranked.logit.tolist() == [40.0, 30.0]


def test_one_tenth_more_of_the_pool_is_floored_exactly():
    options = MiningOptions(best_low_quality={"a": 0.29, "b": 1})
    sizes = [len(table) for table in best_low_quality(scores([1.0] * 100), options).values()]
    assert sizes == [29, 100]


@pytest.mark.parametrize("mine", [best_low_quality, hard_negatives])
def test_an_empty_pool_gives_every_subset_without_rows(mine):
    source = "labelled" if mine is best_low_quality else "field"
    subsets = mine(scores([], source), MiningOptions())
    assert len(subsets) in (3, 4)
    for table in subsets.values():
        assert table.empty and list(table.columns) == ["clip_id", "logit", "rank"]


# Who may be scored


def test_the_miner_never_meets_the_pool():
    table = splits()
    miner, pool = miner_training_clips(table), low_quality_pool(table)
    assert (miner.split == "train").all() and (pool.split == "train").all()
    assert set(miner.quality.dropna()) == {"high", "medium"} and len(miner) == 9
    assert pool.is_positive.all() and set(pool.quality) == {"low"} and len(pool) == 3
    assert not set(miner.clip_id) & set(pool.clip_id)
    assert_pool_is_unseen(pool, miner, table)


def field_pool(**changes):
    pool = pd.DataFrame(
        {
            "clip_id": ["x0", "x1"],
            "source": "field",
            "file_path": ["a.wav", "b.wav"],
            "content_hash": ["f0", "f1"],
            "group": ["f", "f"],
            "recorder_id": "M9",
            "night": "2025-02-02",
        }
    )
    for column, value in changes.items():
        pool.loc[0, column] = value
    return pool


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_id": f"{0:016x}"}, r"clip with the same clip as a clip that trained the miner \(1\)"),
        ({"content_hash": "h0"}, r"the same audio as a clip that trained the miner \(1\): x0 \(a.wav\)"),
        ({"clip_id": f"{40:016x}"}, r"clip with the same clip as a validation or test clip \(1\)"),
        ({"content_hash": "h40"}, r"the same audio as a validation or test clip \(1\)"),
        ({"group": "gval"}, r"field clip with the group or night of a validation or test clip \(1\)"),
        (
            {"recorder_id": "M1", "night": "2025-01-04"},
            r"the group or night of a validation or test clip \(1\)",
        ),
    ],
)
def test_an_overlapping_pool_is_refused_with_count_and_example(changes, message):
    table = splits()
    assert_pool_is_unseen(field_pool(), miner_training_clips(table), table)
    with pytest.raises(InputError, match=message):
        assert_pool_is_unseen(field_pool(**changes), miner_training_clips(table), table)


def test_nights_of_the_miner_are_compared_where_asked():
    table = splits()
    miner = miner_training_clips(table)
    pool = field_pool(recorder_id="M1", night="2025-01-01")
    assert_pool_is_unseen(pool, miner, table)
    for by in ("group", "night"):
        with pytest.raises(InputError, match="of a clip that trained the miner"):
            assert_pool_is_unseen(pool, miner, table, by=("clip_id", "content_hash", by))


def test_neighbouring_parts_of_one_labelled_recording_may_be_mined():
    table = splits()
    table["content_hash"] = "one file"
    table["start_s"] = 3.0 * np.arange(len(table))
    table["end_s"] = table.start_s + 3
    assert_pool_is_unseen(low_quality_pool(table), miner_training_clips(table), table)


# Which scores are accepted


@pytest.mark.parametrize("source", ["labelled", "unlabelled"])
def test_hard_negatives_come_from_recordings_known_to_hold_no_target(source):
    with pytest.raises(InputError, match=r"clip that is not field \(1\).*known to hold no target"):
        hard_negatives(scores([1.0], source), MiningOptions())
    with pytest.raises(InputError, match="clip that is not field"):
        hard_negatives(scores([1.0]).drop(columns="source"), MiningOptions())


def test_best_low_quality_refuses_what_is_not_in_the_pool():
    with pytest.raises(InputError) as caught:
        best_low_quality(scores([1.0, 2.0], split=["train", "val"], quality=["high", "low"]), MiningOptions())
    assert "split is not train (1)" in str(caught.value) and "quality is not low (1)" in str(caught.value)
    with pytest.raises(InputError, match="clip that is not labelled"):
        best_low_quality(scores([1.0], "unlabelled"), MiningOptions())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_no_numbers_are_refused(bad):
    with pytest.raises(InputError, match=r"score missing or not finite \(1\): 0000000000000001"):
        best_low_quality(scores([1.0, bad]), MiningOptions())


def test_a_clip_scored_twice_is_refused():
    twice = pd.concat([scores([1.0], "field")] * 2)
    with pytest.raises(InputError, match="clip listed twice"):
        hard_negatives(twice, MiningOptions())


def test_impossible_options_are_reported_together():
    with pytest.raises(InputError) as caught:
        MiningOptions(
            best_low_quality={"small": 5, "a/b": 0.1},
            hard_negatives={"x": 1.0},
            detection_floor=-1,
            review_limit=-2,
        )
    message = str(caught.value)
    assert message.splitlines() == [
        "mining.best_low_quality.small is 5; give a share such as 0.05 for 5 %, above 0, up to 1",
        "mining.best_low_quality is 'a/b'; give a name of letters, digits and underscores",
        "mining.hard_negatives.x is 1.0; give a confidence from 0 to below 1",
        "mining.detection_floor is -1; give a confidence from 0 to below 1",
        "mining.review_limit is -2; give a whole number, 0 or more",
    ]


# For a person


def unlabelled(n=60, per_recording=10):
    return scores(
        np.linspace(-6, 6, n), "unlabelled", content_hash=[f"r{i // per_recording}" for i in range(n)]
    )


def test_candidates_are_the_highest_scores_a_few_of_each_recording_and_some_at_random():
    options = MiningOptions(review_limit=6, review_per_recording=2, review_random=5)
    queue = review_candidates(unlabelled(), options)
    by_score = queue[queue.reason == "score"]
    assert by_score.clip_id.tolist() == [f"{i:016x}" for i in (59, 58, 49, 48, 39, 38)]
    assert (queue.reason == "random").sum() == 5 and queue.clip_id.is_unique
    assert queue["rank"].tolist() == list(range(1, 12))
    assert "is_positive" not in queue and "label" not in queue


@given(st.randoms())
def test_the_queue_does_not_depend_on_the_order_of_rows(random):
    table = unlabelled()
    order = list(range(len(table)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(
        review_candidates(table.iloc[order], MiningOptions(review_random=7)),
        review_candidates(table, MiningOptions(review_random=7)),
    )


def test_what_was_reviewed_is_not_asked_again():
    first = review_candidates(unlabelled(), MiningOptions(review_limit=10, review_random=5))
    second = review_candidates(
        unlabelled(), MiningOptions(review_limit=10, review_random=5), reviewed=first.clip_id
    )
    assert not set(first.clip_id) & set(second.clip_id)


def test_the_strongest_hard_negatives_are_asked_about():
    loud = scores([9.0, 8.0, -3.0], "field").assign(clip_id=["f0", "f1", "f2"])
    queue = review_candidates(unlabelled(), MiningOptions(review_hard_negatives=5), loud, reviewed=["f0"])
    assert queue[queue.reason == "hard_negative"].clip_id.tolist() == ["f1"]
    assert queue[queue.clip_id == "f1"].source.tolist() == ["field"]


def test_nothing_to_review_is_an_empty_queue():
    queue = review_candidates(scores([], "unlabelled"), MiningOptions())
    assert queue.empty and list(queue.columns) == ["clip_id", "source", "logit", "rank", "reason"]
    with pytest.raises(InputError, match="clip that is not unlabelled"):
        review_candidates(scores([1.0], "field"), MiningOptions())


def test_named_confusers_are_hard_negatives_whatever_the_miner_says():
    options = MiningOptions(
        hard_negatives={"high": 0.9}, confusers={"owls": "Barn Owl; Tawny Owl", "none": ["Barn Owl"]}
    )
    field = scores([9.0, -5.0, 1.0, -9.0], "field").assign(recorder_id="M1", night="n")
    ids = field.clip_id.tolist()
    subsets = hard_negatives(field, options, {"owls": {ids[3], ids[2]}, "none": set()})
    assert list(subsets) == ["hardNeg/high", "hardNeg/owls", "hardNeg/none"] and options.negative_names == [
        "high", "owls", "none",
    ]  # fmt: skip
    assert subsets["hardNeg/high"].clip_id.tolist() == [ids[0]] and subsets["hardNeg/none"].empty
    # Ordered by the miner, with its scores.
    assert subsets["hardNeg/owls"].clip_id.tolist() == [ids[2], ids[3]]
    assert subsets["hardNeg/owls"].logit.tolist() == [1.0, -9.0]


def test_confusers_are_thinned_and_change_no_other_subset():
    rng = np.random.default_rng(0)
    options = MiningOptions(hard_negatives={"high": 0.9}, hard_negatives_per_night=3)
    field = scores(rng.normal(0, 4, 40), "field").assign(
        recorder_id=rng.choice(["M1", "M2"], 40), night=rng.choice(["n1", "n2"], 40)
    )
    x = pd.DataFrame(rng.normal(size=(40, 8)), index=field.clip_id)

    def vectors(rows):
        return x.loc[rows.clip_id].to_numpy()

    alone, _ = thin_hard_negatives(field, vectors, options)
    held = {"owls": set(field.clip_id[field.logit < 0])}
    kept, aside = thin_hard_negatives(field, vectors, options, held)
    before, after = (hard_negatives(table, options, held) for table in (alone, kept))
    pd.testing.assert_frame_equal(after["hardNeg/high"], before["hardNeg/high"])
    places = field.set_index("clip_id").loc[after["hardNeg/owls"].clip_id]
    assert 0 < places.groupby(["recorder_id", "night"]).size().max() <= 3
    assert set(aside.clip_id) & held["owls"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"confusers": {"owls": ["Barny Owl"]}}, "BirdNET has no class 'Barny Owl'"),
        ({"confusers": {"owls": "Barn Owl;owl"}}, "BirdNET has no class 'owl'; did you mean '"),
        ({"confusers": {"hardneg_conf_min_50": ["Barn Owl"]}}, "both name hardneg_conf_min_50"),
        ({"confusers": {"owls": []}}, "mining.confusers.owls is \\[\\]"),
        ({"confuser_confidence": 1}, "mining.confuser_confidence is 1"),
    ],
)
def test_a_species_that_birdnet_does_not_know_is_told(given, said):
    with pytest.raises(InputError, match=said):
        MiningOptions(**given)
