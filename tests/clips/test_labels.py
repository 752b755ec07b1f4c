"""What a label says of each of several classes, and what follows for manifests, splits and masks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from vernal.clips.labels import LabelOptions, classes_in, settled, states, with_class_words
from vernal.clips.manifest import check_manifest
from vernal.clips.problem_card import make_problem_card
from vernal.clips.splits import SplitOptions, assign_splits
from vernal.common.problems import InputError
from vernal.pipelines.ingest.nodes import SourceOptions
from vernal.pipelines.quality_splitting.nodes import split_clips
from vernal.training.reference import solve_reference

OPEN = LabelOptions("multi", "open", ["owl", "frog", "dog"])


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for name in "abcd":
        (tmp_path / f"{name}.wav").write_bytes(b"x")
    return tmp_path


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def plain_state(label: str, name: str, labelling: str, world: str) -> float:
    """The same rule, written for clarity."""
    words = [word.strip().lower() for word in label.split(";")]
    if name in words:
        return 1.0
    if f"not {name}" in words or "negative" in words:
        return 0.0
    names_another = any(not word.startswith("not ") for word in words)
    if labelling == "single" and names_another:
        return 0.0
    return 0.0 if world == "closed" else float("nan")


@pytest.mark.parametrize("world", ["closed", "open"])
@pytest.mark.parametrize("labelling", ["single", "multi"])
def test_what_is_not_named_is_as_labelling_and_world_say(labelling, world):
    labels = pd.Series(["owl", "Frog", "owl;frog", "not owl", "frog; NOT owl", "negative", "rain"])
    found = states(labels, "owl", LabelOptions(labelling, world, ["owl", "frog"]))
    expected = [plain_state(label, "owl", labelling, world) for label in labels]
    np.testing.assert_array_equal(found, expected)


def test_rows_of_one_clip_are_joined_and_quality_is_that_of_the_targets_own_row(audio):
    frame = table(
        file_path=["a.wav", "a.wav", "b.wav", "c.wav"],
        label=["Owl", "frog", "frog", "not owl"],
        quality=["low", "high", "medium", None],
        site=["Pond", None, "Pond", "Pond"],
    )
    owls = check_manifest(frame, "owl", audio, options=OPEN)
    assert owls.label.tolist() == ["Owl;frog", "frog", "not Owl"]
    assert owls.is_positive.tolist() == [True, False, False] and owls.site.tolist() == ["Pond"] * 3
    assert owls.quality[0] == "low"
    frogs = check_manifest(
        pd.concat([frame, table(file_path=["d.wav"], label=["negative"])]), "frog", audio, options=OPEN
    )
    assert frogs.quality[0] == "high" and frogs.is_positive.tolist() == [True, True, False, False]
    dogs = check_manifest(
        table(file_path=["a.wav", "a.wav", "b.wav", "c.wav"], label=["owl", "frog", "dog", "negative"],
              quality=["low", "high", "low", None]),
        "dog", audio, options=OPEN,
    )  # fmt: skip
    assert pd.isna(dogs.quality[0])


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (["owl;not owl", "negative"], OPEN, r"there and absent \(1\): row 1: 'owl;not owl'"),
        (["owl;negative", "negative"], OPEN, "there and absent"),
        (["owl;frog", "negative"], LabelOptions("single", "closed", ["owl", "frog"]), "one a clip is labelled"),
        (["positive", "owl", "negative"], OPEN, r"names no class \(1\): row 1: 'positive'"),
        (["owl", "frog"], OPEN, r"absent from no clip \(1\): owl.*label some 'not owl'"),
        (["frog", "negative"], OPEN, "no positive clip"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_are_told(audio, labels, options, said):
    frame = table(file_path=[f"{name}.wav" for name in "abcd"[: len(labels)]], label=labels)
    with pytest.raises(InputError, match=said):
        check_manifest(frame, "owl", audio, options=options)


def test_rows_of_one_clip_that_differ_are_told(audio):
    frame = table(
        file_path=["a.wav", "a.wav", "b.wav"],
        label=["owl", "frog", "not owl"],
        site=["Pond", "Creek", "Pond"],
    )
    with pytest.raises(InputError, match=r"clip whose rows differ \(1\): rows 1, 2: site"):
        check_manifest(frame, "owl", audio, options=OPEN)
    with pytest.raises(InputError, match="duplicate file_path"):  # one target, as ever
        check_manifest(frame, "owl", audio)


def test_without_options_labels_are_read_as_ever(audio):
    frame = table(file_path=["a.wav", "b.wav", "c.wav"], label=["owl", "frog", "owl;not frog"])
    plain = check_manifest(frame, "owl", audio)
    pd.testing.assert_frame_equal(plain, check_manifest(frame, "owl", audio, options=LabelOptions()))
    assert plain.label.tolist() == frame.label.tolist()


def test_targets_are_found_among_the_labels_and_the_card_says_what_is_left_open(card_values):
    labels = pd.Series(["Owl;frog", "owl", "owl;dog", "negative", "not rain"])
    assert classes_in(labels) == ["dog", "frog", "owl"]
    every = settled("all", labels, None, LabelOptions(), "The manifest")
    assert (every.classes, every.labelling, every.world) == (["dog", "frog", "owl"], "multi", "closed")
    one_each = pd.Series(["owl", "dog", "negative"])
    single = settled(["OWL", "dog"], one_each, None, LabelOptions(), "The manifest")
    assert (single.classes, single.labelling) == (["owl", "dog"], "single")
    card = make_problem_card(
        card_values
        | {"target": "owl", "world": "open", "labelling": "multi", "classes": ["owl", "dog", "frog"]}
    )
    assert settled("all", labels, card, LabelOptions(), "x").world == "open"
    assert settled("all", labels, card, LabelOptions(world="closed"), "x").world == "closed"
    elsewhere = make_problem_card(card_values | {"target": "owl", "world": "open", "classes": ["owl"]})
    assert settled("all", labels, elsewhere, LabelOptions(), "x").world == "closed"
    apart = settled("all", pd.Series(["owl", "frog", "frog;not owl"]), None, LabelOptions(), "x")
    assert (apart.labelling, apart.world) == ("multi", "open")
    stated = pd.concat([labels, pd.Series(["frog;not Owl"])])
    assert settled("all", stated, None, LabelOptions(), "x").world == "open"
    assert settled("all", stated, None, LabelOptions(world="closed"), "x").world == "closed"
    assert settled("all", stated, None, LabelOptions(), "x", are_folders=True).world == "closed"
    with pytest.raises(InputError, match=r"no label names \(1\): 'owel' \(did you mean 'owl'\?\)"):
        settled(["owel", "dog"], labels, None, LabelOptions(), "The manifest")
    with pytest.raises(InputError, match="too few targets"):
        settled(["owl"], labels, None, LabelOptions(), "The manifest")


def test_class_words_have_one_spelling_and_order():
    clips = with_class_words(table(label=["owl; frog", "Owl", "owl", "not OWL;rain", None]))
    assert clips.label.fillna("").tolist() == ["frog;owl", "owl", "owl", "rain;not owl", ""]


def several(make_clips, seed: int = 0) -> pd.DataFrame:
    """Clips of three classes, a rare one among them, some unknown."""
    clips = make_clips(300, recorders=4, dates=14, seed=seed)
    rng = np.random.default_rng(seed)
    words = [
        [
            *(name for name, share in (("owl", 0.5), ("frog", 0.3), ("dog", 0.06)) if rng.random() < share),
            *(f"not {name}" for name in ("owl", "frog", "dog") if rng.random() < 0.3),
        ]
        for _ in range(len(clips))
    ]
    labels = [
        ";".join(w for w in own if not w.startswith("not ") or w[4:] not in own) or "negative"
        for own in words
    ]
    return clips.assign(label=labels)


def test_one_deal_serves_every_class_and_unknown_clips_leave_after_it(make_clips):
    clips = several(make_clips)
    split_of = {}
    for name in OPEN.classes:
        dealt = split_clips(
            clips.assign(is_positive=states(clips.label, name, OPEN) == 1),
            SplitOptions(),
            name,
            OPEN,
            SourceOptions(manifest="m.csv"),
        )
        known = states(clips.set_index("clip_id").label, name, OPEN)
        assert set(dealt.clip_id) == set(known.index[known.notna()]) and len(dealt) < len(clips)
        for clip, split in zip(dealt.clip_id, dealt.split, strict=True):
            assert split_of.setdefault(clip, split) == split
        for split in ("train", "val", "test_iid", "test_ood"):
            assert dealt.is_positive[dealt.split == split].nunique() == 2, (name, split)


def test_the_deal_of_one_class_is_that_of_a_single_target(make_clips):
    clips = make_clips(200)
    states_of_one = pd.DataFrame({"x": clips.is_positive.astype(float)}, index=clips.index)
    pd.testing.assert_frame_equal(
        assign_splits(clips, SplitOptions()), assign_splits(clips, SplitOptions(), states_of_one)
    )
    shuffled = clips.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(
        assign_splits(clips, SplitOptions(), states_of_one),
        assign_splits(shuffled, SplitOptions(), states_of_one.loc[shuffled.index]),
    )


def test_what_is_unknown_is_better_left_out_than_taken_for_absent():
    """Two callers, one of which most annotators did not write down: recovered from those who did."""
    rng = np.random.default_rng(0)
    n, n_test = 600, 400
    truth = rng.random(n + n_test) < 0.3
    x = rng.normal(size=(n + n_test, 16)).astype(np.float32)
    x[:, 0] += 2.0 * truth
    listened = np.arange(n) % 5 == 0
    words = np.where(truth[:n], "frog;owl", "frog;not owl")
    labels = pd.Series(np.where(listened, words, "frog"))
    found = {}
    for world in ("open", "closed"):
        y = states(labels, "owl", LabelOptions("multi", world, ["frog", "owl"]))
        known = np.flatnonzero(y.notna())
        y = y.to_numpy(dtype=np.float32)
        head = solve_reference("x", x[known], y[known], x[known], y[known]).head
        logits = head.logits(x[n:])[:, 0]
        found[world] = f1_score(truth[n:], logits >= 0)
    assert found["open"] > found["closed"] + 0.3
