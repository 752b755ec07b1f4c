"""Thresholds, merging, and which night a call belongs to."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.field.detection.conftest import Season, make_classifier, write_noise
from vernal.field.detection.detections import DETECTION_COLUMNS, merge_flagged, night_of, spread


def merged(logits, threshold=0.0, gap_s=0.0, step=3.0, length=3.0) -> list[tuple]:
    starts = np.arange(len(logits)) * step
    table = merge_flagged(starts, starts + length, np.array(logits, dtype=float), threshold, gap_s)
    return [tuple(row) for row in table.to_numpy().tolist()]


def test_neighbours_are_one_detection_with_their_peak():
    assert merged([1, 2, 3, -1, 0, -1, 5]) == [
        (0.0, 9.0, 6.0, 3.0, 3.0),
        (12.0, 15.0, 12.0, 0.0, 1.0),
        (18.0, 21.0, 18.0, 5.0, 1.0),
    ]


def test_a_gap_joins_more_and_none_joins_nothing():
    logits = [1, -1, 2, -1, -1, 3]
    assert [row[:2] for row in merged(logits, gap_s=3.0)] == [(0.0, 9.0), (15.0, 18.0)]
    assert [row[4] for row in merged(logits, gap_s=3.0)] == [2.0, 1.0]
    assert [row[:2] for row in merged([1, 1], gap_s=None)] == [(0.0, 3.0), (3.0, 6.0)]


def test_overlapping_windows_are_neighbours():
    assert [row[:2] for row in merged([1, -1, 1, 1], step=1.0)] == [(0.0, 6.0)]
    assert [row[:2] for row in merged([1, -1, -1, -1, 1], step=1.0)] == [(0.0, 3.0), (4.0, 7.0)]


def test_of_equal_peaks_the_first_counts_and_nothing_gives_no_rows():
    assert merged([2, 2, 1])[0][2] == 0.0
    assert merged([-1, -2]) == [] and merged([]) == []


@given(
    st.lists(st.floats(-5, 5), max_size=40),
    st.floats(-5, 5),
    st.one_of(st.none(), st.floats(0, 10)),
    st.sampled_from([0.5, 1.0, 3.0]),
)
def test_merging_loses_no_window_and_keeps_the_order(logits, threshold, gap_s, step):
    """Against the plain way, window by window."""
    expected: list[list[float]] = []
    for at, logit in enumerate(logits):
        if logit < threshold:
            continue
        start, end = at * step, at * step + 3.0
        if expected and gap_s is not None and start - expected[-1][1] <= gap_s + 1e-6:
            last = expected[-1]
            last[1], last[4] = end, last[4] + 1
            if logit > last[3]:
                last[2], last[3] = start, logit
        else:
            expected.append([start, end, start, logit, 1])
    assert merged(logits, threshold, gap_s, step) == [tuple(map(float, row)) for row in expected]


@given(st.integers(0, 86_399), st.floats(0, 1e5), st.floats(0.001, 2e5), st.integers(0, 23))
def test_a_stretch_is_divided_without_loss(second, first_s, heard_s, start_hour):
    start = pd.Timestamp("2025-04-03") + pd.Timedelta(seconds=second)
    parts = list(spread(start, first_s, heard_s, start_hour))
    assert sum(part[2] for part in parts) == pytest.approx(heard_s, abs=1e-3)
    assert all(0 < part[2] <= 3_600 for part in parts)
    assert [part[0] for part in parts] == sorted(part[0] for part in parts)


def test_without_a_time_nothing_is_lost_either():
    assert list(spread(pd.NaT, 0.0, 12.0)) == [("unknown", -1, 12.0)]
    assert night_of(pd.NaT) == "unknown"


def test_a_call_after_midnight_belongs_to_the_evening_before(tmp_path, season: Season):
    write_noise(tmp_path / "in" / "R1_20250403_235950.wav", 21.0)
    own = make_classifier(threshold=-1e9)
    season.scan(tmp_path / "in", own)
    found = season.find(tmp_path / "in", own, merge_gap_s=None)
    assert found.detections.night.tolist() == ["2025-04-03"] * 7
    assert found.detections.started_at.iloc[4] == pd.Timestamp("2025-04-04 00:00:02")
    assert found.effort[["night", "hour", "heard_s"]].to_numpy().tolist() == [
        ["2025-04-03", 0, 11.0],
        ["2025-04-03", 23, 10.0],
    ]
    dates = season.find(tmp_path / "in", own, merge_gap_s=None, start_hour=0)
    assert dates.detections.night.tolist() == ["2025-04-03"] * 4 + ["2025-04-04"] * 3


def test_detections_are_the_windows_at_or_above_the_threshold(recordings, season: Season):
    everything = make_classifier(threshold=-1e9)
    season.scan(recordings, everything)
    windows = season.find(recordings, everything, merge_gap_s=None).detections
    threshold = float(np.sort(windows.logit)[len(windows) // 2])
    found = season.find(recordings, make_classifier(threshold=threshold)).detections
    assert list(found.columns) == list(DETECTION_COLUMNS)
    assert found.n_windows.sum() == (windows.logit >= threshold).sum()
    assert (found.logit >= threshold).all() and found.logit.min() == threshold
    assert found.confidence.to_numpy() == pytest.approx(1 / (1 + np.exp(-found.logit.to_numpy())))
    assert found.equals(found.sort_values(["file_path", "start_s"], ignore_index=True))


def test_sensitivity_moves_every_logit(recordings, season: Season):
    import dataclasses

    own = make_classifier(threshold=-1e9)
    season.scan(recordings, own)
    plain = season.find(recordings, own).detections
    moved = season.find(recordings, dataclasses.replace(own, sensitivity=1.25)).detections
    assert moved.logit.to_numpy() == pytest.approx(plain.logit.to_numpy() + 2.5)


def test_classes_are_detected_apart(recordings, season: Season):
    own = make_classifier(threshold=-1e9, labels=("frog", "toad"))
    season.scan(recordings, own)
    found = season.find(recordings, own).detections
    assert found.groupby("label").n_windows.sum().to_dict() == {"frog": 18, "toad": 18}


def test_files_tell_what_became_of_them(tmp_path, season: Season, write_tone):
    folder = tmp_path / "in"
    good = write_noise(folder / "R1_20250403_210000.wav", 7.0)
    (folder / "R1_20250403_211000.wav").write_bytes(good.read_bytes())
    (folder / "R1_20250403_212000.wav").write_bytes(b"")
    write_tone(folder / "R1_20250403_213000.wav", 7.0, level=1e-5)
    flac = write_noise(folder / "R1_20250403_214000.flac", 40.0, 1)
    flac.write_bytes(flac.read_bytes()[:-200_000])
    write_tone(folder / "R1_20250403_215000.wav", 0.5)
    own = make_classifier(threshold=-1e9)
    season.scan(folder, own)
    found = season.find(folder, own)
    assert found.files.state.tolist() == [
        "heard",
        "copy",
        "not heard",
        "not heard",
        "partly heard",
        "not heard",
    ]
    assert found.files.reason.tolist()[1:] == ["duplicate_audio", "empty", "silent", "truncated", "too_short"]
    assert found.files.message[1] == "the same content as R1_20250403_210000.wav"
    assert found.files.heard_s[[1, 2, 3, 5]].tolist() == [0, 0, 0, 0]
    assert found.files.n_windows[[0, 1, 2, 3, 5]].tolist() == [3, 0, 0, 0, 0]
    assert found.files.n_windows.sum() == found.detections.n_windows.sum()  # everything is flagged
    assert found.effort.heard_s.sum() == pytest.approx(found.files.heard_s.sum())
    assert set(found.detections.file_path) == {"R1_20250403_210000.wav", "R1_20250403_214000.flac"}


@pytest.mark.parametrize(("audio", "until_s", "from_s"), [({}, 12.0, 42.0), ({"overlap": 1.5}, 13.5, 40.5)])
def test_stretches_without_any_signal_are_not_heard(tmp_path, season: Season, audio, until_s, from_s):
    folder = tmp_path / "in"
    noise, rate = soundfile.read(write_noise(folder / "R1_20250403_215950.wav", 12.0), dtype="float32")
    soundfile.write(
        folder / "R1_20250403_215950.wav", np.concatenate([noise, np.zeros(rate * 30), noise]), rate
    )
    soundfile.write(folder / "R1_20250404_210000.wav", np.zeros(rate * 9), rate)
    own = make_classifier(threshold=-1e9, labels=("frog",), **audio)
    season.scan(folder, own, keep=True)
    found = season.find(folder, own)
    assert found.files.state.tolist() == ["partly heard", "not heard"]
    assert found.files.reason.tolist() == ["silent", "silent"]
    assert found.files.heard_s.tolist() == [until_s + 54 - from_s, 0.0]
    assert "hold no signal at all" in found.files.message[0]
    assert found.detections[["start_s", "end_s"]].to_numpy().tolist() == [[0.0, until_s], [from_s, 54.0]]
    assert found.effort.set_index("hour").heard_s.to_dict() == {21: 10.0, 22: until_s - 10 + 54 - from_s}
    # Another classifier takes the embeddings from the store, and hears as much.
    other = make_classifier(threshold=-1e9, seed=3, labels=("toad",), **audio)
    season.scan(folder, other)
    again = season.find(folder, other)
    assert again.effort.equals(found.effort)
    assert again.detections[["start_s", "end_s"]].equals(found.detections[["start_s", "end_s"]])


def test_the_same_silence_heard_with_another_limit(tmp_path, season: Season, write_tone):
    write_tone(tmp_path / "in" / "a.wav", 4.0, level=1e-5)
    own = make_classifier(threshold=-1e9)
    season.scan(tmp_path / "in", own)
    assert season.find(tmp_path / "in", own, silence_db=-200.0).files.state.tolist() == ["heard"]
