"""Thinning keeps what adds something: against a plain walk, and under whatever changes nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.clips.mining import MiningOptions, hard_negatives, rank, thin_hard_negatives
from vernal.clips.thinning import ALIKE, ASIDE_COLUMNS, NIGHT_FULL, RECORDER_FULL, ThinningOptions, thin
from vernal.common.problems import InputError


def made(
    n: int, seed: int, recorders: int = 2, nights: int = 3
) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Candidates from the highest score down, their vectors in a few bunches, and where they come from."""
    rng = np.random.default_rng(seed)
    scores = pd.DataFrame({"clip_id": [f"c{number:04d}" for number in range(n)], "logit": rng.normal(size=n)})
    bunch = rng.normal(size=(4, 8))[rng.integers(0, 4, n)]
    places = pd.DataFrame(
        {
            "recorder_id": rng.integers(0, recorders, n).astype(str),
            "night": [f"2025-04-{night + 1:02d}" for night in rng.integers(0, nights, n)],
        }
    )
    return rank(scores), (bunch + 0.3 * rng.normal(size=(n, 8))).astype(np.float32), places


def plainly(ranked, vectors, places, options) -> list[tuple[str, str]]:
    """Clip and reason of what is set aside, by the words of the docstring."""
    kept, aside = [], []
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row, clip in enumerate(ranked.clip_id):
        mine = [k for k in kept if places.recorder_id[k] == places.recorder_id[row]]
        if options.per_recorder is not None and len(mine) >= options.per_recorder:
            aside.append((clip, RECORDER_FULL))
        elif options.per_night is not None and (
            sum(places.night[k] == places.night[row] for k in mine) >= options.per_night
        ):
            aside.append((clip, NIGHT_FULL))
        elif options.similarity is not None and any(unit[k] @ unit[row] >= options.similarity for k in mine):
            aside.append((clip, ALIKE))
        else:
            kept.append(row)
    return aside


some_options = st.builds(
    ThinningOptions,
    st.sampled_from([None, 0.5, 0.9, 0.97]),
    st.sampled_from([None, 1, 5]),
    st.sampled_from([None, 2, 20]),
)


@given(st.integers(0, 90), st.integers(0, 50), some_options)
def test_it_does_what_a_plain_walk_does(n, seed, options):
    ranked, vectors, places = made(n, seed)
    kept, aside = thin(ranked, vectors, places, options)
    assert list(zip(aside.clip_id, aside.reason, strict=True)) == plainly(ranked, vectors, places, options)
    assert list(aside.columns) == list(ASIDE_COLUMNS)
    assert sorted([*kept.clip_id, *aside.clip_id]) == sorted(ranked.clip_id)
    stands_for = aside[aside.reason == ALIKE]
    assert stands_for.like.isin(kept.clip_id).all() and (aside[aside.reason != ALIKE].like == "").all()


@given(st.integers(1, 60), st.integers(0, 50), some_options, st.floats(-1, 1))
def test_subsets_above_rising_thresholds_stay_nested(n, seed, options, level):
    ranked, vectors, places = made(n, seed)
    kept, _ = thin(ranked, vectors, places, options)
    above = (ranked.logit >= level).to_numpy()
    alone, _ = thin(ranked[above].reset_index(drop=True), vectors[above], places[above], options)
    assert alone.clip_id.tolist() == kept.clip_id[kept.logit >= level].tolist()


def test_one_bird_that_sings_all_night_gives_one_clip():
    rng = np.random.default_rng(1)
    song, owl = rng.normal(size=16), rng.normal(size=16)
    vectors = np.stack([song * k for k in (1, 2, 3)] + [owl]).astype(np.float32)
    ranked = rank(pd.DataFrame({"clip_id": list("abcd"), "logit": [4.0, 3.0, 2.0, 1.0]}))
    places = pd.DataFrame({"recorder_id": ["M1"] * 4, "night": ["2025-04-01"] * 4})
    kept, aside = thin(ranked, vectors, places, ThinningOptions(similarity=0.95))
    assert kept.clip_id.tolist() == ["a", "d"] and aside.like.tolist() == ["a", "a"]
    apart = places.assign(recorder_id=list("1234"))
    assert len(thin(ranked, vectors, apart, ThinningOptions(similarity=0.95))[0]) == 4


def test_silence_and_unknown_places_are_no_error():
    ranked = rank(pd.DataFrame({"clip_id": list("ab"), "logit": [2.0, 1.0]}))
    places = pd.DataFrame({"recorder_id": [np.nan, np.nan], "night": [np.nan, np.nan]}, dtype="str")
    kept, _ = thin(ranked, np.zeros((2, 4), dtype=np.float32), places, ThinningOptions(0.5))
    assert len(kept) == 2
    assert len(thin(ranked, np.ones((2, 4), dtype=np.float32), places, ThinningOptions(None, 1))[0]) == 1


def test_hard_negatives_are_thinned_from_the_lowest_level_on():
    ranked, vectors, places = made(60, 3)
    of_clip = dict(zip(ranked.clip_id, vectors, strict=True))
    field = (
        pd.concat([ranked[["clip_id", "logit"]], places], axis=1)
        .assign(source="field")
        .sample(frac=1.0, random_state=0)
    )
    options = MiningOptions(hard_negative_similarity=0.9, hard_negatives_per_night=4)
    kept, aside = thin_hard_negatives(
        field, lambda rows: np.stack([of_clip[c] for c in rows.clip_id]), options
    )
    assert len(aside) and (aside.logit >= 0).all()
    assert set(kept.clip_id) | set(aside.clip_id) == set(field.clip_id)
    subset = hard_negatives(kept, options)["hardNeg/hardneg_conf_min_50"]
    above = (ranked.logit >= 0).to_numpy()
    walked, _ = thin(ranked[above], vectors[above], places[above], options.thinning)
    assert subset.clip_id.tolist() == walked.clip_id.tolist()


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (
            {"hard_negative_similarity": 1.5},
            "mining.hard_negative_similarity is 1.5; give a share above 0, up to 1",
        ),
        ({"hard_negative_similarity": True}, "similarity is True"),
        ({"hard_negatives_per_night": 0}, "per_night is 0; give a whole number, 1 or more"),
        ({"hard_negatives_per_recorder": 2.5}, "per_recorder is 2.5"),
    ],
)
def test_a_limit_that_is_none_is_refused(given_, said):
    with pytest.raises(InputError, match=said):
        MiningOptions(**given_)
