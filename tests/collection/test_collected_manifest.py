"""Clips enter the manifest when their label is sure and their recording may be used; all others are counted."""

import numpy as np
import pandas as pd
import pytest

from vernal.clips.labels import LabelOptions, states
from vernal.clips.problem_card import make_problem_card
from vernal.collection.collected_manifest import (
    SAID_TO_BE_HARD,
    assigned_by_people,
    clips_of_target,
    label_clips,
    label_several,
    several_classes,
    whole_clips,
    write_manifest,
)
from vernal.collection.quality import NOT_GRADED
from vernal.collection.schemas import MANIFEST
from vernal.common.problems import InputError


def clips(*rows):
    base = {
        "role": "training", "held_back": np.nan, "recorder_id": "R1", "date": "2025-04-03", "time": "21:00:00", "site": "pond",
        "object_path": "ab/abc.wav", "content_hash": "a" * 64, "recording": "a.wav", "collector": "Ana", "licence": "CC0-1.0",
        "mined_by": np.nan, "padded_s": 0.0,
    }  # fmt: skip
    listed = [
        {**base, "clip_id": f"c{i}", "start_s": 3.0 * i, "end_s": 3.0 * i + 3, **row}
        for i, row in enumerate(rows)
    ]
    return pd.DataFrame(listed).astype(
        {"held_back": "str", "mined_by": "str", "recorder_id": "str", "date": "str"}
    )


def said(*rows):
    table = pd.DataFrame(rows, columns=["clip_id", "label", "value", "probability", "is_sure"])
    return table.assign(n_votes=3, n_differing=0, rests_on="majority")


NO_EDGES = pd.DataFrame({"clip_id": pd.Series(dtype="str"), "label": pd.Series(dtype="str")})


def qualities(*rows):
    names = [
        "clip_id",
        "quality",
        "quality_from",
        "quality_assigned",
        "quality_proposed",
        "snr_db",
        "prominence",
        "difficulty",
    ]
    table = pd.DataFrame(list(rows), columns=names[: len(rows[0])] if rows else names).reindex(columns=names)
    return table.astype({name: "str" for name in names if name != "snr_db"} | {"snr_db": "float64"})


def test_labels_of_clips(card):
    consensus = said(
        ("c0", "RADR", True, 0.99, True), ("c0", "grunt", True, 0.95, True), ("c0", "growl", True, 0.95, True), ("c0", "owl", True, 0.95, True),
        ("c1", "RADR", False, 0.99, True), ("c1", "owl", True, 0.95, True), ("c2", "RADR", False, 0.99, True), ("c2", "owl", True, 0.6, False),
        ("c3", "RADR", True, 0.7, False),
    )  # fmt: skip
    edges = pd.DataFrame({"clip_id": ["c5"], "label": ["RADR"]})
    table = label_clips(clips(*[{}] * 6), consensus, edges, card)
    assert table.label.fillna("").tolist() == ["RADR", "owl", "negative", "", "", ""]
    assert table.call_type[0] == "both" and table.labels[0] == "RADR | grunt | growl | owl"
    assert table.reason.tolist()[3:] == [
        "annotators leave it open (probability 0.70)",
        "nobody judged RADR",
        "a mark of RADR barely reaches in",
    ]


def test_every_clip_is_in_one_of_the_three_tables(card):
    rows = [{}, {}, {"held_back": "no licence"}, {"role": "adversarial"}, {"role": "deployment"}, {}]
    consensus = said(*[(f"c{i}", "RADR", i % 2 == 0, 0.99, True) for i in range(5)])
    labelled = label_clips(clips(*rows), consensus, NO_EDGES, card)
    tiers = qualities(*[(f"c{i}", "high", "a person", "high", np.nan, 12.0) for i in range(0, 6, 2)])
    manifest, outside, held_back = write_manifest(labelled, tiers, card)
    assert manifest.start_s.tolist() == [0.0, 3.0] and manifest.quality.fillna("").tolist() == ["high", ""]
    assert outside.start_s.tolist() == [9.0] and outside.split.tolist() == ["test_ood"]
    assert held_back.reason.tolist() == ["no licence", "nobody judged RADR"]
    for table in (manifest, outside):
        MANIFEST.validate(table)


