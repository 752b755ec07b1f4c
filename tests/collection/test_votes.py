"""What people say becomes votes only where it says so."""

import pandas as pd
import pytest

from vernal.clips.annotations import annotation_table, split_by_strength
from vernal.clips.problem_card import make_problem_card
from vernal.collection.clipping import ClipOptions, cut_clips
from vernal.collection.votes import add_decisions, count_votes, first_sessions, single_labels

HASHES = [f"{i:064x}" for i in range(3)]


@pytest.fixture
def clips():
    recordings = pd.DataFrame({"content_hash": HASHES, "n_frames": [90, 30, 90], "sample_rate_hz": 10})
    return cut_clips(recordings, ClipOptions())[0]


def spoken(*rows):
    table = annotation_table([{"annotator": "Ana", "session": "1", **row} for row in rows])
    return table.assign(content_hash=[HASHES[row.get("of", 0)] for row in rows])


def count(clips, card, *rows, reviews=()):
    table = spoken(*rows) if rows else spoken({"label": "RADR"}).iloc[:0]
    strong, weak = split_by_strength(table)
    reviewed = pd.DataFrame(list(reviews), columns=["content_hash", "annotator", "session"]).astype("str")
    votes, edges = count_votes(clips, strong, weak, reviewed, card, ClipOptions())
    place = clips.set_index("clip_id")
    name = {clip: (HASHES.index(place.content_hash[clip]), place.start_s[clip]) for clip in place.index}
    said = {(name[row.clip_id], row.label): (row.is_present, row.ground) for row in votes.itertuples()}
    return said, {(name[row.clip_id], row.label) for row in edges.itertuples()}


def test_a_mark_speaks_for_its_clip_and_the_classes_above(clips, card):
    said, edges = count(clips, card, {"label": "grunt", "start_s": 1, "end_s": 2})
    assert said == {((0, 0.0), "grunt"): (True, "marked"), ((0, 0.0), "RADR"): (True, "marked")}
    assert not edges


def test_only_who_marked_everything_says_that_nothing_is_there(clips, card):
    said, _ = count(
        clips, card, {"label": "owl", "start_s": 1, "end_s": 2}, reviews=[(HASHES[0], "Ana", "1")]
    )
    assert said[(0, 0.0), "owl"] == (True, "marked")
    assert said[(0, 3.0), "owl"] == (False, "complete") and said[(0, 0.0), "RADR"] == (False, "complete")
    assert len(said) == 3 * 4


def test_a_mark_that_barely_reaches_in_decides_nothing(clips, card):
    said, edges = count(
        clips, card, {"label": "owl", "start_s": 2.8, "end_s": 5}, reviews=[(HASHES[0], "Ana", "1")]
    )
    assert edges == {((0, 0.0), "owl")}
    assert ((0, 0.0), "owl") not in said and said[(0, 3.0), "owl"] == (True, "marked")


def test_presence_somewhere_says_nothing_of_single_clips_but_absence_does(clips, card):
    said, _ = count(clips, card, {"label": "RADR"}, {"label": "RADR", "is_present": False, "of": 2})
    assert {key for key in said if key[0][0] == 0} == set()
    assert said[(2, 6.0), "grunt"] == (False, "absent from the recording")
    assert len(said) == 3 * 3


def test_presence_in_a_recording_of_one_clip_is_presence_in_the_clip(clips, card):
    said, _ = count(clips, card, {"label": "growl", "of": 1})
    assert said == {((1, 0.0), name): (True, "recording of one clip") for name in ("growl", "RADR")}


def test_no_votes_without_annotations(clips, card):
    assert count(clips, card) == ({}, set())


def test_the_first_session_counts(clips, card):
    rows = [{"label": "owl", "start_s": 1, "end_s": 2, "session": "2"}]
    strong, weak = split_by_strength(spoken(*rows))
    reviews = pd.DataFrame({"content_hash": [HASHES[0]] * 2, "annotator": "Ana", "session": ["1", "2"]})
    votes, _ = count_votes(clips, strong, weak, reviews, card, ClipOptions())
    first = first_sessions(votes)
    assert not first.is_present.any() and set(first.session) == {"1"} and votes.is_present.sum() == 1


