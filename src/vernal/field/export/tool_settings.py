"""An operating point said in BirdNET-Analyzer's settings: minimum confidence and sensitivity.

The program adds (sensitivity - 1) x 10 to a logit, applies the sigmoid, drops what is below the minimum
confidence, and writes four decimals. On its command line the minimum is held between 0.00001 and 0.99; in its
window it moves in steps of 0.05, and sensitivity in steps of 0.01.
"""

import math
from dataclasses import dataclass

import numpy as np

from vernal.clips.mining import logit_of
from vernal.training.scoring import SENSITIVITY_SHIFT, shift_of

MIN_CONF = (1e-5, 0.99)
SENSITIVITY = (0.5, 1.5)
# Where four decimals still tell scores apart well.
_COMFORTABLE = (0.01, 0.99)
_DECIMALS = 4
_WINDOW_CONFIDENCES = np.round(np.arange(0.05, 0.951, 0.05), 2)
# In its window a folder's sensitivity is held to this range.
_WINDOW_SENSITIVITIES = np.round(np.arange(0.75, 1.251, 0.01), 2)


@dataclass(frozen=True)
class ToolThreshold:
    """What to set in BirdNET-Analyzer.

    `min_conf`, `sensitivity`: for its command line. `is_exact`: whether these flag what the operating point flags
    (but for scores within the last digit); if not, `note` says what happens instead. `shift`: how far logits as
    the program sees them lie above those of the point. `logit`: the point's logit that the settings amount to.
    """

    min_conf: float
    sensitivity: float
    is_exact: bool
    shift: float
    logit: float
    note: str


def express_threshold(logit: float, sensitivity: float = 1.0) -> ToolThreshold:
    """Say a threshold in BirdNET-Analyzer's terms.

    Args:
        logit: flagged from here on; `sensitivity` is already in it, as in `points.csv`.
        sensitivity: of the point; kept if the program can say the threshold with it.

    >>> express_threshold(-1.0).min_conf
    0.2689
    """
    from scipy.special import expit

    candidates = [(sensitivity, MIN_CONF)]
    candidates += [(setting, span) for span in (_COMFORTABLE, MIN_CONF) for setting in _others(sensitivity)]
    for setting, (lowest, highest) in candidates:
        shift = shift_of(setting) - shift_of(sensitivity)
        confidence = float(expit(logit + shift))
        if lowest <= confidence <= highest:
            return _said(confidence, setting, shift, sensitivity)
    return _not_said(logit, sensitivity)


def _others(own: float) -> list[float]:
    """Other sensitivities, those nearest to the point's own first."""
    steps = [round(float(step), 2) for step in np.arange(SENSITIVITY[0], SENSITIVITY[1] + 1e-9, 0.05)]
    return sorted((step for step in steps if step != own), key=lambda step: (abs(step - own), step))


def _said(confidence: float, setting: float, shift: float, own: float) -> ToolThreshold:
    # Rounded down, so that no clip at the threshold is lost by rounding.
    decimals = max(_DECIMALS, 2 - math.floor(math.log10(confidence)))
    min_conf = max(math.floor(confidence * 10**decimals) / 10**decimals, MIN_CONF[0])
    note = ""
    if setting != own:
        note = (
            f"With sensitivity {own:g} the threshold lies outside what a minimum confidence can say "
            f"({MIN_CONF[0]:g} to {MIN_CONF[1]:g}). With sensitivity {setting:g} it lies inside; every confidence "
            f"that the program shows is then moved by {shift:+g} on the logit scale."
        )
    return ToolThreshold(min_conf, setting, True, shift, logit_of(min_conf) - shift, note)


def _not_said(logit: float, own: float) -> ToolThreshold:
    setting, min_conf = (SENSITIVITY[0], MIN_CONF[1]) if logit > 0 else (SENSITIVITY[1], MIN_CONF[0])
    shift = shift_of(setting) - shift_of(own)
    reached = logit_of(min_conf) - shift
    more = "more" if reached < logit else "fewer"
    note = (
        f"BirdNET-Analyzer cannot say this threshold (logit {logit:.4g}): the nearest that sensitivity and minimum "
        f"confidence reach is logit {reached:.4g}, which flags {more} clips. Use Vernal's own detection, or a point "
        "with a threshold in reach."
    )
    return ToolThreshold(min_conf, setting, False, shift, reached, note)


@dataclass(frozen=True)
class WindowSliders:
    """The nearest positions of the sliders in the program's window, and the point's logit they amount to."""

    min_conf: float
    sensitivity: float
    logit: float


def nearest_sliders(logit: float, sensitivity: float = 1.0) -> WindowSliders:
    """The positions whose threshold is nearest, in steps of 0.05 on the logit scale; then those whose sensitivity is.

    >>> nearest_sliders(0.0)
    WindowSliders(min_conf=0.5, sensitivity=1.0, logit=0.0)
    """
    shifts = (_WINDOW_SENSITIVITIES - sensitivity) * SENSITIVITY_SHIFT
    reached = np.log(_WINDOW_CONFIDENCES / (1 - _WINDOW_CONFIDENCES))[:, None] - shifts[None, :]
    off = np.floor(np.abs(reached - logit) / 0.05)
    farness = np.broadcast_to(np.abs(_WINDOW_SENSITIVITIES - sensitivity)[None, :], off.shape)
    row, column = np.unravel_index(np.lexsort((farness.ravel(), off.ravel()))[0], off.shape)
    return WindowSliders(
        float(_WINDOW_CONFIDENCES[row]),
        float(_WINDOW_SENSITIVITIES[column]),
        round(float(reached[row, column]), 4) + 0.0,
    )
