"""Labels find their recordings and classes, or are refused with the reason."""

import pandas as pd
import pytest

from vernal.clips.problem_card import make_problem_card
from vernal.collection.label_files import RecordingNames, read_all


def hashes(n):
    return [f"{i:064x}" for i in range(n)]


def recordings(*paths, duration_s=30.0):
    return pd.DataFrame({
        "content_hash": hashes(len(paths)), "recording": list(paths), "duration_s": duration_s, "sound_hash": hashes(len(paths)),
        "held_back": pd.Series([None] * len(paths), dtype="str"), "date": "2025-01-01", "time": "20:00:00", "site": "pond",
        "recorder_from": "name",
    })  # fmt: skip


def statements(sounds, labels):
    rows = [
        {"content_hash": h, "file_path": p, "kind": "recording"}
        for h, p in zip(sounds.content_hash, sounds.recording, strict=True)
    ]
    for number, (path, _, said) in enumerate(labels):
        rows.append({"content_hash": f"label{number}", "file_path": path, "kind": "labels", **said})
    table = pd.DataFrame(
        rows,
        columns=[
            "content_hash",
            "file_path",
            "kind",
            "annotator",
            "collector",
            "session",
            "complete",
            "label",
        ],
    )
    return table.assign(is_superseded=False)


def read(sounds, card, *labels):
    texts = {f"label{number}": text for number, (_, text, _) in enumerate(labels)}
    return read_all(statements(sounds, labels), sounds, card, lambda content, path: texts[content])


def test_a_label_file_belongs_to_the_recording_it_is_called_after(card):
    sounds = recordings("pond/20250403_210000.WAV", "pond/20250403_2100001.WAV")
    found = read(
        sounds, card,
        ("labels/20250403_210000.Table.1.selections.txt", "1\t2\tRADR\n", {"annotator": "Ana", "complete": True}),
        ("labels/20250403_2100001 ben.txt", "", {"annotator": "Ben", "complete": True}),
        ("labels/nobody.txt", "1\t2\tRADR\n", {"annotator": "Ana"}),
        ("labels/empty.txt", "", {"annotator": "Ana"}),
    )  # fmt: skip
    assert found.annotations.content_hash.tolist() == hashes(1) and found.annotations.annotator.tolist() == [
        "Ana"
    ]
    assert found.reviews.to_numpy().tolist() == [[hashes(2)[0], "Ana", "1"], [hashes(2)[1], "Ben", "1"]]
    assert found.problems.file_path.tolist() == ["labels/empty.txt", "labels/nobody.txt"]
    assert found.problems.reason.str.contains("called like no recording").all()


def test_of_two_recordings_of_one_name_the_nearest_is_meant(card):
    sounds = recordings("ana/rec 1.wav", "ben/rec 1.wav")
    found = read(
        sounds, card, ("ben/labels/rec 1.txt", "1\t2\tRADR\n", {}), ("labels/rec 1.txt", "1\t2\tRADR\n", {})
    )
    assert found.annotations.content_hash.tolist() == [hashes(2)[1]]
    assert "2 recordings are called 'rec 1'" in found.problems.reason[0]


def test_labels_of_a_copy_are_labels_of_the_sound_that_is_kept(card):
    sounds = recordings("a/one.wav", "b/two.flac").assign(sound_hash="same")
    found = read(sounds, card, ("labels/two.txt", "1\t2\tRADR\n", {}))
    assert found.annotations.content_hash.tolist() == hashes(1)


