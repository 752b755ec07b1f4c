"""What the package `birdnet` has to be told of a classifier flags there what is flagged here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.field.export.birdnet_package import MOST_LOGIT, predict_settings, said_threshold


@given(st.floats(-MOST_LOGIT, MOST_LOGIT))
def test_a_threshold_is_rounded_down_and_hardly(logit: float):
    said, confidence = said_threshold(logit), float(expit(logit))
    assert said <= confidence and confidence - said <= 1.1e-5 * min(confidence, 1 - confidence)
    assert np.float32(said) <= np.float32(confidence)  # the package compares in single precision


def test_no_logit_is_too_far_to_be_said():
    lowest, highest = (float(expit(side * MOST_LOGIT)) for side in (-1, 1))
    for logit in (16.0, 30.0, 740.0, 1_000.0):
        assert 0 < said_threshold(-logit) < lowest and np.float32(said_threshold(logit)) > np.float32(highest)


def test_of_one_label_everything_is_set_that_its_defaults_get_wrong():
    audio = EmbeddingOptions(fmin=200, overlap=1.5)
    assert predict_settings(audio, 1.1, {"frog": -1.0}) == {
        "top_k": 1,
        "overlap_duration_s": 1.5,
        "bandpass_fmin": 200,
        "bandpass_fmax": 15_000,
        "apply_sigmoid": True,
        "sigmoid_sensitivity": 1.1,
        "default_confidence_threshold": 0.268941,
    }


@pytest.mark.parametrize(
    ("thresholds", "default", "own"),
    [
        ({"frog": None}, None, None),
        ({"frog": None, "owl": None}, None, None),
        ({"frog": 0.0, "owl": None, "fox": -1.0}, 0.268941, {"frog": 0.5, "fox": 0.268941}),
    ],
)
def test_each_label_has_its_own_threshold(thresholds, default, own):
    settings = predict_settings(EmbeddingOptions(), 1.0, thresholds)
    assert settings["top_k"] == len(thresholds)
    assert settings["default_confidence_threshold"] == default
    assert settings.get("custom_confidence_thresholds") == own
