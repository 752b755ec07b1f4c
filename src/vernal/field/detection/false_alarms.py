"""How many false alarms the classifier gives by itself: its measured rate, laid on as much sound as was heard.

A rate is a count of labelled clips. It is carried with its interval, as none of 88 is not none of a season.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vernal.evaluation.proportions import BOUND, exact_interval
from vernal.field.detection.classifier import Classifier

# Clips from other sites than training's come closest to a new season.
_SPLITS = ("test_ood", "test_iid", "val")
ENDS = ("", "_low", "_high")


@dataclass(frozen=True)
class FalseAlarmRate:
    """`n_flagged` of the `n_negative` clips without the target in `split` were flagged."""

    split: str
    n_flagged: int
    n_negative: int

    @property
    def rates(self) -> tuple[float, float, float]:
        """The rate, and the ends of its interval (see `exact_interval`)."""
        return (self.n_flagged / self.n_negative, *exact_interval(self.n_flagged, self.n_negative))

    def most_flagged(self, n_windows: int) -> int:
        """Flagged windows without the target that are still plausible: the rate at its upper end, and chance."""
        from scipy.stats import binom

        return int(binom.ppf(BOUND, n_windows, self.rates[2]))


def measured_rate(classifier: Classifier) -> FalseAlarmRate | None:
    """The classifier's rate on the labelled clips most like a new season.

    None where the run's threshold, band or sensitivity is not the classifier's own, where it tells several classes
    apart, or where its results do not say how many clips were counted (an export of an earlier version).
    """
    if not classifier.has_own_threshold or len(classifier.labels) > 1:
        return None
    return _rate_of(classifier.results)


def measured_rates(classifier: Classifier) -> dict[str, FalseAlarmRate]:
    """The rate of each label that has one: of its own point, where several were merged (see `measured_rate`)."""
    if not classifier.of_labels:
        rate = measured_rate(classifier)
        return {} if rate is None else {classifier.labels[0]: rate}
    if not classifier.has_own_threshold:
        return {}
    found = {
        label: _rate_of(own.results)
        for label, own in zip(classifier.labels, classifier.of_labels, strict=True)
    }
    return {label: rate for label, rate in found.items() if rate is not None}


def measured_precision(classifier: Classifier) -> float:
    """Precision on the labelled clips most like a new season: test clips, where any were flagged, before validation.

    NaN where the run's threshold, band or sensitivity is not the classifier's own, or nothing was flagged.
    """
    if not classifier.has_own_threshold:
        return np.nan
    known = (classifier.results.get(f"{split}_precision", np.nan) for split in _SPLITS)
    return next((value for value in known if np.isfinite(value)), np.nan)


def _rate_of(results: Mapping[str, float]) -> FalseAlarmRate | None:
    for split in _SPLITS:
        counts = [results.get(f"{split}_{name}", np.nan) for name in ("fp", "n_negative")]
        if np.isfinite(counts).all() and counts[1] > 0:
            return FalseAlarmRate(split, int(counts[0]), int(counts[1]))
    return None


def chance_of_any(rate: float | np.ndarray, n_windows: np.ndarray) -> np.ndarray:
    """Chance that at least one of some windows is flagged, as if each were by itself.

    >>> chance_of_any(0.5, np.array([0, 2])).tolist()
    [0.0, 0.75]
    """
    return 1 - (1 - rate) ** np.asarray(n_windows, dtype=float)
