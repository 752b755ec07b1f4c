"""What BirdNET's own classes are called, and what BirdNET says of a sound by its embedding."""

import numpy as np
import pytest

from vernal.audio.birdnet.model import interpreter, model_path
from vernal.audio.birdnet.own_classes import (
    all_own_logits,
    find_own_class,
    own_classes,
    own_classes_like,
    own_classes_of,
    own_logits,
)
from vernal.audio.encoders.base import get_encoder


@pytest.mark.parametrize(
    "name", ["Ninox boobook_Southern Boobook", "ninox  boobook", "SOUTHERN BOOBOOK", "Southern Boobook"]
)
def test_a_class_is_found_by_either_name(name):
    assert find_own_class(["hoo", name]) == "Ninox boobook_Southern Boobook"


def test_a_name_means_every_class_of_that_name():
    named = [
        [own_classes()[number] for number in own_classes_of(name)]
        for name in ("barn owl", "strix varia", "hoo")
    ]
    assert named == [["Tyto alba_Barn Owl"], ["Strix varia_Barred Owl"], []]


def test_what_could_be_meant_is_named_up_to_five_and_nothing_is_guessed():
    assert find_own_class(["boobook"]) is None
    like = own_classes_like(["boobook"])
    assert len(like) == 5 and "Ninox boobook_Southern Boobook" in like
    assert own_classes_like(["RADR", ""]) == []


def test_scores_are_those_of_birdnet():
    samples = np.random.default_rng(0).normal(0, 0.1, (1, 144_000)).astype("float32")
    model = interpreter(model_path().read_bytes())
    model.set_tensor(model.get_input_details()[0]["index"], samples)
    model.invoke()
    expected = model.get_tensor(model.get_output_details()[0]["index"])[0]
    embedding = get_encoder("birdnet_v2.4").embed(samples)
    for number in (0, int(expected.argmax()), len(expected) - 1):
        assert own_logits(embedding, own_classes()[number]) == pytest.approx(
            expected[number : number + 1], abs=1e-4
        )
    assert len(own_classes()) == 6_522
    assert all_own_logits(np.repeat(embedding, 2, axis=0)) == pytest.approx(
        np.stack([expected, expected]), abs=1e-3
    )
