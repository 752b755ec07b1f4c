"""Clips on which two points differ, against a naive reading clip by clip."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.web.results.comparing import read_pair
from vernal.web.results.disagreements import (
    BOTH_RIGHT,
    BOTH_WRONG,
    KINDS,
    ONLY_A,
    ONLY_B,
    ClipQuery,
    chosen,
    clip_table,
    counts,
    table_of_pair,
)


def naive_kind(is_positive: bool, a: float, b: float, at_a: float, at_b: float) -> str:
    right_a, right_b = (a >= at_a) == is_positive, (b >= at_b) == is_positive
    if right_a and right_b:
        return BOTH_RIGHT
    return ONLY_A if right_a else ONLY_B if right_b else BOTH_WRONG


LOGITS = st.integers(-3, 3).map(float)
CLIPS = st.lists(st.tuples(st.booleans(), LOGITS, LOGITS, st.sampled_from(["val", "test_iid"])), max_size=25)


@settings(deadline=None)  # other work on the machine must not fail it
@given(CLIPS, LOGITS, LOGITS)
def test_every_clip_is_of_the_kind_that_a_naive_reading_gives(clips, at_a, at_b):
    table = pd.DataFrame(
        {
            "clip_id": [f"{at:03d}" for at in range(len(clips))],
            "split": pd.Series([clip[3] for clip in clips], dtype="str"),
            "is_positive": np.array([clip[0] for clip in clips], dtype=bool),
        }
    )
    logits = np.array([[clip[1] for clip in clips], [clip[2] for clip in clips]]).reshape(2, -1)
    found = clip_table(table, logits, (at_a, at_b))
    kinds = {f"{at:03d}": naive_kind(clip[0], clip[1], clip[2], at_a, at_b) for at, clip in enumerate(clips)}
    assert dict(zip(found["clip_id"], found["kind"], strict=True)) == kinds
    gaps = {f"{at:03d}": abs((clip[1] - at_a) - (clip[2] - at_b)) for at, clip in enumerate(clips)}
    assert found["clip_id"].tolist() == sorted(gaps, key=lambda name: (-gaps[name], name))
    differing = [name for name in found["clip_id"] if kinds[name] in (ONLY_A, ONLY_B)]
    assert chosen(found, ClipQuery())["clip_id"].tolist() == differing
    total = counts(found)
    assert int(total[list(KINDS)].to_numpy().sum()) == len(clips)
    for row in total.to_dict("records"):
        for kind in KINDS:
            naive = [
                1
                for at, clip in enumerate(clips)
                if clip[3] == row["split"] and clip[0] == row["is_positive"] and kinds[f"{at:03d}"] == kind
            ]
            assert row[kind] == len(naive)


def test_a_query_narrows_to_a_split_and_a_kind(made_once, loaded):
    pair = read_pair(made_once.data_root, loaded.results, "made_001", "made_003", "clip")
    thresholds = [loaded.results.number(point, "threshold_logit") for point in pair.points]
    table = table_of_pair(pair, thresholds)
    n_evaluated = sum(len(units) for units in pair.units.values())
    assert len(table) == n_evaluated and not table["clip_id"].duplicated().any()
    narrowed = chosen(table, ClipQuery("test_ood", ONLY_B))
    assert len(narrowed) and set(narrowed["split"]) == {"test_ood"} and set(narrowed["kind"]) == {ONLY_B}
    by_hand = ((table["logit_a"] >= thresholds[0]) != table["is_positive"]) & (
        (table["logit_b"] >= thresholds[1]) == table["is_positive"]
    )
    assert len(narrowed) == int((by_hand & (table["split"] == "test_ood")).sum())


def test_scores_are_logits_of_the_file_and_their_sigmoids(made_once, loaded):
    pair = read_pair(made_once.data_root, loaded.results, "made_001", "made_003", "clip")
    table = table_of_pair(pair, [0.0, 0.0])
    scores = pd.read_parquet(made_once.data_root / "07_model_output" / "made" / "scores.parquet")
    of_b = scores[scores.point == "made_003"].set_index("clip_id").logit
    assert (table.set_index("clip_id").logit_b == of_b.loc[table.clip_id].to_numpy()).all()
    assert np.allclose(table["score_b"], 1 / (1 + np.exp(-table["logit_b"])))
