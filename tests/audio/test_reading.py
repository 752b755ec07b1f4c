"""Reading sound: what is accepted, what is refused and why, and that every stretch is what the peer hears."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.audio import reading
from vernal.audio.checks import AudioChecks, check_audio
from vernal.audio.embedding.jobs import whole_window
from vernal.audio.reading import AudioError, AudioReader, cut_windows, load_clip, window_starts
from vernal.audio.resampling import Resampler

RATE = 48_000


def noise(seconds: float, rate: int = RATE, channels: int = 1, seed: int = 0) -> np.ndarray:
    samples = 0.1 * np.random.default_rng(seed).standard_normal((int(seconds * rate), channels))
    return samples[:, 0] if channels == 1 else samples


def write(path: Path, samples: np.ndarray, rate: int = RATE, **options) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def reason(path: Path, **checks) -> str:
    with pytest.raises(AudioError) as caught:
        check_audio(path, AudioChecks(**checks))
    assert caught.value.reason in reading.REASONS
    assert caught.value.message == str(caught.value)
    return caught.value.reason


# What is accepted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [("wav", 48_000, 1), ("flac", 22_050, 2), ("ogg", 44_100, 2), ("mp3", 32_000, 1)],
)
def test_four_formats_any_rate_mono_or_stereo(tmp_path, suffix, rate, channels):
    path = write(tmp_path / f"a sound.{suffix}", noise(2, rate, channels), rate)
    facts = check_audio(path)
    assert (facts.sample_rate_hz, facts.channels) == (rate, channels)
    assert facts.duration_s == pytest.approx(2, abs=0.06)
    assert reading.probe_audio(path) == facts
    assert len(load_clip(path)) == reading.n_samples_of(facts.duration_s)


def test_real_recordings_are_accepted(shared_data):
    for path in [
        *sorted(shared_data.glob("field/*.flac"))[::12],
        *sorted(shared_data.glob("esc10/rooster/*.ogg"))[::8],
    ]:
        assert check_audio(path).duration_s > 4


ODD = {
    "empty_2c.wav": "truncated",
    "stereo.wav": "too_short",
    "veryshort.wav": None,
    "silence_10s.mp3": "silent",
    "metadata.wav": None,
    "audiomoth_gps.wav": None,
    "rugr_drum.wav": None,
    "aru_1.wav": None,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files(shared_data, name):
    path = shared_data / "odd" / name
    if ODD[name] is None:
        assert check_audio(path).n_frames > 6_000
    else:
        assert reason(path) == ODD[name]


# What is refused -----------------------------------------------------------------------------------


def test_missing_and_empty_and_not_audio(tmp_path):
    assert reason(tmp_path / "no.wav") == "not_found"
    assert reason(tmp_path) == "not_found"
    (tmp_path / "nil.wav").touch()
    assert reason(tmp_path / "nil.wav") == "empty"
    assert reason(write(tmp_path / "none.wav", np.zeros(0))) == "empty"
    (tmp_path / "text.wav").write_text("not a sound")
    assert reason(tmp_path / "text.wav") == "unreadable"


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_a_file_cut_off_is_truncated(tmp_path, suffix, kept):
    path = write(tmp_path / f"a.{suffix}", noise(4))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert reason(path) == "truncated"


def test_a_flac_with_a_damaged_middle_is_truncated(tmp_path):
    path = write(tmp_path / "a.flac", noise(4))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4_000] = bytes(4_000)
    path.write_bytes(content)
    assert reason(path) == "truncated"


def test_not_finite_silent_short_long(tmp_path):
    samples = noise(2)
    samples[1_000] = np.nan
    assert reason(write(tmp_path / "nan.wav", samples, subtype="FLOAT")) == "not_finite"
    samples[1_000] = np.inf
    assert reason(write(tmp_path / "inf.wav", samples, subtype="FLOAT")) == "not_finite"
    assert reason(write(tmp_path / "zero.wav", np.zeros(2 * RATE))) == "silent"
    assert reason(write(tmp_path / "offset.wav", np.full(2 * RATE, 0.03))) == "silent"
    assert reason(write(tmp_path / "short.wav", noise(0.09))) == "too_short"
    assert reason(write(tmp_path / "long.wav", noise(3)), max_duration_s=2) == "too_long"


def test_a_quiet_recording_with_an_offset_is_not_silent(tmp_path):
    assert check_audio(write(tmp_path / "quiet.wav", 0.03 + 0.015 * noise(2))).n_frames == 2 * RATE


def test_impossible_limits_are_refused():
    with pytest.raises(ValueError, match="give 0 <= min < max"):
        AudioChecks(min_duration_s=5, max_duration_s=4)


# Headers that lie ----------------------------------------------------------------------------------


def lying_wav(path: Path, announced: int, rate: int = RATE) -> Path:
    samples = (noise(2) * 32_767).astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    path.write_bytes(
        b"RIFF"
        + struct.pack("<I", 2**31)
        + b"WAVE"
        + form
        + struct.pack("<4sI", b"data", announced)
        + samples
    )
    return path


def lying_flac(path: Path, announced_frames: int) -> Path:
    write(path, noise(2))
    content = bytearray(path.read_bytes())
    fields = int.from_bytes(content[18:26], "big") >> 36 << 36
    content[18:26] = (fields | announced_frames).to_bytes(8, "big")
    path.write_bytes(content)
    return path


def test_a_header_that_claims_hours_costs_no_memory(tmp_path):
    paths = [
        lying_wav(tmp_path / "lie.wav", 2**31 - 2),
        lying_flac(tmp_path / "lie.flac", 20 * 3_600 * RATE),
    ]
    tracemalloc.start()
    for path in paths:
        assert reason(path) == "truncated"
        assert len(load_clip(path, 0, 1)) == RATE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6


def test_a_header_without_a_length_is_believed_as_far_as_the_file_goes(tmp_path):
    assert check_audio(lying_wav(tmp_path / "stream.wav", 2**32 - 1)).duration_s == pytest.approx(2)


@pytest.mark.parametrize("rate", [0, 7, 2_000_000_000])
def test_an_impossible_sample_rate_is_unreadable(tmp_path, rate):
    assert reason(lying_wav(tmp_path / "rate.wav", 2 * 96_000, rate)) in ("unreadable",)


@given(position=st.integers(0, 200), value=st.binary(min_size=1, max_size=8), cut=st.integers(0, 50_000))
def test_whatever_the_bytes_the_answer_is_facts_or_a_reason(tmp_path_factory, position, value, cut):
    folder = tmp_path_factory.mktemp("fuzz")
    path = write(folder / "a.wav", noise(0.25))
    content = bytearray(path.read_bytes())[: len(path.read_bytes()) - cut]
    content[position : position + len(value)] = value
    path.write_bytes(content)
    try:
        check_audio(path, AudioChecks(min_duration_s=0))
    except AudioError as error:
        assert error.reason in reading.REASONS


# Reading a part ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [48_000, 22_050])
def test_a_part_equals_the_same_part_of_the_whole(tmp_path, suffix, rate):
    path = write(tmp_path / f"a.{suffix}", noise(6, rate), rate)
    all_of_it = load_clip(path)
    assert np.array_equal(load_clip(path, 1.5, 4.5), all_of_it[72_000:216_000])
    with AudioReader(path) as reader:
        later = reader.read(150_000, 200_000)
        overlapping = reader.read(120_000, 170_000)
        assert np.array_equal(later, all_of_it[150_000:200_000])
        assert np.array_equal(overlapping, all_of_it[120_000:170_000])


def test_channels_are_averaged(tmp_path):
    both = np.stack([np.full(RATE, 0.5), np.full(RATE, -0.25)], axis=1)
    assert np.allclose(load_clip(write(tmp_path / "a.wav", both)), 0.125, atol=1e-4)


@pytest.mark.parametrize("form", ["wav", "flac", "aiff"])
def test_sixteen_bits_are_the_numbers_that_libsndfile_gives(tmp_path, form):
    values = np.random.default_rng(0).integers(-(2**15), 2**15, (RATE, 2), dtype=np.int16)
    soundfile.write(tmp_path / f"a.{form}", values, RATE, subtype="PCM_16")
    floats, _ = soundfile.read(tmp_path / f"a.{form}", dtype="float32")
    assert np.array_equal(load_clip(tmp_path / f"a.{form}"), floats.mean(axis=1))


def test_the_files_own_rate_can_be_asked_for(tmp_path):
    with AudioReader(write(tmp_path / "a.wav", noise(1, 22_050), 22_050), None) as reader:
        assert reader.sample_rate_hz == 22_050
        assert len(reader.read(0, reader.n_samples)) == 22_050


def test_another_rate_can_be_asked_for(tmp_path):
    assert len(load_clip(write(tmp_path / "a.wav", noise(2)), sample_rate_hz=24_000)) == 48_000


def test_a_part_beyond_the_end_is_an_error(tmp_path):
    path = write(tmp_path / "a.wav", noise(2))
    assert len(load_clip(path, 1, 2.001)) == RATE
    with pytest.raises(AudioError, match=r"up to 4 s was expected; it ends at 2 s"):
        load_clip(path, 1, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["esc10/rooster/1-26806-A.ogg", "field/S4A03895_20190522_000000.flac", "odd/metadata.wav"]
)
def test_the_peer_loads_the_same_samples(shared_data, name):
    peer = pytest.importorskip("birdnet_analyzer.audio")
    path = shared_data / name
    if not path.is_file():
        path = sorted((shared_data / name).parent.glob("*.*"))[0]
    expected, _ = peer.open_audio_file(str(path), RATE, fmin=0, fmax=15_000)
    ours = load_clip(path)
    assert len(ours) == len(expected)
    assert np.abs(ours - expected).max() < 1e-6


# Windows ------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(n=st.integers(1, 40 * 480), overlap=st.integers(0, 29))
def test_windows_are_the_peers(peer_audio, n, overlap):
    rate = 480  # the arithmetic is in samples; a low rate keeps the arrays small
    signal = np.arange(1, n + 1, dtype=np.float64)
    theirs = [int(piece[0]) - 1 for piece in peer_audio.split_signal(signal, rate, 3.0, overlap / 10, 1.0)]
    assert list(window_starts(n, rate, overlap / 10)) == (theirs or [0])


@settings(max_examples=100, deadline=None)
@given(duration_s=st.floats(0.01, 100), overlap=st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5]))
def test_windows_begin_at_zero_move_evenly_and_leave_less_than_a_tail(duration_s, overlap):
    starts = cut_windows(duration_s, overlap)
    assert starts[0] == 0
    assert np.allclose(np.diff(starts), 3 - overlap)
    assert starts[-1] == 0 or duration_s - starts[-1] >= 1 - 1e-3
    assert duration_s - (starts[-1] + 3) < max(1.0, 3 - overlap) + 1e-3


def test_a_signal_shorter_than_a_tail_still_gives_one_window():
    assert cut_windows(0.4).tolist() == [0]
    assert window_starts(0, RATE) == ()


def test_an_overlap_of_a_whole_window_is_refused():
    with pytest.raises(ValueError, match="less than the window's 3 s"):
        cut_windows(10, overlap_s=3)


def test_what_lies_behind_a_short_clip_is_not_resampled(tmp_path, write_tone, monkeypatch):
    path = write_tone(tmp_path / "short.wav", seconds=1.0, rate=44_100)
    with AudioReader(path, 48_000) as reader:
        expected = reader.read(0, reader.n_samples)
    blocks, block = [], Resampler.block
    monkeypatch.setattr(
        Resampler,
        "block",
        lambda self, samples, number: blocks.append(number) or block(self, samples, number),
    )
    assert load_clip(path).tobytes() == expected.tobytes()
    assert blocks == [0, 1, 2]


@pytest.mark.parametrize("value", [3e38, -3e38, 1e10])
def test_finite_and_absurd(tmp_path, value):
    samples = 0.1 * np.sin(np.arange(24_000, dtype=np.float32))
    samples[100] = value
    assert reason(write(tmp_path / "absurd.wav", samples, subtype="FLOAT")) == "not_finite"
    with pytest.raises(AudioError, match="no sound"):
        whole_window(samples, 24_000)


def test_unscaled_integers_in_a_float_file_pass(tmp_path):
    samples = (2.0**31 * np.sin(np.arange(24_000))).astype(np.float32)
    check_audio(write(tmp_path / "unscaled.wav", samples, subtype="FLOAT"))
    whole_window(samples, 24_000)
