"""One sound in a file: what is saved is loaded, to 16 bits."""

import numpy as np
import pytest
from kedro.io import DatasetError

from vernal.audio.reading import Audio
from vernal.datasets.audio_dataset import AudioDataset


@pytest.mark.parametrize("shape", [(4_800,), (4_800, 2)])
def test_round_trip(tmp_path, shape):
    samples = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    dataset = AudioDataset(filepath=str(tmp_path / "a b" / "tone.wav"))
    assert not dataset.exists()
    dataset.save(Audio(samples, 24_000))
    assert dataset.exists()
    loaded = dataset.load()
    assert loaded.sample_rate_hz == 24_000
    assert loaded.samples.shape == shape
    assert np.abs(loaded.samples - samples).max() <= 1 / 32_768 + 1e-7


def test_what_is_too_loud_is_clipped(tmp_path):
    dataset = AudioDataset(filepath=str(tmp_path / "loud.wav"))
    dataset.save(Audio(np.array([3.0, -3.0, 0.0], dtype=np.float32), 48_000))
    assert np.allclose(dataset.load().samples, [1.0, -1.0, 0.0], atol=1e-4)


def test_a_failed_save_keeps_the_file_there_was(tmp_path):
    dataset = AudioDataset(filepath=str(tmp_path / "tone.wav"))
    dataset.save(Audio(np.zeros(10, dtype=np.float32), 48_000))
    before = (tmp_path / "tone.wav").read_bytes()
    with pytest.raises(DatasetError):
        dataset.save(Audio(np.zeros((2, 2, 2), dtype=np.float32), 48_000))
    assert (tmp_path / "tone.wav").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "tone.wav"]
