"""Encoders that are files: BirdNET's own file as a stranger's, ONNX networks made here, and what is wrong with a file."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.onnx_encoders import write_encoder
from tests.small_tflite import small_tflite
from vernal.audio.birdnet import model as birdnet_model
from vernal.audio.encoders import get_encoder, networks
from vernal.audio.encoders.files import EncoderFile
from vernal.audio.encoders.networks import FileEncoder, check_encoder, hear_sounds
from vernal.audio.reading import AudioError
from vernal.common.problems import InputError

BIRDNET = {"name": "mine", "sample_rate_hz": 48_000, "window_s": 3.0, "n_dims": 1_024}


def noise(n_samples: int, n: int = 3) -> np.ndarray:
    return (0.1 * np.random.default_rng(5).standard_normal((n, n_samples))).astype(np.float32)


@pytest.fixture
def onnx_file(tmp_path: Path) -> EncoderFile:
    """A network of one matrix product and a root, 8,000 samples to 12 values."""
    path = write_encoder(tmp_path / "small.onnx", n_samples=8_000, n_dims=12)
    return EncoderFile("small", str(path), sample_rate_hz=16_000, window_s=0.5, n_dims=12, output="embedding")


def changed(one: EncoderFile, /, **values) -> EncoderFile:
    return replace(one, **values)


@pytest.mark.parametrize("output", [birdnet_model.EMBEDDING, "model/GLOBAL_AVG_POOL/Mean"])
def test_birdnets_own_file_gives_the_vectors_of_the_built_in_encoder(output):
    file = EncoderFile(**BIRDNET, file=str(birdnet_model.model_path()), output=output)
    windows = noise(144_000)
    windows[1] += 0.5 * np.sin(np.arange(144_000) / 20).astype(np.float32)
    windows[2, 60_000:] = 0
    difference = np.abs(FileEncoder(file).embed(windows) - get_encoder("birdnet_v2.4").embed(windows)).max()
    assert difference < 1e-4
    assert file.version() == f"sha256-{birdnet_model.model_hash()[:16]}-r1"


def test_its_logits_are_an_encoder_too_and_another_size_is_told():
    file = EncoderFile(**BIRDNET | {"n_dims": 6_522}, file=str(birdnet_model.model_path()))
    assert FileEncoder(file).embed(noise(144_000, 1)).shape == (1, 6_522)
    with pytest.raises(
        InputError, match=r"its output 1x6522 does not end in n_dims, 1024, values\. Set n_dims"
    ):
        hear_sounds(EncoderFile(**BIRDNET, file=str(birdnet_model.model_path())))


def test_an_onnx_network_is_its_arithmetic(onnx_file):
    from onnx import load_model, numpy_helper

    (weights,) = (numpy_helper.to_array(one) for one in load_model(onnx_file.file).graph.initializer)
    windows = noise(8_000)
    hear_sounds(onnx_file)
    vectors = get_encoder(onnx_file).embed(windows)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, np.abs(windows @ weights), atol=1e-5)
    scaled = FileEncoder(changed(onnx_file, scale=32_768.0)).embed(windows)
    assert np.allclose(scaled, 32_768 * vectors, rtol=1e-4)


def test_a_window_alone_equals_the_window_among_others(onnx_file):
    encoder, windows = FileEncoder(onnx_file), noise(8_000, 4)
    assert np.array_equal(encoder.embed(windows)[2:3], encoder.embed(windows[2:3]))
    assert encoder.embed(windows[:0]).shape == (0, 12)


@pytest.mark.parametrize("shape", [[1, 8_000], ["batch", "samples"], ["samples"], ["batch", 1, 8_000]])
def test_samples_are_given_in_the_shape_that_the_network_takes(tmp_path, onnx_file, shape):
    path = write_encoder(tmp_path / "shaped.onnx", n_samples=8_000, n_dims=12, shape=shape)
    windows = noise(8_000)
    assert np.array_equal(
        FileEncoder(changed(onnx_file, file=str(path))).embed(windows), FileEncoder(onnx_file).embed(windows)
    )


def test_an_output_of_several_rows_is_averaged(tmp_path, onnx_file):
    path = write_encoder(tmp_path / "rows.onnx", n_samples=8_000, n_dims=12)
    whole = FileEncoder(changed(onnx_file, file=str(path))).embed(noise(8_000))
    rows = FileEncoder(changed(onnx_file, file=str(path), n_dims=6, output="rows")).embed(noise(8_000))
    assert np.allclose(rows, whole.reshape(3, 2, 6).mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("made", "said", "words"),
    [
        ({}, {"window_s": 1.0}, r"it takes 8,000 samples a window; 1 s at 16,000 Hz are 16,000\. Set window_s and sample_"),
        ({}, {"sample_rate_hz": 48_000}, r"it takes 8,000 samples a window; 0\.5 s at 48,000 Hz are 24,000"),
        ({}, {"n_dims": 11}, r"its output 1x12 does not end in n_dims, 11, values"),
        ({}, {"output": "vector"}, r"output is 'vector'; its outputs are embedding \(1x12\), rows \(2x6\)"),
        ({}, {"output": ""}, r"none is named; its outputs are embedding"),
        ({"nan_above": 0.0}, {}, r"gives values that are not finite \(NaN or infinite\)"),
        ({"gain": 0.0}, {}, r"it gives the same values for noise, silence and a loud tone"),
        ({"is_double": True}, {}, r"it takes samples \(1x8000\); an encoder takes samples alone, as 32-bit floats"),
        ({}, {"sha256": "0" * 64}, r"its sha256 is [0-9a-f]{64}, and sha256 is 0{64}: it is another file"),
    ],
)  # fmt: skip
def test_what_is_not_as_described_is_told_in_one_message(tmp_path, onnx_file, made, said, words):
    path = write_encoder(tmp_path / "other.onnx", n_samples=8_000, n_dims=12, **made)
    file = changed(onnx_file, file=str(path), **said)
    with pytest.raises(InputError, match=words) as told:
        hear_sounds(file)
    assert str(told.value).startswith("The encoder small (other.onnx) cannot be used: ")
    assert str(told.value).endswith("(encoders.small).")


@pytest.mark.parametrize("name", ["broken.onnx", "broken.tflite"])
def test_a_file_that_is_no_network_is_told(tmp_path, onnx_file, name):
    (tmp_path / name).write_bytes(b"no network at all" * 100)
    with pytest.raises(
        InputError, match=rf"The encoder small \({name}\) cannot be used: it is no (ONNX|TFLite) file"
    ):
        hear_sounds(changed(onnx_file, file=str(tmp_path / name)))


def test_a_tensor_that_the_file_does_not_have_is_told():
    for output, words in (
        (100_000, "output is 100000, and its tensors are 0 to 5"),
        ("Meen", "it has no tensor 'Meen'"),
    ):
        with pytest.raises(InputError, match=words):
            hear_sounds(EncoderFile(**BIRDNET, file=str(birdnet_model.model_path()), output=output))


def test_sound_that_a_network_fails_on_is_told_as_any_sound_that_cannot_be_used(tmp_path, onnx_file):
    path = write_encoder(tmp_path / "loud.onnx", n_samples=8_000, n_dims=12, nan_above=1e4)
    encoder = FileEncoder(changed(onnx_file, file=str(path)))
    assert np.isfinite(encoder.embed(noise(8_000))).all()
    with pytest.raises(AudioError, match="the encoder small gives values that are not finite for it"):
        encoder.embed(1e6 * noise(8_000))


# Files that may be anybody's ------------------------------------------------------------------------


@pytest.fixture
def head(tmp_path: Path) -> EncoderFile:
    """A network in a TFLite file: 1,024 samples to two values."""
    (tmp_path / "head.tflite").write_bytes(small_tflite())
    return EncoderFile("head", str(tmp_path / "head.tflite"), sample_rate_hz=1_024, window_s=1.0, n_dims=2)


def test_values_whose_difference_is_no_float_are_no_fault(head, monkeypatch):
    far = np.array([[3e38, 1], [-3e38, 1], [0, 1]], dtype=np.float32)
    monkeypatch.setattr(FileEncoder, "embed", lambda encoder, windows: far)
    hear_sounds(head)


def die(file: EncoderFile) -> None:
    os._exit(7)


def want_much(file: EncoderFile) -> None:
    np.ones(2**29, dtype=np.uint8)


@pytest.mark.processes
def test_a_file_is_heard_in_a_process_of_its_own_which_alone_may_end(head, monkeypatch):
    check_encoder(head)
    hear_sounds(head)
    with pytest.raises(InputError, match=r"its output 1x2 does not end in n_dims, 3"):
        check_encoder(changed(head, n_dims=3))
    monkeypatch.setattr(networks, "hear_sounds", die)
    with pytest.raises(
        InputError,
        match=r"^The encoder head \(head\.tflite\) cannot be used: the process that opened it ended "
        r"\(exit code 7\), so it is damaged or made to do harm\. Take the file from its makers",
    ):
        check_encoder(changed(head, licence="other"))
    monkeypatch.setattr(networks, "hear_sounds", want_much)
    monkeypatch.setattr(networks, "_MEMORY_MB", 400.0)
    with pytest.raises(InputError, match="it takes far more memory than its size explains"):
        check_encoder(changed(head, licence="third"))


def test_a_graph_that_feeds_itself_is_refused_before_it_is_opened(head, monkeypatch):
    Path(head.file).write_bytes(small_tflite(feeds_itself=True))
    monkeypatch.setattr(networks, "tflite_interpreter", lambda content: pytest.fail("it was opened"))
    with pytest.raises(InputError, match=r"head\.tflite\) cannot be used: .*so the graph feeds itself"):
        hear_sounds(head)
