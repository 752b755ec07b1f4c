"""Thresholds chosen once, on validation, by a declared goal, and then left alone.

An operating point is a logit with the precision and recall it gave where it was chosen. It is applied
unchanged to the test splits; what a threshold picked on the test split itself would have gained is reported
as optimism, never used. A goal that no threshold reaches falls back to the nearest and says so. Where validation
lacks a class nothing can be chosen, so there is no threshold. A goal that one clip more on the wrong side would miss,
where none is, cannot be told to be reached.

Every threshold between two neighbouring scores parts validation alike. The highest of them is the lowest score that is
flagged: with few positives it misses most calls of other nights, as new clips lie on both sides of it. So `best_f1` and
`recall` go half way to the next lower score; goals that limit false alarms keep the highest, which flags fewest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from vernal.common.settings import Number, PositiveNumber, one_of, settings
from vernal.evaluation import metrics
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.coverage import VALIDATION
from vernal.evaluation.metrics import Counts

GOALS = ("best_f1", "precision", "recall", "review_minutes")
SECONDS_PER_REVIEW = 3.0
CLIPS_PER_NIGHT = 14_400.0  # of three seconds in twelve hours


@settings()
class Goal:
    """What a threshold is chosen for.

    `kind` is `best_f1`; `precision` or `recall` with a floor in (0, 1] as `value`; or `review_minutes` with a
    budget of minutes a night as `value`. The budget needs `clips_per_night`, the negative clips a recorder
    makes in a night (14,400 are twelve hours), and `seconds_per_clip`, the time to check one flagged clip.
    """

    kind: Annotated[str, one_of(GOALS)] = "best_f1"
    value: Number | None = None
    clips_per_night: PositiveNumber = CLIPS_PER_NIGHT
    seconds_per_clip: Annotated[Number, Field(gt=0, description="seconds")] = SECONDS_PER_REVIEW

    def __post_init__(self) -> None:
        if self.kind in ("precision", "recall") and not (self.value is not None and 0 < self.value <= 1):
            raise ValueError(
                f"the goal {self.kind!r} has value {self.value}; give its floor, above 0 and up to 1"
            )
        if self.kind == "review_minutes" and not (self.value is not None and self.value >= 0):
            raise ValueError(
                f"the goal 'review_minutes' has value {self.value}; give minutes a night, 0 or more"
            )

    @property
    def asked(self) -> float:
        """The floor or budget; NaN for a goal that has none."""
        return float("nan") if self.value is None else self.value

    def value_at(self, at: Mapping[str, float]) -> float:
        """What the goal is about, from `f1, precision, recall, fpr` at a threshold; minutes of review a night."""
        if self.kind == "review_minutes":
            return float(review_minutes(at["fpr"], self.clips_per_night, self.seconds_per_clip))
        return at["f1" if self.kind == "best_f1" else self.kind]

    def is_reached(self, at: Mapping[str, float]) -> bool | None:
        """Whether a threshold with so many `tp, fp, fn, tn`, and their rates, reaches the floor or budget.

        None where the clips at hand cannot tell: none of them is wrong in what the goal limits (a false alarm, or for
        recall a miss), and a single one would miss it, or the rate is undefined. The highest F1 has no floor: None.

        >>> ten_minutes = Goal("review_minutes", 10.0)
        >>> [ten_minutes.is_reached(metrics.rates_of(9, n, 0, 31 - n)) for n in (0, 1)]
        [None, False]
        """
        value = self.value_at(at)
        if self.kind == "best_f1" or np.isnan(value):
            return None
        if not self._holds(value):
            return False
        is_spotless = at["fn" if self.kind == "recall" else "fp"] == 0
        return None if is_spotless and not self._holds(self.value_at(self._one_more(at))) else True

    def _holds(self, value: float) -> bool:
        return value <= self.asked if self.kind == "review_minutes" else value >= self.asked

    def _one_more(self, at: Mapping[str, float]) -> dict[str, float]:
        """The same with one more false alarm; with one more miss for a floor of recall."""
        tp, fp, fn, tn = (int(at[cell]) for cell in metrics.CELLS)
        return (
            metrics.rates_of(tp - 1, fp, fn + 1, tn)
            if self.kind == "recall"
            else metrics.rates_of(tp, fp + 1, fn, tn - 1)
        )

    def too_fine(self, at: Mapping[str, float], split: str) -> str:
        """Why the clips of a split cannot tell whether the goal is reached, in words."""
        would = self.value_at(self._one_more(at))
        if self.kind == "recall":
            seen = f"all {at['tp']:,.0f} positives of {split} are found, and with one missed it would be {would:.2f}"
        else:
            end = f"stand for {would:.0f} min" if self.kind == "review_minutes" else f"make it {would:.2f}"
            seen = (
                f"none of the {at['tn']:,.0f} negatives of {split} is flagged, and a single one would {end}"
            )
        return f"whether {self.text} is reached cannot be told: {seen}"

    @property
    def text(self) -> str:
        """The goal in a word or two, as tables name it.

        >>> Goal("precision", 0.9).text
        'precision >= 0.9'
        """
        return {
            "best_f1": "best F1",
            "precision": f"precision >= {self.asked:g}",
            "recall": f"recall >= {self.asked:g}",
            "review_minutes": f"review <= {self.asked:g} min a night",
        }[self.kind]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with what it gave where it was chosen.

    `logit` is the threshold (`>=` flags), NaN where none could be chosen; `is_met` is whether the goal was reached,
    None where nobody can tell; `note` says why not. `split` is where it was chosen. Rates are NaN where that split
    leaves them undefined.
    """

    logit: float
    goal: str
    split: str
    is_met: bool | None
    note: str
    precision: float
    recall: float
    f1: float
    fpr: float

    @property
    def confidence(self) -> float:
        """The threshold as `sigmoid(logit)`, in (0, 1); NaN where there is none."""
        return float(sigmoid(self.logit))