RAVEN_HEAD = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (RAVEN_HEAD + "Begin Path\tAnnotation", "1\tSpectrogram 1\t1\t1\t2\t300\t1200\tD:\\season\\Moth09\\20250403_210000.WAV\tRADR"),
        ("INDIR,FOLDER,IN FILE,OFFSET,DURATION,MANUAL ID", "D:\\season,Moth09,20250403_210000.WAV,1,1,RADR"),
        ("file_path,start_s,end_s,label", "season/moth09/20250403_210000.wav,1,2,RADR"),
        ("Start (s),End (s),Scientific name,Common name,Confidence,File", "1,2,RADR,RADR,0.9,/season/Moth09/20250403_210000.WAV"),
    ],
)  # fmt: skip
def test_the_folder_of_a_path_decides_whose_recording_is_meant(card, header, row):
    sounds = recordings("Moth08/20250403_210000.WAV", "Moth09/20250403_210000.WAV")
    label_file = ("Moth08/season.csv", f"{header}\n{row}\n", {})
    found = read(sounds, card, label_file)
    assert [*found.annotations.content_hash, *found.detections.content_hash] == [hashes(2)[1]]
    refused = read(sounds[:1], card, label_file)
    assert len(refused.annotations) == len(refused.detections) == 0
    assert (
        "was added; 'Moth08/20250403_210000.WAV' is called so, but lies in another folder"
        in refused.problems.reason[0]
    )


def test_a_label_file_in_another_recorders_folder_or_of_another_number_is_not_given_away(card):
    sounds = recordings("Moth08/20250403_210000.WAV", "Moth09/20250404_210000.WAV", "pond_1.wav", "pond.wav")
    found = read(
        sounds, card,
        ("labels/Moth09/20250403_210000.txt", "1\t2\tRADR\n", {}),
        ("labels/Moth10/20250404_210000.txt", "1\t2\tRADR\n", {}),
        ("pond_1_2.txt", "1\t2\tRADR\n", {}),
        ("pond_20250403.txt", "1\t2\tRADR\n", {}),
    )  # fmt: skip
    assert len(found.annotations) == 0 and len(found.problems) == 4


def test_letters_and_composition_of_a_name_do_not_matter(card):
    sounds = recordings("Mo\u0308we  1.WAV", "b.wav")
    found = read(
        sounds,
        card,
        ("m\u00f6we 1.txt", "1\t2\tRADR\n", {}),
        ("l.csv", "file,label\nM\u00d6WE 1.wav,radr\n", {}),
    )
    assert found.annotations.content_hash.tolist() == hashes(2)[:1] * 2 and found.problems.empty


def test_names_of_other_systems_and_other_endings_are_found():
    sounds = recordings("pond/Night 1.WAV")
    names = RecordingNames(sounds.assign(file_path=sounds.recording), sounds)
    for name in ("night 1.wav", "C:\\sd\\NIGHT 1.wav", "/home/x/Night 1.flac", "Night 1"):
        assert names.named(name, "labels.csv")[0] == hashes(1)[0]
    assert "no recording 'Night 2.wav' was added" in names.named("Night 2.wav", "labels.csv")[1]


def test_unknown_classes_are_refused_with_the_nearest_and_void_the_review(card):
    sounds = recordings("a.wav", "b.wav")
    text = "recording,start_s,end_s,label\na.wav,1,2,RADRR\nb.wav,1,2,xylophone\nb.wav,4,5,Rana draytonii\n"
    found = read(sounds, card, ("labels.csv", text, {"annotator": "Ana", "complete": True}))
    assert found.annotations.label.tolist() == ["RADR"] and found.annotations.label_as_written.tolist() == [
        "Rana draytonii"
    ]
    assert "did you mean 'RADR'" in found.problems.reason[0] and "xylophone" in found.problems.reason[1]
    assert found.reviews.content_hash.tolist() == [hashes(2)[1]]
    assert found.files.n_refused.tolist() == [2] and found.files.n_annotations.tolist() == [1]
    assert found.files.n_others.tolist() == [0]


def test_in_a_closed_world_every_unknown_label_voids_the_review(card_values):
    card = make_problem_card({**card_values, "world": "closed"})
    text = "recording,start_s,end_s,label\na.wav,1,2,xylophone\na.wav,3,4,owl\n"
    found = read(recordings("a.wav"), card, ("labels.csv", text, {"complete": True}))
    assert len(found.reviews) == 0 and len(found.annotations) == 1


