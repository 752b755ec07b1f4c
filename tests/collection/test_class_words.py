"""What was marked is said by a statement, a table's name or a folder where the label file does not name it."""

import pytest

from tests.collection.test_label_files import raven, read, recordings, statements
from vernal.collection.class_words import class_meant
from vernal.collection.label_files import read_all

BOXES = raven("1\t2\t300\t900", "4\t5\t300\t900")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.Table.1.selections.txt", {"label": "radr"}),
        ("a.Table.1.selections.txt", {"label": "positive"}),
        ("RADR/a.Table.1.selections.txt", {}),
        ("Positives/week 1/a.Table.1.selections.txt", {}),
        ("a.RADR.selections.txt", {}),
        ("a_Rana draytonii.txt", {}),
    ],
)
@pytest.mark.parametrize(
    "text", [BOXES, raven("1\t2\t300\t900\t", "4\t5\t300\t900\t", named=True), "1\t2\n4\t5\t\n"]
)
def test_marks_without_a_name_are_what_is_said_of_them(card, path, said, text):
    found = read(recordings("a.wav"), card, (path, text, said))
    assert found.annotations.label.tolist() == ["RADR", "RADR"]
    assert found.problems.empty


def test_boxes_that_nothing_names_are_refused_in_one_line_that_says_how_to_name_them(card):
    found = read(recordings("pond owl creek.wav"), card, ("pond owl creek.Table.1.selections.txt", BOXES, {}))
    (reason,) = found.problems.reason
    assert "none of its 2 marks names what was heard, in no column of Selection, View" in reason
    assert "Write `label: RADR`" in reason
    assert found.annotations.empty


def test_a_folder_does_not_speak_for_rows_that_somebody_left_out(card):
    text = raven("1\t2\t300\t900\towl", "4\t5\t300\t900\t", named=True)
    found = read(recordings("a.wav"), card, ("RADR/a.Table.1.selections.txt", text, {}))
    assert "missing label (1): line 3" in found.problems.reason[0]
    named = read(recordings("a.wav"), card, ("RADR/a.Table.1.selections.txt", text, {"label": "RADR"}))
    assert named.annotations.label.tolist() == ["owl", "RADR"]


def test_boxes_of_negatives_are_counted_and_nobodys_mistake(card):
    found = read(recordings("a.wav"), card, ("Background/a.Table.1.selections.txt", BOXES, {}))
    assert found.annotations.empty and found.problems.empty
    assert found.files.n_others.tolist() == [2]


def test_class_folders_speak_for_their_recordings(card):
    sounds = recordings("negative/neg_1/a.wav", "owl/b.wav", "other sites/c.wav", "d.wav")
    found = read(sounds, card)
    said = found.annotations[["content_hash", "label", "is_present"]].to_numpy().tolist()
    assert said == [[sounds.content_hash[0], "RADR", False], [sounds.content_hash[1], "owl", True]]
    assert found.annotations.start_s.isna().all()
    assert found.files[["file_path", "format", "n_annotations"]].to_numpy().tolist() == [
        ["negative/", "folder", 1],
        ["owl/", "folder", 1],
    ]


def test_what_was_boxed_says_nothing_of_recordings_and_negative_does(card):
    sounds = recordings("a.wav", "b.wav")
    stated = statements(sounds, [])
    for label, said in (("RADR", []), ("negative", [False, False])):
        found = read_all(stated.assign(label=label), sounds, card, lambda content, path: "")
        assert found.annotations.is_present.tolist() == said


def test_a_folder_says_nothing_beside_marks_and_what_contradicts_them_is_told_with_both_paths(card):
    sounds = recordings("positive/a.wav", "negative/a.wav")
    sounds["sound_hash"] = "same"
    table = "positive/a.Table.1.selections.txt"
    found = read(sounds, card, (table, BOXES, {"annotator": "Ana"}))
    assert found.annotations.start_s.tolist() == [1, 4]
    assert found.problems[["file_path", "reason"]].to_numpy().tolist() == [
        ["negative/a.wav", f"lies in negative/, which has nothing of RADR, but {table} says that it is there"]
    ]


def test_of_two_folders_that_contradict_each_other_neither_counts(card):
    sounds = recordings("positive/a.wav", "negative/a.wav", "positive/b.wav")
    sounds["sound_hash"] = ["same", "same", "other"]
    found = read(sounds, card)
    assert found.annotations.recording.tolist() == ["positive/b.wav"]
    (reason,) = found.problems.reason
    assert reason.endswith("but positive/a.wav says that it is there; neither counts")


@pytest.mark.parametrize(
    ("word", "meant"), [("owl", "owl"), ("Noise", "negative"), ("neg_2", None), ("labels", None)]
)
def test_words_that_mean_no_class_mean_nothing(card, word, meant):
    assert class_meant(word, card) == meant
