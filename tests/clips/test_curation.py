"""Subsets by name, and what reviews do to them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.clips.curation import (
    CURATED_COLUMNS,
    RECORD_COLUMNS,
    curated_subsets,
    gather_reviews,
    record_decisions,
    resolve_reviews,
)
from vernal.clips.mining import MiningOptions, best_low_quality, hard_negatives
from vernal.clips.sampling import training_clips
from vernal.common.problems import InputError

SPLITS = pd.DataFrame(
    {
        "clip_id": [f"l{i:02}" for i in range(24)],
        "source": "labelled",
        "file_path": [f"{i}.wav" for i in range(24)],
        "content_hash": [f"hl{i}" for i in range(24)],
        "is_positive": [True] * 16 + [False] * 8,
        "label": ["RADR"] * 16 + ["negative"] * 8,
        "quality": pd.Series(["low"] * 10 + ["high"] * 6 + [None] * 8).astype("str"),
        "group": [f"g{i}" for i in range(24)],
        "split": ["train"] * 14 + ["val", "test_ood"] + ["train"] * 6 + ["val", "test_ood"],
        "annotator": "ann",
    }
)


def external(source, n, per_recording=3):
    letter = source[0]
    return pd.DataFrame(
        {
            "clip_id": [f"{letter}{i:02}" for i in range(n)],
            "source": source,
            "file_path": [f"{letter}{i // per_recording}.wav" for i in range(n)],
            "content_hash": [f"h{letter}{i // per_recording}" for i in range(n)],
            "is_positive": False,
            "label": "negative" if source == "field" else "unknown",
            "quality": pd.Series([np.nan] * n, dtype="str"),
            "group": [f"{letter}{i // per_recording}" for i in range(n)],
        }
    )


CLIPS = pd.concat(
    [SPLITS.drop(columns="split"), external("field", 9), external("unlabelled", 6)], ignore_index=True
)
LOW = SPLITS[SPLITS.quality == "low"]
BEST = best_low_quality(LOW.assign(logit=np.linspace(5, 1, 10)), MiningOptions())
HARD = hard_negatives(external("field", 9).assign(logit=np.linspace(6, -2, 9)), MiningOptions())


def reviews(*rows):
    return pd.DataFrame(rows, columns=["clip_id", "decision", "reviewer", "when"])


def curate(rows=None, **changes):
    return curated_subsets(
        **({"best": BEST, "hard": HARD, "clips": CLIPS, "splits": SPLITS, "reviews": rows} | changes)
    )


def test_every_subset_is_there_with_its_columns():
    curated = curate()
    assert list(curated.kept) == [*BEST, *HARD, "reviewed/positives", "reviewed/negatives"]
    for name, table in curated.kept.items():
        assert list(table.columns[: len(CURATED_COLUMNS)]) == list(CURATED_COLUMNS)
        assert {"file_path", "content_hash", "group"} <= set(table.columns)
        assert table.dtypes[["is_positive", "rank", "logit"]].astype("str").tolist() == [
            "bool",
            "int64",
            "float64",
        ]
        assert (table.subset == name).all()
    best = curated.kept["bestLowQuality/top50"]
    assert (
        best.is_positive.all()
        and set(best.quality) == {"low"}
        and set(best.label) == {"RADR"}
        and len(best) == 5
    )
    hard = curated.kept["hardNeg/hardneg_conf_min_50"]
    assert not hard.is_positive.any() and set(hard.source) == {"field"} and hard.quality.isna().all()
    assert curated.dropped.empty and list(curated.dropped.columns) == [
        "subset",
        "clip_id",
        "source",
        "reason",
        "reviewed_by",
    ]


def test_a_hard_negative_that_is_the_target_goes_and_takes_its_recording_along():
    curated = curate(reviews(("f00", "target", "a", "2025-05-01"), ("f01", "not_target", "a", "2025-05-01")))
    hard = curated.kept["hardNeg/hardneg_conf_min_50"]
    assert hard.clip_id.tolist() == ["f01", "f03", "f04", "f05", "f06"]
    assert hard["rank"].tolist() == [2, 4, 5, 6, 7]
    lost = curated.dropped[curated.dropped.subset == "hardNeg/hardneg_conf_min_50"]
    assert dict(zip(lost.clip_id, lost.reason, strict=True)) == {
        "f00": "a review says target",
        "f02": "a review found the target in the same recording, in clip f00",
    }


def test_undecided_clips_leave_and_confirmed_ones_stay():
    curated = curate(
        reviews(
            ("f00", "unsure", "a", "1"),
            ("l00", "unsure", "a", "1"),
            ("l01", "target", "a", "1"),
            ("l02", "not_target", "a", "1"),
        )
    )
    assert "f00" not in set(curated.kept["hardNeg/hardneg_conf_min_99"].clip_id)
    assert curated.kept["bestLowQuality/top50"].clip_id.tolist() == ["l01", "l03", "l04"]
    reasons = set(curated.dropped.reason)
    assert reasons == {"reviewers cannot decide", "a review says not target"}


def test_reviewed_unlabelled_clips_become_usable():
    rows = reviews(
        ("u00", "target", "a", "1"),
        ("u01", "not_target", "a", "1"),
        ("u02", "unsure", "a", "1"),
        ("f00", "target", "a", "1"),
    )
    rows["quality"] = ["medium", None, None, None]
    kept = curate(rows, target="rooster").kept
    positives, negatives = kept["reviewed/positives"], kept["reviewed/negatives"]
    assert positives[["clip_id", "label", "origin", "reviewed_by"]].to_numpy().tolist() == [
        ["f00", "rooster", "reviewed", "a"],
        ["u00", "rooster", "reviewed", "a"],
    ]
    assert positives.quality.fillna("").tolist() == ["", "medium"]
    assert negatives.clip_id.tolist() == ["u01"] and not negatives.is_positive.any()
    assert "u02" not in {clip for table in kept.values() for clip in table.clip_id}


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(CLIPS.clip_id)),
            st.sampled_from(["target", "not_target", "unsure"]),
            st.sampled_from("ab"),
            st.sampled_from("123"),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_mined_clips_are_kept_or_dropped_and_unlabelled_ones_only_used_after_review(rows, random):
    curated = curate(reviews(*rows))
    for name, mined in (BEST | HARD).items():
        kept, dropped = curated.kept[name].clip_id, curated.dropped[curated.dropped.subset == name].clip_id
        assert sorted([*kept, *dropped]) == sorted(mined.clip_id)
        assert not (curated.kept[name].source == "unlabelled").any()
    decided = resolve_reviews(reviews(*rows)).set_index("clip_id").decision
    for name, word in (("reviewed/positives", "target"), ("reviewed/negatives", "not_target")):
        sources = "uf" if word == "target" else "u"
        assert all(decided[clip] == word and clip[0] in sources for clip in curated.kept[name].clip_id)
    random.shuffle(rows)
    again = curate(reviews(*rows), clips=CLIPS.iloc[::-1])
    pd.testing.assert_frame_equal(again.dropped, curated.dropped)
    for name, table in curated.kept.items():
        pd.testing.assert_frame_equal(again.kept[name], table)


def test_clips_of_a_test_night_are_left_out_with_the_reason():
    clips = CLIPS.copy()
    clips.loc[clips.clip_id == "f00", "group"] = "g15"
    clips.loc[clips.clip_id == "u00", "group"] = "g14"
    curated = curate(reviews(("u00", "target", "a", "1")), clips=clips)
    assert "f00" not in set(curated.kept["hardNeg/hardneg_conf_min_50"].clip_id)
    assert curated.kept["reviewed/positives"].empty
    assert set(curated.dropped.reason) == {"the group or night of a validation or test clip"}


def test_what_comes_out_can_train():
    kept = curate(reviews(("u00", "target", "a", "1"), ("u01", "not_target", "a", "1"))).kept
    point = SimpleNamespace(
        quality=("high",), call_type=(), recorders=(), sites=(),
        max_per_class=0, neg_ratio=0, balance=False, seed=1,
        positive_subsets=("bestLowQuality/top50", "reviewed/positives"),
        negative_subsets=("hardNeg/hardneg_conf_min_50", "reviewed/negatives"),
    )  # fmt: skip
    clips = training_clips(SPLITS, kept, point)
    assert clips.is_positive.sum() == 4 + 5 + 1 and (~clips.is_positive).sum() == 6 + 7 + 1
    assert clips.file_path.notna().all()


# Reviews


def test_the_latest_word_of_each_reviewer_counts_and_disagreement_decides_nothing():
    resolved = resolve_reviews(
        reviews(
            ("c1", "target", "a", "2025-01-02"), ("c1", "unsure", "a", "2025-01-01"),
            ("c2", "target", "a", "2025-01-01"), ("c2", "not_target", "b", "2025-01-01"),
            ("c3", "unsure", "a", "2025-01-01"), ("c3", "not_target", "b", "2025-01-01"),
            ("c4", "unsure", "a", "2025-01-01"),
        )
    ).set_index("clip_id")  # fmt: skip
    assert resolved.decision.to_dict() == {"c1": "target", "c2": "unsure", "c3": "not_target", "c4": "unsure"}
    assert resolved.n_reviewers.to_dict() == {"c1": 1, "c2": 2, "c3": 2, "c4": 1}


@pytest.mark.parametrize("nothing", [None, reviews()])
def test_no_reviews_are_no_decisions(nothing):
    assert resolve_reviews(nothing).empty


def test_reviews_that_cannot_be_read_are_refused():
    with pytest.raises(
        InputError, match=r"unknown decision \(1\): c1: 'targett' \(did you mean 'target'\?\)"
    ):
        resolve_reviews(reviews(("c1", "targett", "a", "1")))
    with pytest.raises(InputError, match="have no column reviewer, when"):
        resolve_reviews(pd.DataFrame({"clip_id": ["c"], "decision": ["target"]}))
    with pytest.raises(InputError, match=r"clip of reviews that no recording has \(1\): gone"):
        curate(reviews(("gone", "target", "a", "1")))
    with pytest.raises(InputError, match="clip of hardNeg/hardneg_conf_min_50 that no recording has"):
        curate(clips=CLIPS[CLIPS.clip_id != "f00"])


def test_every_clip_names_who_decided_on_it():
    said = reviews(
        ("f00", "unsure", "Ben", "1"), ("f01", "not_target", "Ben", "1"), ("f01", "unsure", "Ana", "2")
    )
    curated = curate(said)
    hard = curated.kept["hardNeg/hardneg_conf_min_50"].set_index("clip_id").reviewed_by
    assert hard["f01"] == "Ana; Ben" and hard.drop("f01").isna().all()
    lost = curated.dropped.set_index("clip_id").reviewed_by
    assert set(lost["f00"]) == {"Ben"}


def test_the_record_counts_whose_decisions_made_a_subset():
    said = reviews(
        ("f00", "target", "Ana", "1"),
        ("f01", "not_target", "Ana", "1"),
        ("f03", "unsure", "Ben", "1"),
        ("l00", "target", "Ben", "1"),
    )
    record = record_decisions(curate(said), said)
    assert record.columns.tolist() == list(RECORD_COLUMNS)
    rows = record[record.subset == "hardNeg/hardneg_conf_min_50"].set_index("reviewer")
    assert rows.loc["Ana", RECORD_COLUMNS[3:]].tolist() == [2, 1, 1, 0, 1, 1]
    assert rows.loc["Ben", RECORD_COLUMNS[3:]].tolist() == [1, 0, 0, 1, 0, 1]
    assert set(rows.n_clips) == {4}
    alone = record[record.subset == "reviewed/negatives"]
    assert alone.reviewer.isna().all() and alone.n_decided.tolist() == [0]


def test_without_reviews_the_record_names_nobody():
    record = record_decisions(curate(), None)
    assert record.reviewer.isna().all() and record.n_decided.eq(0).all()
    assert set(record.subset) == set(curate().kept)


def test_reviews_of_page_and_table_are_gathered_and_those_of_other_collections_left():
    page = reviews(("f00", "target", "Ana", "1"), ("elsewhere", "target", "Ana", "1")).assign(quality="low")
    table = reviews(("f01", "not_target", "Ben", "1"), ("f01", "not_target", "Ben", "1"))
    gathered = gather_reviews(table, page, CLIPS)
    assert gathered[["clip_id", "reviewer"]].to_numpy().tolist() == [["f00", "Ana"], ["f01", "Ben"]]
    assert gathered.quality.fillna("").tolist() == ["low", ""]
    assert gather_reviews(None, page.iloc[:0], CLIPS).empty
    with pytest.raises(InputError, match="unknown decision"):
        gather_reviews(reviews(("f01", "maybe", "Ben", "1")), page, CLIPS)