def test_marks_outside_the_recording_are_refused_and_rounding_is_not(card):
    text = "1\t31\tRADR\n30.5\t31\tRADR\n28\t30.05\tRADR\n"
    found = read(recordings("a.wav"), card, ("a.txt", text, {}))
    assert found.annotations.end_s.tolist() == [30.0]
    assert len(found.problems) == 2 and "lies outside a recording of 30 s" in found.problems.reason[0]


def test_a_models_rows_are_no_votes(card):
    text = "Start (s),End (s),Scientific name,Common name,Confidence,File\n0,3,RADR,RADR,0.9,a.wav\n"
    found = read(
        recordings("a.wav"), card, ("a.BirdNET.results.csv", text, {"annotator": "Ana", "complete": True})
    )
    assert len(found.annotations) == 0 and found.detections.model.tolist() == ["BirdNET"]
    assert found.detections.annotator.isna().all() and len(found.reviews) == 0


def test_who_speaks_is_the_row_then_the_statement_then_the_collector(card):
    text = "recording,start_s,end_s,label,annotator\na.wav,1,2,RADR,Cho\na.wav,4,5,RADR,\n"
    found = read(
        recordings("a.wav"),
        card,
        ("l.csv", text, {"annotator": "Ana", "session": "2"}),
        ("m.csv", text, {"collector": "Ben"}),
        ("n.csv", text, {}),
    )
    assert found.annotations.annotator.tolist() == ["Cho", "Ana", "Cho", "Ben", "Cho", "unknown"]
    assert found.annotations.session.tolist() == ["2", "2", "1", "1", "1", "1"]


def test_no_labels_at_all(card):
    found = read(recordings("a.wav"), card)
    assert len(found.annotations) == len(found.detections) == len(found.reviews) == 0


@pytest.mark.parametrize("text", ["Dear all,\nhello\n", "recording,start_s,end_s,label\na.wav,x,2,RADR\n"])
def test_a_file_that_cannot_be_read_is_listed_and_the_others_are_read(card, text):
    found = read(recordings("a.wav"), card, ("bad.csv", text, {}), ("a.txt", "1\t2\tRADR\n", {}))
    assert len(found.annotations) == 1 and found.problems.file_path.tolist() == ["bad.csv"]


def test_a_mark_outside_the_recording_voids_the_review(card):
    """Where it belongs is unknown, so silence in the clips of this recording says nothing."""
    found = read(
        recordings("a.wav", "b.wav"), card,
        ("a.txt", "1\t2\tRADR\n28\t34\tRADR\n", {"annotator": "Ana", "complete": True}),
        ("b.txt", "1\t2\tRADR\n", {"annotator": "Ana", "complete": True}),
    )  # fmt: skip
    assert found.reviews.content_hash.tolist() == [hashes(2)[1]] and len(found.annotations) == 2


def test_what_a_model_heard_beside_the_classes_is_counted_and_nobodys_mistake(card):
    head = "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
    rows = "27,30.9,RADR,RADR,0.9,a.wav\n30,33,RADR,RADR,0.9,a.wav\n0,3,Turdus migratorius,American Robin,0.4,a.wav\n"
    found = read(recordings("a.wav"), card, ("a.BirdNET.results.csv", head + rows, {}))
    assert found.detections.end_s.tolist() == [30.0], "a model's last window may reach beyond the end"
    assert found.problems.reason.str.contains("lies outside").tolist() == [True]
    counts = found.files[["n_annotations", "n_others", "n_refused"]]
    assert counts.to_numpy().tolist() == [[1, 1, 1]]


def test_everything_wrong_with_a_file_is_said_on_one_line(card):
    text = "recording,start_s,end_s,label\na.wav,x,2,RADR\na.wav,3,2,RADR\na.wav,3,4,\n"
    found = read(recordings("a.wav"), card, ("bad.csv", text, {}))
    (reason,) = found.problems.reason
    assert reason.startswith("bad.csv: cell not understood (1): line 2") and "\n" not in reason
    assert "end before start (1): line 3: 2.0" in reason and "missing label (1): line 4. Name" in reason


