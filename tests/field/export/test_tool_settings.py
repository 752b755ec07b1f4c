"""An operating point in BirdNET-Analyzer's terms flags the same clips there."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.field.export.tool_settings import MIN_CONF, SENSITIVITY, express_threshold, nearest_sliders

SENSITIVITIES = st.integers(50, 150).map(lambda n: n / 100)


def flagged(raw: np.ndarray, min_conf: float, sensitivity: float) -> np.ndarray:
    """What the program does: `birdnet_analyzer.model.flat_sigmoid` and the minimum confidence."""
    return 1 / (1.0 + np.exp(-np.clip(raw + (sensitivity - 1.0) * 10.0, -20, 20))) >= min_conf


@given(st.floats(-30, 30), SENSITIVITIES)
def test_the_settings_flag_what_the_point_flags(logit: float, sensitivity: float):
    said = express_threshold(logit, sensitivity)
    assert SENSITIVITY[0] <= said.sensitivity <= SENSITIVITY[1]
    assert MIN_CONF[0] <= said.min_conf <= MIN_CONF[1]
    raw = logit - (sensitivity - 1) * 10
    if said.is_exact:
        # Everything at the threshold or above is flagged, and nothing below the last digit.
        clips = np.array([raw, raw + 0.5, raw - 0.02])
        assert flagged(clips, said.min_conf, said.sensitivity).tolist() == [True, True, False]
        assert -0.02 < said.logit - logit <= 1e-9
    else:
        assert "cannot say this threshold" in said.note
        assert abs(said.logit - logit) > 0


@given(st.floats(-4.5, 4.5), SENSITIVITIES)
def test_a_threshold_in_reach_keeps_the_points_own_sensitivity(logit: float, sensitivity: float):
    said = express_threshold(logit, sensitivity)
    assert said.is_exact
    assert said.sensitivity == sensitivity
    assert said.note == ""
    assert 0 <= 1 / (1 + math.exp(-logit)) - said.min_conf < 1.01e-4


@pytest.mark.parametrize(
    ("logit", "sensitivity", "min_conf", "own", "words"),
    [
        (-1.0, 1.0, 0.2689, 1.0, ""),
        (-8.0, 1.0, 0.000335, 1.0, ""),
        (6.0, 1.0, 0.989, 0.85, r"moved by -1.5 on the logit scale"),
        (-12.0, 0.5, 0.0109, 1.25, r"moved by \+7.5"),
        (12.0, 1.0, 0.99, 0.5, "flags more clips"),
        (-17.0, 1.0, 1e-5, 1.5, "flags fewer clips"),
    ],
)
def test_golden_settings(logit: float, sensitivity: float, min_conf: float, own: float, words: str):
    said = express_threshold(logit, sensitivity)
    assert said.min_conf == pytest.approx(min_conf, rel=1e-9)
    assert said.sensitivity == own
    assert re.search(words, said.note)


@given(st.floats(-4, 4))
def test_sliders_stand_on_their_steps_and_come_near(logit: float):
    sliders = nearest_sliders(logit)
    assert round(sliders.min_conf * 20, 6) % 1 == 0
    assert 0.75 <= sliders.sensitivity <= 1.25
    assert abs(sliders.logit - logit) < 0.06
    reached = math.log(sliders.min_conf / (1 - sliders.min_conf)) - (sliders.sensitivity - 1) * 10
    assert sliders.logit == pytest.approx(reached, abs=1e-3)
