"""What can be set about an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vernal.common.problems import suggest
from vernal.evaluation import coverage, leaderboard, metrics
from vernal.evaluation.effects import WITHIN_LEVELS
from vernal.evaluation.operating_points import CLIPS_PER_NIGHT, SECONDS_PER_REVIEW, Goal


@dataclass(frozen=True)
class EvaluationOptions:
    """How a stage is evaluated.

    goal, goal_value: what thresholds are chosen for on validation (see `operating_points.Goal`).
    more_goals: further goals to report beside, kind to value; their thresholds change no metric.
    unit: what one score stands for: `clip`, `file` or `night`.
    clips_per_night: clips without the target that a recorder makes in a night (14,400 three-second clips are
        twelve hours).
    seconds_per_clip: time to check one flagged clip.
    field_prevalence: share of clips with the target in the field, for `precision_at_field_prevalence`.
    primary_split, primary_metric: what orders the leaderboard, highest first; the next best split stands in
        for one that is absent. The false positive rate, of which less is better, orders nothing.
    penalty: standard deviations taken off the mean in that order.
    precision_floor: configurations below this mean precision leave the leaderboard; null keeps all.
    effect_metrics: metrics that the stage's axes are compared in.
    all_pairs: compare every level with every other, not only with the first.
    within_levels: axes with up to so many levels are also compared within (an effect at each of their
        levels).
    n_draws, seed, level: bootstrap draws of nights, their seed, and the coverage of intervals.
    curve_points: thresholds kept of each curve.
    """

    goal: str = "best_f1"
    goal_value: float | None = None
    more_goals: dict[str, float] = field(
        default_factory=lambda: {"precision": 0.9, "recall": 0.9, "review_minutes": 10.0}
    )
    unit: str = "clip"
    clips_per_night: float = CLIPS_PER_NIGHT
    seconds_per_clip: float = SECONDS_PER_REVIEW
    field_prevalence: float = 0.01
    primary_split: str = "test_ood"
    primary_metric: str = "f1"
    penalty: float = leaderboard.PENALTY
    precision_floor: float | None = None
    effect_metrics: list[str] = field(default_factory=lambda: ["f1", "average_precision", "auroc"])
    all_pairs: bool = False
    within_levels: int = WITHIN_LEVELS
    n_draws: int = 1000
    seed: int = 20_250_401
    level: float = 0.95
    curve_points: int = 200

    def __post_init__(self) -> None:
        _known("unit", self.unit, coverage.UNITS)
        _known("primary_split", self.primary_split, coverage.SPLITS)
        _known("primary_metric", self.primary_metric, [name for name in metrics.MEASURES if name != "fpr"])
        for metric in self.effect_metrics:
            _known("effect_metrics", metric, metrics.MEASURES)
        for name, value in (("field_prevalence", self.field_prevalence), ("level", self.level)):
            if not 0 < value < 1:
                raise ValueError(
                    f"evaluation.{name} is {value}; give a share between 0 and 1 in parameters.yml"
                )
        for name, number, least in (("n_draws", self.n_draws, 100), ("curve_points", self.curve_points, 2)):
            if number < least:
                raise ValueError(f"evaluation.{name} is {number}; give {least} or more in parameters.yml")
        if self.penalty < 0:
            raise ValueError(f"evaluation.penalty is {self.penalty}; give 0 or more in parameters.yml")
        _ = self.goals  # builds, and so checks, every goal

    @property
    def goals(self) -> list[Goal]:
        """The goal that decides, then those reported beside."""
        asked = [(self.goal, self.goal_value), *self.more_goals.items()]
        return [
            Goal(kind, value, self.clips_per_night, self.seconds_per_clip)
            for kind, value in dict.fromkeys(asked)
        ]


def _known(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"evaluation.{name} is {value!r}; {suggest(value, choices)}")
