import itertools

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.studies.features.options import FEATURES, FeatureOptions, Kind, kinds_of
from vernal.studies.features.spectral import beat_frames, beat_synced, sequences, whole_hops

LAB = FeatureOptions()
ALL = [
    Kind(feature, sync) for feature in ("mel", "chroma", "pcen", "mfcc") for sync in ("raw", "beat_synced")
]


@pytest.fixture
def whole(pulses):
    """Sound of a whole number of hops, as librosa takes it without a started one."""
    return whole_hops(pulses(3.0), LAB)


def test_the_labs_shapes_hold_for_thirty_seconds():
    found = sequences(
        np.zeros(30 * 22_050, np.float32) + 0.01, [Kind("mel", "raw"), Kind("chroma", "raw")], LAB
    )
    assert found[Kind("mel", "raw")].shape == (1293, 128)
    assert found[Kind("chroma", "raw")].shape == (1293, 12)


def test_thirty_seconds_at_120_beats_have_about_sixty_rows(pulses):
    found = sequences(pulses(30.0, 120), [Kind("mel", "beat_synced"), Kind("chroma", "beat_synced")], LAB)
    rows = {len(sequence) for sequence in found.values()}
    assert len(rows) == 1
    assert 57 <= rows.pop() <= 62


def test_values_are_librosas(whole):
    found = sequences(whole, ALL, LAB)
    power = librosa.feature.melspectrogram(y=whole, sr=22_050, n_fft=2_048, hop_length=512, n_mels=128)
    level = librosa.feature.melspectrogram(
        y=whole, sr=22_050, n_fft=2_048, hop_length=512, n_mels=128, power=1.0
    )
    expected = {
        "mel": librosa.power_to_db(power),
        "chroma": librosa.feature.chroma_stft(y=whole, sr=22_050, n_fft=2_048, hop_length=512),
        "pcen": librosa.pcen(level * 2**31, sr=22_050, hop_length=512),
        "mfcc": librosa.feature.mfcc(y=whole, sr=22_050, n_fft=2_048, hop_length=512, n_mfcc=20),
    }
    _, beats = librosa.beat.beat_track(y=whole, sr=22_050, hop_length=512)
    assert len(beats) >= 3
    for name, values in expected.items():
        np.testing.assert_allclose(found[Kind(name, "raw")], values.T, rtol=2e-4, atol=2e-4, err_msg=name)
        synced = librosa.util.sync(values, beats, aggregate=np.median).T
        np.testing.assert_allclose(
            found[Kind(name, "beat_synced")], synced, rtol=2e-4, atol=2e-4, err_msg=name
        )


def test_a_started_hop_has_its_frame_and_changes_no_other(pulses):
    sound = pulses(2.0)[:-100]
    ours = sequences(sound, [Kind("pcen", "raw"), Kind("mfcc", "raw")], LAB)
    level = librosa.feature.melspectrogram(y=sound, sr=22_050, power=1.0)
    theirs = librosa.pcen(level * 2**31, sr=22_050).T
    assert len(ours[Kind("pcen", "raw")]) == len(theirs) + 1
    np.testing.assert_allclose(ours[Kind("pcen", "raw")][:-1], theirs, rtol=2e-4, atol=2e-4)


def test_golden_values_of_a_tone():
    t = np.arange(22_050) / 22_050
    found = sequences(
        np.sin(2 * np.pi * 440 * t).astype(np.float32), [Kind("mel", "raw"), Kind("chroma", "raw")], LAB
    )
    mel, chroma = found[Kind("mel", "raw")], found[Kind("chroma", "raw")]
    assert set(chroma[5:-5].argmax(axis=1)) == {9}  # A
    assert set(mel[5:-5].argmax(axis=1)) == {int(mel[20].argmax())}
    centres = librosa.mel_frequencies(130, fmax=11_025)[1:-1]
    assert abs(centres[mel[20].argmax()] - 440) < 30
    assert mel.max() - mel.min() == pytest.approx(80.0, abs=0.01)


def test_silence_has_no_beat_and_stays_finite():
    found = sequences(np.zeros(22_050, np.float32), ALL, LAB)
    assert all(np.isfinite(sequence).all() for sequence in found.values())
    assert len(found[Kind("mel", "beat_synced")]) == 1


@pytest.mark.parametrize("n", [1, 100, 2_047, 2_049])
def test_very_short_sound_still_has_rows(n):
    found = sequences(np.full(n, 0.1, np.float32), ALL, LAB)
    assert all(len(sequence) >= 1 and np.isfinite(sequence).all() for sequence in found.values())


def test_sound_that_is_no_sound_is_refused():
    with pytest.raises(ValueError, match="finite"):
        whole_hops(np.array([0.0, np.nan]), LAB)
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        whole_hops(np.empty(0), LAB)


@given(st.lists(st.integers(0, 30), unique=True), st.integers(1, 30), st.sampled_from(["median", "mean"]))
def test_a_row_a_beat_each_the_aggregate_of_its_frames(beats, n_rows, statistic):
    rng = np.random.default_rng(n_rows)
    sequence = rng.standard_normal((n_rows, 2)).astype(np.float32)
    inside = sorted(beat for beat in beats if beat < n_rows)
    edges = sorted({0, *inside, n_rows})
    synced = beat_synced(sequence, np.array(inside, dtype=int), statistic)
    expected = [getattr(np, statistic)(sequence[a:b], axis=0) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(synced, np.array(expected), rtol=1e-5, atol=1e-6)


def test_beats_are_found_at_the_tempo(pulses):
    beats = beat_frames(whole_hops(pulses(10.0, 100), LAB), LAB)
    assert np.median(np.diff(beats)) * 512 / 22_050 == pytest.approx(0.6, abs=0.03)


def test_what_a_sequence_depends_on_names_its_place():
    ids = {LAB.settings_id(kind) for kind in ALL}
    assert len(ids) == len(ALL)
    mean, louder = FeatureOptions(beat_statistic="mean"), FeatureOptions(n_chroma=24)
    assert mean.settings_id(Kind("mel", "raw")) == LAB.settings_id(Kind("mel", "raw"))
    assert mean.settings_id(Kind("mel", "beat_synced")) != LAB.settings_id(Kind("mel", "beat_synced"))
    assert louder.settings_id(Kind("mel", "raw")) == LAB.settings_id(Kind("mel", "raw"))
    assert louder.settings_id(Kind("chroma", "raw")) != LAB.settings_id(Kind("chroma", "raw"))


def test_every_feature_is_made_of_stored_ones():
    assert [LAB.n_dims(feature) for feature in FEATURES] == [128, 12, 128, 20, 140]
    assert all(kind in ALL for feature in FEATURES for kind in kinds_of(feature, "raw"))


def test_settings_out_of_range_are_all_named():
    with pytest.raises(InputError, match=r"(?s)hop is 0.*n_mels is '128'"):
        FeatureOptions(hop=0, n_mels="128")
    with pytest.raises(InputError, match="beat_statistic is 'mode'"):
        FeatureOptions(beat_statistic="mode")
    with pytest.raises(InputError, match="sound between frames is lost"):
        FeatureOptions(hop=4096)