def test_single_labels_and_conflicts(clips, card_values):
    card = make_problem_card({**card_values, "labelling": "single"})
    rows = [
        {"label": "grunt", "start_s": 0, "end_s": 1},
        {"label": "owl", "start_s": 4, "end_s": 5},
        {"label": "RADR", "start_s": 4, "end_s": 5},
    ]
    strong, weak = split_by_strength(spoken(*rows))
    reviews = pd.DataFrame({"content_hash": [HASHES[0]], "annotator": "Ana", "session": "1"})
    votes, _ = count_votes(clips, strong, weak, reviews, card, ClipOptions())
    labels, conflicts = single_labels(votes, card)
    start = clips.set_index("clip_id").start_s
    assert {start[row.clip_id]: row.label for row in labels.itertuples()} == {0.0: "RADR", 6.0: "none"}
    assert conflicts.labels.tolist() == ["RADR + owl"]


def test_what_reviewers_decided_is_voted_too(card):
    clips = pd.DataFrame({"clip_id": ["c1", "c2", "c3"], "content_hash": ["h1", "h2", "h3"]})
    votes = pd.DataFrame(
        [("c1", "RADR", "Ana", "1", False, "complete")],
        columns=["clip_id", "label", "annotator", "session", "is_present", "ground"],
    )
    rows = [
        ("c1", "RADR", "not_target", "Ana", 1.0, "01"),
        ("c1", "RADR", "target", "Ana", 1.0, "02"),
        ("c2", "grunt", "target", "Ben", 1.0, "03"),
        ("c3", "RADR", "not_target", "Ben", 2.0, "04"),
        ("c3", "RADR", "unsure", "Ana", 1.0, "05"),
        ("elsewhere", "RADR", "target", "Ana", 1.0, "06"),
        ("c1", "no class", "target", "Ana", 1.0, "07"),
    ]
    decisions = pd.DataFrame(rows, columns=["clip_id", "asked", "decision", "reviewer", "look", "when"])
    joined = add_decisions(votes, clips, decisions, card)
    said = {
        (row.clip_id, row.label, row.annotator, row.session): row.is_present for row in joined.itertuples()
    }
    below = {("c3", name, "Ben", "review 2"): False for name in card.names if "RADR" in card.lineage(name)}
    assert said == {
        ("c1", "RADR", "Ana", "1"): False,
        ("c1", "RADR", "Ana", "review 1"): True,
        ("c2", "grunt", "Ben", "review 1"): True,
        ("c2", "RADR", "Ben", "review 1"): True,
        **below,
    }
    assert joined.dtypes.to_dict() == votes.dtypes.to_dict()
    pd.testing.assert_frame_equal(add_decisions(votes, clips, decisions.iloc[:0], card), votes)


def test_who_marks_the_class_without_its_kind_leaves_the_kinds_open(clips, card):
    """A mark of RADR is no statement that it was no grunt, also where the mark barely reaches in."""
    said, edges = count(
        clips, card, {"label": "RADR", "start_s": 1, "end_s": 3.2}, {"label": "grunt", "start_s": 1, "end_s": 2, "of": 1},
        reviews=[(HASHES[0], "Ana", "1")],
    )  # fmt: skip
    assert said[(0, 0.0), "RADR"] == (True, "marked") and edges == {((0, 3.0), "RADR")}
    assert not {((0, start), kind) for start in (0.0, 3.0) for kind in ("grunt", "growl")} & set(said)
    assert said[(0, 6.0), "grunt"] == (False, "complete") and said[(0, 0.0), "owl"] == (False, "complete")


def test_a_kind_that_was_marked_counts_beside_an_open_mark(clips, card):
    said, _ = count(
        clips, card, {"label": "RADR", "start_s": 0.2, "end_s": 1}, {"label": "grunt", "start_s": 1, "end_s": 2},
        reviews=[(HASHES[0], "Ana", "1")],
    )  # fmt: skip
    assert said[(0, 0.0), "grunt"] == (True, "marked") and ((0, 0.0), "growl") not in said


def test_who_never_names_a_kind_is_not_compared_on_kinds(clips, card):
    marks = (
        {"label": "RADR", "start_s": 1, "end_s": 2},
        {"label": "grunt", "start_s": 4, "end_s": 5, "annotator": "Ben"},
    )
    reviews = [(HASHES[0], who, "1") for who in ("Ana", "Ben")]
    table = spoken(*marks)
    reviewed = pd.DataFrame(reviews, columns=["content_hash", "annotator", "session"]).astype("str")
    votes, _ = count_votes(clips, table, table.iloc[:0], reviewed, card, ClipOptions())
    on_kinds = votes[votes.label.isin(["grunt", "growl"])]
    assert set(on_kinds.annotator) == {"Ben"} and set(votes.annotator) == {"Ana", "Ben"}