def choose(scores: ArrayLike, is_positive: ArrayLike, goal: Goal, split: str = VALIDATION) -> OperatingPoint:
    """The threshold that serves the goal best, of all that part these clips differently.

    Ties go to the higher threshold, which flags fewer clips. `best_f1` and `recall` lie half way between the lowest
    score that is flagged and the next lower one, `precision` and `review_minutes` on the first. Without both classes
    nothing can be chosen: the logit is then NaN and the point says so.

    Args:
        scores, is_positive: of the validation split, as in `vernal.evaluation.metrics`.
        split: the name of that split, carried along.
    """
    counts = metrics.counts_at_all(scores, is_positive)
    threshold, is_met = float("nan"), None
    n_positive, n_negative = (int(part[-1]) if len(part) else 0 for part in (counts.tp, counts.fp))
    lacking = why_none(n_positive, n_negative, split)
    note = f"no threshold can be chosen: {lacking}"
    if not lacking:
        at, is_met, note = _CHOOSERS[goal.kind](counts, goal)
        threshold = _half_way(counts, at) if goal.kind in _HALF_WAY else float(counts.threshold[at])
    found = metrics.metrics_at(scores, is_positive, threshold)
    if is_met and goal.kind != "best_f1" and goal.is_reached(found) is None:
        is_met, note = None, goal.too_fine(found, split)
    return _point(threshold, goal, split, is_met, note, found)


def why_none(n_positive: float | None, n_negative: float | None, split: str = VALIDATION) -> str:
    """Why no threshold can be chosen on a split with so many units of each class; empty where one can.

    >>> why_none(0, 31), why_none(4, 31)
    ('val has no positive', '')
    """
    is_there = [n is not None and n > 0 for n in (n_positive, n_negative)]
    if all(is_there):
        return ""
    lacking = "positive" if is_there[1] else "negative" if is_there[0] else "clip"
    return f"{split} has no {lacking}"


def optimism(scores: ArrayLike, is_positive: ArrayLike, logit: float) -> tuple[float, float]:
    """What picking the threshold on this split itself would claim, and by how much that exceeds the frozen
    one.

    Returns:
        `(best_f1, best_f1 - f1 at logit)`; both NaN without positives, the second without a threshold.
    """
    counts = metrics.counts_at_all(scores, is_positive)
    if not len(counts.tp) or not counts.tp[-1]:
        return float("nan"), float("nan")
    best = float(np.max(metrics.f1(counts)))
    return best, best - metrics.metrics_at(scores, is_positive, logit)["f1"]


def review_minutes(
    flagged_share: ArrayLike, clips: float, seconds_per_clip: float = SECONDS_PER_REVIEW
) -> NDArray:
    """Minutes to check the flagged clips of a night: `flagged_share * clips * seconds / 60`.

    With the false positive rate as share and the night's negatives as clips: the time that false alarms cost.

    >>> float(review_minutes(0.01, 1200).round(2))
    0.6
    """
    return np.asarray(flagged_share, dtype=float) * clips * seconds_per_clip / 60


def _half_way(counts: Counts, at: int) -> float:
    """Between one distinct score and the next lower one, so that the same units are flagged.

    It is the score itself where none is lower, or where no number lies between the two.
    """
    flagged = float(counts.threshold[at])
    if at + 1 == len(counts.threshold):
        return flagged
    lower = float(counts.threshold[at + 1])
    middle = lower / 2 + flagged / 2  # halves first: the sum of two scores may be out of range
    return middle if middle > lower else flagged


def _best_f1(counts: Counts, goal: Goal) -> tuple[int, bool, str]:
    return int(np.argmax(metrics.f1(counts))), True, ""


def _precision_floor(counts: Counts, goal: Goal) -> tuple[int, bool, str]:
    values = metrics.precision(counts)
    reached = np.flatnonzero(values >= goal.asked)
    if reached.size:
        # Recall never falls with the threshold; the first at the highest recall flags fewest clips.
        best = counts.tp[reached].max()
        return int(reached[np.argmax(counts.tp[reached] == best)]), True, ""
    top = int(np.argmax(values))
    return top, False, f"no threshold reaches {goal.text}; the highest precision, {values[top]:.3f}, is used"


def _recall_floor(counts: Counts, goal: Goal) -> tuple[int, bool, str]:
    # Recall is 1 at the lowest score, so the floor is always reached; the first to do so flags fewest.
    return int(np.argmax(metrics.recall(counts) >= goal.asked)), True, ""


def _review_budget(counts: Counts, goal: Goal) -> tuple[int, bool, str]:
    minutes = review_minutes(metrics.false_positive_rate(counts), goal.clips_per_night, goal.seconds_per_clip)
    reached = np.flatnonzero(minutes <= goal.asked)
    if reached.size:
        best = counts.tp[reached].max()
        return int(reached[np.argmax(counts.tp[reached] == best)]), True, ""
    return 0, False, f"no threshold keeps {goal.text}; the highest score, at {minutes[0]:.1f} min, is used"


_HALF_WAY = ("best_f1", "recall")
_CHOOSERS = {
    "best_f1": _best_f1,
    "precision": _precision_floor,
    "recall": _recall_floor,
    "review_minutes": _review_budget,
}


def _point(
    logit: float, goal: Goal, split: str, is_met: bool | None, note: str, at: dict[str, float]
) -> OperatingPoint:
    return OperatingPoint(
        logit, goal.text, split, is_met, note, at["precision"], at["recall"], at["f1"], at["fpr"]
    )
