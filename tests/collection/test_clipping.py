"""Clips fall on exact samples, whatever the rate, and labels go where they belong."""

import io
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.collection.clipping import (
    ClipOptions,
    clip_bounds,
    clip_bytes,
    cut_clips,
    to_frames,
    transfer_labels,
)
from vernal.common.problems import InputError

RATES = st.sampled_from([8_000, 11_025, 22_000, 22_050, 32_000, 44_100, 48_000, 250_000])
LENGTHS = st.integers(1, 60).map(lambda tenths: tenths / 10)


@given(
    st.integers(0, 200_000),
    RATES,
    LENGTHS,
    st.floats(0, 0.9),
    st.sampled_from(["drop", "pad", "keep"]),
    st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_clips_have_their_length_and_start_where_the_fractions_say(
    n, rate, length, overlap_share, tail, tail_share
):
    overlap = round(length * overlap_share, 3)
    options = ClipOptions(length, overlap, tail, min_tail_s=length * tail_share)
    bounds = clip_bounds(n, rate, options)
    size = to_frames(length, rate)
    step = (Fraction(repr(length)) - Fraction(repr(overlap))) * rate
    for number, (start, end) in enumerate(bounds):
        assert abs(start - number * step) <= Fraction(1, 2)
        is_last = number == len(bounds) - 1
        assert end - start == size or (tail == "keep" and is_last and end == n)
        assert start < n
        assert end <= n or (tail == "pad" and is_last)
    if tail == "keep" and tail_share == 0 and n:
        covered = np.zeros(n, dtype=bool)
        for start, end in bounds:
            covered[start:end] = True
        assert covered.all()


@pytest.mark.parametrize(
    ("tail", "min_tail_s", "expected"),
    [
        ("drop", 1.0, [(0, 30), (30, 60)]),
        ("pad", 1.0, [(0, 30), (30, 60), (60, 90)]),
        ("keep", 1.0, [(0, 30), (30, 60), (60, 75)]),
        ("keep", 2.0, [(0, 30), (30, 60)]),
    ],
)
def test_tails(tail, min_tail_s, expected):
    bounds = clip_bounds(75, 10, ClipOptions(tail=tail, min_tail_s=min_tail_s))
    assert bounds.tolist() == [list(pair) for pair in expected]


def test_a_recording_that_ends_with_a_clip_has_no_tail():
    for tail in ("drop", "pad", "keep"):
        assert clip_bounds(60, 10, ClipOptions(tail=tail)).tolist() == [[0, 30], [30, 60]]


def test_the_thousandth_clip_has_not_drifted():
    bounds = clip_bounds(1_200_000, 11_025, ClipOptions(length_s=0.1, min_tail_s=0.0))
    assert bounds[1000, 0] == 1_102_500
    assert bounds[1, 0] == 1_103 and bounds[3, 0] == 3_308 and bounds[2, 0] == 2_205


@given(st.integers(0, 10**9), RATES)
def test_samples_survive_the_way_to_seconds_and_back(frame, rate):
    assert to_frames(frame / rate, rate) == frame


def recordings(*lengths, rate=10):
    return pd.DataFrame(
        {
            "content_hash": [f"{i:064x}" for i in range(len(lengths))],
            "n_frames": lengths,
            "sample_rate_hz": rate,
        }
    )


def test_every_second_is_in_a_clip_or_listed():
    clips, uncut = cut_clips(recordings(75, 5, 60), ClipOptions(tail="drop"))
    assert clips.start_s.tolist() == [0, 3, 0, 3] and clips.clip_id.is_unique
    assert uncut.uncut_s.tolist() == [1.5, 0.5, 0.0]
    padded, uncut = cut_clips(recordings(75), ClipOptions(tail="pad"))
    assert padded.end_s.tolist() == [3.0, 6.0, 7.5] and padded.padded_s.tolist() == [0.0, 0.0, 1.5]
    assert uncut.uncut_s.tolist() == [0.0]
    assert len(cut_clips(recordings(), ClipOptions())[0]) == 0


def annotations(*spans):
    return pd.DataFrame(
        {"content_hash": f"{0:064x}", "start_s": [a for a, _ in spans], "end_s": [b for _, b in spans]}
    )


def transferred(*spans, **settings):
    clips, _ = cut_clips(recordings(90), ClipOptions())
    pairs = transfer_labels(clips, annotations(*spans), ClipOptions(**settings))
    starts = clips.set_index("clip_id").start_s
    return [(starts[row.clip_id], row.overlap_s, row.is_enough) for row in pairs.itertuples()]


def test_labels_go_to_the_clips_they_overlap_enough():
    assert transferred((2.6, 4.0)) == [(0, pytest.approx(0.4), False), (3, pytest.approx(1.0), True)]
    assert transferred((2.5, 8.0)) == [(0, 0.5, True), (3, 3.0, True), (6, 2.0, True)]


def test_a_short_call_inside_a_clip_belongs_to_it():
    assert transferred((4.0, 4.2)) == [(3, pytest.approx(0.2), True)]
    assert transferred((2.9, 3.1)) == [(0, 0.1, True), (3, 0.1, True)]
    assert transferred((2.9, 3.3), min_overlap_share=0.5) == [(0, 0.1, False), (3, 0.3, True)]


def test_a_point_belongs_to_the_clip_it_lies_in_and_touching_is_not_overlap():
    assert transferred((3.0, 3.0)) == [(3, 0.0, True)]
    assert transferred((3.0, 6.0)) == [(3, 3.0, True)]


@given(st.lists(st.tuples(st.integers(0, 89), st.integers(1, 60)), min_size=1, max_size=5))
def test_overlaps_add_up_to_the_annotations_length(spans):
    spans = [(a / 10, min(90, a + b) / 10) for a, b in spans]
    clips, _ = cut_clips(recordings(90), ClipOptions())
    pairs = transfer_labels(clips, annotations(*spans), ClipOptions())
    for number, (start, end) in enumerate(spans):
        assert pairs.overlap_s[pairs.annotation == number].sum() == pytest.approx(end - start)


def test_a_cut_clip_is_the_recordings_samples(tmp_path):
    samples = np.random.default_rng(1).integers(-(2**15), 2**15, (1_000, 2)).astype("int16")
    soundfile.write(tmp_path / "a.flac", samples, 8_000)
    content = clip_bytes(tmp_path / "a.flac", 250, 1_000, 40)
    cut, rate = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    assert (
        rate == 8_000 and np.array_equal(cut[:750], samples[250:]) and not cut[750:].any() and len(cut) == 790
    )
    assert content == clip_bytes(tmp_path / "a.flac", 250, 1_000, 40)
    with pytest.raises(InputError, match="before its clip"):
        clip_bytes(tmp_path / "a.flac", 500, 2_000, 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"length_s": 0},
        {"overlap_s": 3},
        {"tail": "cut"},
        {"min_tail_s": 4},
        {"min_overlap_s": 0},
        {"min_overlap_share": 1.5},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"collection\.clips"):
        ClipOptions(**settings)