def test_a_positive_without_a_tier_is_held_back_where_a_tier_is_asked_for(card):
    labelled = label_clips(
        clips({}, {}), said(("c0", "RADR", True, 1.0, True), ("c1", "RADR", False, 1.0, True)), NO_EDGES, card
    )
    manifest, _, held_back = write_manifest(labelled, qualities(), card)
    assert manifest.label.tolist() == ["negative"]
    assert "no quality tier was assigned" in held_back.reason[0]
    manifest, _, held_back = write_manifest(labelled, qualities(), card, needs_tier=False)
    assert manifest.label.tolist() == ["RADR", "negative"] and held_back.empty
    assert manifest.quality.isna().all() and manifest.quality_from.fillna("").tolist() == [NOT_GRADED, ""]
    MANIFEST.validate(manifest)


def test_a_tier_that_was_given_to_a_whole_recording_is_that_of_its_only_clip():
    weak = pd.DataFrame(
        {"content_hash": ["r0", "r1", "r0"], "is_present": [True, True, False]}, index=[4, 5, 6]
    )
    own = clips({}, {}, {}).assign(content_hash=["r0", "r1", "r1"])
    assert whole_clips(own, weak)[["clip_id", "annotation"]].to_numpy().tolist() == [["c0", 4]]


def test_clips_that_people_call_hard_are_held_back_whatever_their_label(card):
    rows = [(f"c{i}", "RADR", i < 2, 1.0, True) for i in range(4)]
    labelled = label_clips(clips({}, {}, {}, {"held_back": "no licence"}), said(*rows), NO_EDGES, card)
    words = ["moderate", "hard", "hard", "hard"]
    tiers = qualities(
        *[(f"c{i}", "low", "a person", "low", np.nan, 3.0, np.nan, word) for i, word in enumerate(words)]
    )
    manifest, _, held_back = write_manifest(labelled, tiers, card)
    assert manifest.start_s.tolist() == [0.0]
    assert held_back.reason.tolist() == [SAID_TO_BE_HARD, SAID_TO_BE_HARD, "no licence"]


def test_clips_without_a_night_stay_with_their_recording(card):
    rows = [{"date": np.nan}, {}]
    labelled = label_clips(
        clips(*rows), said(("c0", "RADR", False, 1.0, True), ("c1", "RADR", False, 1.0, True)), NO_EDGES, card
    )
    manifest, *_ = write_manifest(labelled, qualities(), card)
    assert manifest.group.fillna("").tolist() == ["recording aaaaaaaaaaaa", ""]


def test_most_peoples_tier_counts_and_ties_are_careful():
    marks = pd.DataFrame({
        "quality": ["high", "high", "low", "high", "medium", np.nan], "prominence": ["foreground", "background"] + [np.nan] * 4,
        "difficulty": [np.nan] * 6,
    }).astype("str")  # fmt: skip
    pairs = pd.DataFrame(
        {"clip_id": ["a", "a", "a", "b", "b", "c"], "annotation": range(6), "is_enough": [True] * 6}
    )
    table = assigned_by_people(pairs, marks)
    assert table.quality_assigned.fillna("").tolist() == ["high", "medium", ""]
    assert table.prominence.fillna("").tolist() == ["background", "", ""]


@pytest.mark.parametrize(
    "broken", [{"end_s": 0.0}, {"quality": "best"}, {"quality_from": np.nan}, {"file_path": "/etc/x.wav"}]
)
def test_the_schema_refuses_what_a_stage_could_not_read(card, broken):
    import pandera.errors

    labelled = label_clips(clips({}), said(("c0", "RADR", True, 1.0, True)), NO_EDGES, card)
    manifest, *_ = write_manifest(labelled, qualities(("c0", "high", "a person", "high", np.nan, 1.0)), card)
    MANIFEST.validate(manifest)
    with pytest.raises(pandera.errors.SchemaError):
        MANIFEST.validate(manifest.assign(**broken))


NAMES = ["RADR", "owl", "PSCR"]


def a_card(card_values, labelling="multi", world="open"):
    classes = [*card_values["classes"], {"name": "PSCR", "also_written": ["chorus frog"]}]
    return make_problem_card({**card_values, "classes": classes, "labelling": labelling, "world": world})


