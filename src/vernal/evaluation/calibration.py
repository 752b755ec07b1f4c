"""Scores turned into probabilities, fitted on validation and judged on the test splits.

A detector's `sigmoid(logit)` is a number, not a probability. Platt's line and isotonic steps, both fitted on
the validation split, make it one - for places where positives are as common as there.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from vernal.evaluation.metrics import FloatArray, checked

METHODS = ("none", "platt", "isotonic")


def sigmoid(logit: ArrayLike) -> FloatArray:
    """`1 / (1 + exp(-logit))`, in (0, 1), without overflow.

    `scipy.special.expit` rounds one value in four otherwise, in the last bit; tables of earlier runs hold these bits.

    >>> sigmoid([0.0, -1000.0]).tolist()
    [0.5, 0.0]
    """
    values = np.asarray(logit, dtype=float)
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + small), small / (1 + small))


@dataclass(frozen=True)
class Calibration:
    """A fitted map from logit to probability; plain numbers, so that it can be kept beside a model.

    `none`: the sigmoid. `platt`: sigmoid of `slope * logit + offset`. `isotonic`: straight lines between
    (`logits`, `probabilities`), flat outside.
    """

    method: str
    slope: float = 1.0
    offset: float = 0.0
    logits: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()

    def __call__(self, logit: ArrayLike) -> FloatArray:
        """Probability of each logit; never falls as the logit rises."""
        values = np.asarray(logit, dtype=float)
        if self.method == "isotonic":
            return np.interp(values, self.logits, self.probabilities)
        return sigmoid(self.slope * values + self.offset)


def fit(scores: ArrayLike, is_positive: ArrayLike, method: str = "platt") -> Calibration:
    """Fit on the validation split.

    Platt's targets are `(n+ + 1) / (n+ + 2)` and `1 / (n- + 2)` in place of 1 and 0, so that separable scores
    give a finite slope; a slope below 0 (scores that rank backwards) becomes 0.

    Raises:
        ValueError: an unknown method, or only one class.
    """
    values, truth = checked(scores, is_positive)
    if method not in METHODS:
        raise ValueError(f"calibration method is {method!r}; give one of {', '.join(METHODS)}")
    if not truth.any() or truth.all():
        raise ValueError(
            f"calibration needs both classes; {truth.sum():,} of {truth.size:,} units are positive"
        )
    if method == "none":
        return Calibration("none")
    if method == "platt":
        return _platt(values, truth)
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(values, truth.astype(float))
    return Calibration(
        "isotonic",
        logits=tuple(fitted.X_thresholds_.tolist()),
        probabilities=tuple(fitted.y_thresholds_.tolist()),
    )


def _platt(values: FloatArray, truth: np.ndarray) -> Calibration:
    """Newton steps with halving. Source: Lin, Lin & Weng (2007), doi:10.1007/s10994-007-5018-6."""
    n_positive, n_negative = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    z = (values - centre) / scale
    design = np.column_stack([z, np.ones_like(z)])

    def loss(w: FloatArray) -> float:
        line = design @ w
        return float((np.logaddexp(0, line) - target * line).sum())

    weights = np.array([0.0, np.log((n_positive + 1) / (n_negative + 1))])
    current = loss(weights)
    for _ in range(100):
        probability = sigmoid(design @ weights)
        slope = design.T @ (probability - target)
        curve = (design * (probability * (1 - probability))[:, None]).T @ design + 1e-10 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while size > 1e-10 and loss(weights - size * step) > current:
            size /= 2
        weights = weights - size * step
        previous, current = current, loss(weights)
        if abs(previous - current) <= 1e-12 * (1 + abs(current)):
            break
    if weights[0] < 0:
        return Calibration("platt", 0.0, float(np.log((n_positive + 1) / (n_negative + 1))))
    return Calibration("platt", float(weights[0] / scale), float(weights[1] - weights[0] * centre / scale))


def reliability(probability: ArrayLike, is_positive: ArrayLike, n_bins: int = 10) -> pd.DataFrame:
    """How often what was called p came true, in bins of equal count.

    Equal probabilities stay in one bin, so there may be fewer bins than asked.

    Returns:
        `bin, n, low, high` (range of probability), `mean_probability`, `observed` (share of positives).
    """
    values, truth = checked(probability, is_positive)
    columns = ["bin", "n", "low", "high", "mean_probability", "observed"]
    if not values.size:
        return pd.DataFrame(columns=columns)
    bins = _bins(values, truth, n_bins)
    inside = [values[bins.code == code] for code in range(bins.n.size)]
    table = {
        "bin": np.arange(1, bins.n.size + 1),
        "n": bins.n,
        "low": [part.min() for part in inside],
        "high": [part.max() for part in inside],
        "mean_probability": bins.mean_probability,
        "observed": bins.observed,
    }
    return pd.DataFrame(table, columns=columns)


class _Bins(NamedTuple):
    """The bin of each unit, `code` (n,), and of each bin its size, mean probability and share of positives."""

    code: np.ndarray
    n: np.ndarray
    mean_probability: FloatArray
    observed: FloatArray


def _bins(values: FloatArray, truth: np.ndarray, n_bins: int) -> _Bins:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)[1:-1], method="lower"))
    _, code = np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)
    n = np.bincount(code)
    return _Bins(code, n, np.bincount(code, weights=values) / n, np.bincount(code, weights=truth) / n)


def calibration_errors(probability: ArrayLike, is_positive: ArrayLike, n_bins: int = 10) -> dict[str, float]:
    """`brier`, the mean squared error, and `ece`, the mean gap in `reliability` by count; NaN of nothing.

    >>> calibration_errors([0.5, 0.5], np.array([True, False]))
    {'brier': 0.25, 'ece': 0.0}
    """
    values, truth = checked(probability, is_positive)
    if not values.size:
        return {"brier": float("nan"), "ece": float("nan")}
    bins = _bins(values, truth, n_bins)
    gap = np.abs(bins.mean_probability - bins.observed)
    return {"brier": float(np.mean((values - truth) ** 2)), "ece": float((gap * bins.n).sum() / values.size)}