def test_a_replaced_recording_no_longer_takes_its_names_labels(card):
    sounds = recordings("a.wav")
    table = statements(sounds, [("a.txt", "", {})])
    old = pd.DataFrame([{"content_hash": "f" * 64, "file_path": "a.wav", "kind": "recording"}])
    table = pd.concat([old.assign(is_superseded=True), table], ignore_index=True)
    found = read_all(table, sounds, card, lambda content, path: "1\t2\tRADR\n")
    assert found.annotations.content_hash.tolist() == hashes(1) and len(found.problems) == 0


RAVEN = "Selection\tView\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


def raven(*rows, named=False):
    header = RAVEN + ("\tAnnotation" if named else "")
    return "\n".join([header, *(f"{n}\tSpectrogram 1\t{row}" for n, row in enumerate(rows, 1))]) + "\n"


def test_a_box_of_no_length_or_outside_the_band_is_reported_and_no_positive(card):
    sounds = recordings("a.wav")
    text = raven("1\t2\t300\t900\tRADR", "7\t7\t400\t401\tRADR", "8\t9\t4000\t5000\tRADR", named=True)
    found = read(sounds, card, ("a.Table.1.selections.txt", text, {"annotator": "Ana", "complete": True}))
    assert found.annotations.start_s.tolist() == [1]
    assert found.problems.reason.tolist() == [
        "the box at 7 s, 400 to 401 Hz, has no length, as a stray click leaves it",
        "the box at 8 s, 4000 to 5000 Hz, lies outside the band of RADR, 200 to 1200 Hz",
    ]
    assert found.files[["n_annotations", "n_refused"]].to_numpy().tolist() == [[1, 2]]
    # What was clicked by mistake is no call that somebody left out.
    assert len(found.reviews) == 1


def test_a_point_of_a_label_track_stays_a_mark(card):
    found = read(recordings("a.wav"), card, ("a.txt", "3\t3\tRADR\n", {}))
    assert found.annotations.start_s.tolist() == [3]


def test_a_spreadsheet_names_recordings_by_folder_and_file(card):
    sounds = recordings("Moth01/20250403_210000.WAV", "Moth02/20250403_210000.WAV")
    table = "FOLDER,IN FILE,start,end,label\nMoth02,20250403_210000.WAV,1,2,RADR\n"
    found = read(sounds, card, ("labels.csv", table, {}))
    assert found.annotations.content_hash.tolist() == [sounds.content_hash[1]]


def test_one_wrong_table_is_one_line(card):
    table = "recording,start_s,end_s,label\n" + "".join(f"x{n}.wav,1,2,RADR\n" for n in range(160))
    found = read(recordings("a.wav"), card, ("far.csv", table, {}))
    (problem,) = found.problems.to_dict("records")
    assert problem["file_path"] == "far.csv"
    assert problem["reason"].startswith("of none of its 160 rows the recording was found, the first because")
    assert "x0.wav" in problem["reason"]
    assert found.files.n_refused.tolist() == [160]


def test_rows_refused_for_one_reason_are_counted(card):
    sounds = recordings("a.wav", "b.wav")
    table = "recording,start_s,end_s,label\n" + "".join(f"{'ab'[n % 2]}.wav,1,2,RADRR\n" for n in range(7))
    found = read(sounds, card, ("m.csv", table, {}))
    (problem,) = found.problems.to_dict("records")
    assert (problem["line"], problem["n_rows"]) == (2, 7) and "did you mean 'RADR'?" in problem["reason"]


def test_refused_rows_are_told_by_their_line_and_files_as_a_whole(card):
    rows = ("1\t2\t300\t900\tRADR", "3\t4\t300\t900\txylophone", "99\t100\t300\t900\tRADR")
    files = [("a.txt", "\n" + raven(*rows, named=True), {}), ("b.csv", "no table", {})]
    found = read(recordings("a.wav"), card, *files)
    told = found.problems[["file_path", "line", "n_rows", "line_label"]]
    assert told.astype(object).fillna("-").to_numpy().tolist() == [
        ["a.txt", 4, 1, "xylophone"],
        ["a.txt", 5, 1, "RADR"],
        ["b.csv", "-", "-", "-"],
    ]