def test_labels_of_several_classes(card_values):
    """Each clip: there and absent, absent alone, none at all, nobody judged, not sure of one."""
    consensus = said(
        ("c0", "RADR", True, 0.99, True), ("c0", "grunt", True, 0.99, True), ("c0", "owl", False, 0.95, True),
        ("c1", "owl", False, 0.97, True), ("c2", "RADR", False, 0.9, True), ("c2", "owl", False, 0.98, True),
        ("c4", "RADR", True, 0.6, False), ("c4", "owl", True, 0.91, True),
    )  # fmt: skip
    card, five = a_card(card_values), clips(*[{}] * 5)
    table = label_several(five, consensus, NO_EDGES, card, ["RADR", "owl"])
    assert table.label.fillna("").tolist() == ["RADR;not owl", "not owl", "negative", "", "owl"]
    assert table.reason.fillna("").tolist() == ["", "", "", "nobody judged RADR", ""]
    assert table.label_probability.fillna(0).tolist() == [0.95, 0.97, 0.9, 0, 0.91]
    assert table.call_type.fillna("").tolist() == ["grunt", "", "", "", ""]
    closed = label_several(five, consensus, NO_EDGES, a_card(card_values, world="closed"), ["RADR", "owl"])
    assert closed.label.fillna("").tolist() == ["RADR", "", "negative", "", ""]
    assert closed.reason[4] == "annotators leave it open (probability 0.60)"


@pytest.mark.parametrize("world", ["open", "closed"])
@pytest.mark.parametrize("labelling", ["single", "multi"])
def test_a_label_of_several_classes_reads_back_as_what_is_sure(card_values, labelling, world):
    card, rng = a_card(card_values, labelling, world), np.random.default_rng(0)
    rows = []
    for n in range(120):
        top = rng.choice([*NAMES, "none"])
        for name in NAMES:
            is_there = name == top if labelling == "single" else rng.random() < 0.4
            if rng.random() < 0.7:
                rows.append((f"c{n}", name, is_there, 0.95, bool(rng.random() < 0.8)))
    consensus = said(*rows)
    labelled = label_several(clips(*[{}] * 120), consensus, NO_EDGES, card, NAMES)
    sure = consensus[consensus.is_sure].astype({"value": float})
    told = sure.pivot(index="clip_id", columns="label", values="value")[NAMES].reindex(labelled.clip_id)
    read = pd.DataFrame({
        name: states(labelled.label, name, LabelOptions(labelling, world)).to_numpy() for name in NAMES
    }, index=told.index)  # fmt: skip
    has_label = labelled.set_index("clip_id").label.notna()
    pd.testing.assert_frame_equal(read[has_label], told[has_label], check_names=False)
    assert labelled.reason.isna().tolist() == has_label.tolist() and has_label.sum() > 10
    lost = told[~has_label].notna().any(axis=1)
    assert lost.any() == (world == "closed" or labelling == "single")


def test_more_classes_leave_the_targets_clips_as_they_are(card_values):
    card, rng = a_card(card_values), np.random.default_rng(1)
    rows = [
        (f"c{n}", name, bool(rng.random() < 0.5), 0.95, True)
        for n in range(60)
        for name in NAMES
        if rng.random() < 0.7
    ]
    tiers = qualities(*[(f"c{n}", "low", "a person", "low", np.nan, 3.0) for n in range(0, 60, 2)])
    arguments = clips(*[{}] * 60), said(*rows), NO_EDGES, card
    one, _, held = write_manifest(label_clips(*arguments), tiers, card)
    several, _, fewer_held = write_manifest(label_several(*arguments, NAMES), tiers, card)
    MANIFEST.validate(several)
    assert len(several) > len(one) and len(several) + len(fewer_held) == len(one) + len(held)
    of_target = clips_of_target(several, card, NAMES).reset_index(drop=True)
    pd.testing.assert_series_equal(of_target.label == "RADR", one.label == "RADR")
    others = ["label", "label_probability"]
    pd.testing.assert_frame_equal(of_target.drop(columns=others), one.drop(columns=others))
    assert clips_of_target(one, card, []) is one


def test_several_classes_are_those_of_the_card(card_values):
    card = a_card(card_values)
    assert several_classes(None, card) == [] and several_classes("all", card) == ["RADR", "owl", "PSCR"]
    assert several_classes(["Chorus frog", "grunt", "radr"], card) == ["PSCR", "grunt", "RADR"]
    for asked, words in (
        (["RADR", "owll"], r"lacks \(1\): 'owll' \(did you mean"),
        (["owl", "PSCR"], r"not asked for \(1\): RADR"),
        (["RADR"], r"too few targets \(1\): RADR"),
    ):
        with pytest.raises(InputError, match=words):
            several_classes(asked, card)
    with pytest.raises(InputError, match=r"one a clip is labelled \(1\): grunt"):
        several_classes(["RADR", "grunt"], a_card(card_values, "single"))
    unclear = make_problem_card({**card_values, "classes": [*card_values["classes"], {"name": "a;b"}]})
    with pytest.raises(InputError, match=r"cannot name \(1\): 'a;b'"):
        several_classes("all", unclear)
