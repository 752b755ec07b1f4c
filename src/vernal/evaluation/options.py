"""What can be set about an evaluation."""

from dataclasses import field
from typing import Annotated

from pydantic import Field

from vernal.clips.folds import BY_SITES, CHOOSE_BY
from vernal.common.settings import (
    CountFromZero,
    InnerShare,
    NotNegative,
    Number,
    PositiveNumber,
    Share,
    one_of,
    settings,
)
from vernal.evaluation import coverage, leaderboard, metrics
from vernal.evaluation.effects import WITHIN_LEVELS
from vernal.evaluation.operating_points import CLIPS_PER_NIGHT, GOALS, SECONDS_PER_REVIEW, Goal

GoalKind = Annotated[str, one_of(GOALS)]
Metric = Annotated[str, one_of(metrics.MEASURES)]
PrimaryMetric = Annotated[str, one_of([name for name in metrics.MEASURES if name != "fpr"])]


@settings("evaluation")
class EvaluationOptions:
    """How a stage is evaluated.

    goal, goal_value: what thresholds are chosen for on validation (see `operating_points.Goal`).
    more_goals: further goals to report beside, kind to value; their thresholds change no metric.
    unit: what one score stands for: `clip`, `file` or `night`.
    clips_per_night: clips without the target that a recorder makes in a night (14,400 three-second clips are
        twelve hours).
    seconds_per_clip: time to check one flagged clip.
    field_prevalence: share of clips with the target in the field, for `precision_at_field_prevalence`.
    choose_by: what configurations are chosen by: `sites` of the train split left out in turn, `nights` of it, or
        `validation`. What cannot be done falls back to the next.
    primary_split: the test split that the chosen are reported on first; the next best stands in for one that is absent.
    primary_metric: what orders configurations, highest first. The false positive rate, of which less is better,
        orders nothing.
    penalty: standard deviations over seeds taken off the mean where validation chooses; folds are scored for one seed.
    precision_floor: configurations below this precision, where the choice is made, leave the leaderboard; null keeps
        all.
    effect_metrics: metrics that the stage's axes are compared in.
    all_pairs: compare every level with every other, not only with the first.
    within_levels: axes with up to so many levels are also compared within (an effect at each of their
        levels).
    n_draws, seed, level: bootstrap draws of nights, their seed, and the coverage of intervals.
    curve_points: thresholds kept of each curve.
    """

    goal: GoalKind = "best_f1"
    goal_value: Number | None = None
    more_goals: dict[GoalKind, Number | None] = field(
        default_factory=lambda: {"precision": 0.9, "recall": 0.9, "review_minutes": 10.0}
    )
    unit: Annotated[str, one_of(coverage.UNITS)] = "clip"
    clips_per_night: PositiveNumber = CLIPS_PER_NIGHT
    seconds_per_clip: Annotated[Number, Field(gt=0, description="seconds")] = SECONDS_PER_REVIEW
    field_prevalence: InnerShare = 0.01
    choose_by: Annotated[str, one_of(CHOOSE_BY)] = BY_SITES
    primary_split: Annotated[str, one_of(coverage.SPLITS)] = "test_ood"
    primary_metric: PrimaryMetric = "f1"
    penalty: NotNegative = leaderboard.PENALTY
    precision_floor: Share | None = None
    effect_metrics: list[Metric] = field(default_factory=lambda: ["f1", "average_precision", "auroc"])
    all_pairs: bool = False
    within_levels: CountFromZero = WITHIN_LEVELS
    n_draws: Annotated[int, Field(ge=100)] = 1000
    seed: int = 20_250_401
    level: InnerShare = 0.95
    curve_points: Annotated[int, Field(ge=2)] = 200

    def __post_init__(self) -> None:
        _ = self.goals  # builds, and so checks, every goal

    @property
    def goals(self) -> list[Goal]:
        """The goal that decides, then those reported beside."""
        asked = [(self.goal, self.goal_value), *self.more_goals.items()]
        return [
            Goal(kind, value, self.clips_per_night, self.seconds_per_clip)
            for kind, value in dict.fromkeys(asked)
        ]
