"""Choosing among configurations without a test split: by folds of the train split, or else by validation.

A configuration that is picked by its test score is the luckiest among many, and its score says so to nobody. Here every
configuration is scored on clips of sites (or nights) that its training never met, and the test only reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from vernal.clips.folds import BY_NIGHTS, BY_SITES, BY_VALIDATION, Folds, folds_of
from vernal.evaluation import metrics
from vernal.evaluation.coverage import UNIT_COLUMNS, VALIDATION, to_units
from vernal.evaluation.metrics import FloatArray
from vernal.evaluation.operating_points import choose
from vernal.evaluation.options import EvaluationOptions
from vernal.sweeps.settings_table import CONFIGURATION

CROSS_VALIDATED = "cv"
BY_NOTHING = "nothing"
FOLD_SCORE_COLUMNS = (CONFIGURATION, "fold", "clip_id", "logit")
AVERAGED = tuple(name for name in metrics.MEASURES if name not in metrics.AT_THRESHOLD)
CV_COLUMNS = tuple(f"{CROSS_VALIDATED}_{name}" for name in metrics.MEASURES)


class Way(NamedTuple):
    """A way of choosing among configurations.

    `name`: what orders them, a phrase with `{metric}`. `ranked`: what the rank goes by, in short. `sentence`: how the
    choice was made, with `{n_folds}`. `column`: where the leaderboard has a metric of it, empty where nothing chooses.
    """

    name: str
    ranked: str
    sentence: str
    column: str


WAYS = {
    BY_SITES: Way(
        "{metric} cross-validated over training sites",
        "ranked by a score from training sites left out in turn",
        "each of {n_folds} training sites was left out in turn, and every configuration trained without it",
        f"{CROSS_VALIDATED}_{{metric}}",
    ),
    BY_NIGHTS: Way(
        "{metric} cross-validated over training nights",
        "ranked by a score from training nights left out in turn",
        "each of {n_folds} parts of the training nights was left out in turn, and every configuration trained "
        "without it",
        f"{CROSS_VALIDATED}_{{metric}}",
    ),
    BY_VALIDATION: Way(
        "{metric} on validation",
        "ranked by a score from validation",
        "configurations were compared on validation",
        f"{VALIDATION}_{{metric}}_mean",
    ),
    BY_NOTHING: Way(
        "nothing: they stand as in the plan",
        "nothing could choose",
        "nothing could choose among configurations: they stand in the order of the plan, unranked",
        "",
    ),
}


@dataclass(frozen=True)
class Choice:
    """What orders the configurations.

    `by`: `sites`, `nights`, `validation`, or `nothing` where none of them could. `metric`: the metric. `n_folds`: how
    many were held out in turn. `values`: one row a configuration with `CV_COLUMNS`, none where there are no folds.
    `reasons`: why it is not as asked.
    """

    by: str
    metric: str
    n_folds: int
    values: pd.DataFrame
    reasons: tuple[str, ...] = ()

    @property
    def is_cross_validated(self) -> bool:
        """Whether folds were held out."""
        return self.by in (BY_SITES, BY_NIGHTS)

    @property
    def column(self) -> str | None:
        """What the order goes by, as `points.csv` names it; None where nothing could choose."""
        return WAYS[self.by].column.format(metric=self.metric).removesuffix("_mean") or None

    @property
    def precision(self) -> str | None:
        """The leaderboard's column that a floor of precision is about; None where nothing could choose."""
        return WAYS[self.by].column.format(metric="precision") or None

    @property
    def sentence(self) -> str:
        """How the choice was made.

        >>> Choice("sites", "f1", 3, pd.DataFrame()).sentence
        'each of 3 training sites was left out in turn, and every configuration trained without it'
        """
        return WAYS[self.by].sentence.format(n_folds=self.n_folds)


def choice_of(
    plan: pd.DataFrame,
    fold_scores: pd.DataFrame | None,
    splits: pd.DataFrame,
    validation: pd.DataFrame | None,
    options: EvaluationOptions,
) -> Choice:
    """How to order configurations: as asked, or else by the next of sites, nights and validation that can do it.

    No test split is looked at.

    Args:
        plan: `configuration_hash` of every point.
        fold_scores: `FOLD_SCORE_COLUMNS`; None where nothing was trained on folds.
        splits: labelled clips with their split.
        validation: the measures of every run on validation, None where there is none.
    """
    nobody = pd.DataFrame({CONFIGURATION: pd.Series(dtype="str")} | dict.fromkeys(CV_COLUMNS, np.array([])))
    metric, reasons = options.primary_metric, list[str]()
    if options.choose_by != BY_VALIDATION:
        folds = Folds(BY_VALIDATION, nobody, ("no configuration was trained on folds",))
        if fold_scores is not None:
            folds = folds_of(splits, options.choose_by)
        reasons += folds.reasons
        if folds.by != BY_VALIDATION and fold_scores is not None:
            values, problem = cross_validated(fold_scores, splits, folds, options)
            if values[f"{CROSS_VALIDATED}_{metric}"].notna().any():
                missing = _incomplete(values, set(plan[CONFIGURATION]), metric)
                return Choice(folds.by, metric, len(folds.names), values, (*reasons, *missing))
            reasons.append(problem or f"{metric} is undefined on every fold")
    if validation is not None and validation[["auroc", metric]].notna().any().all():
        return Choice(BY_VALIDATION, metric, 0, nobody, tuple(reasons))
    reasons.append(f"validation does not hold both classes, or {metric} is undefined there")
    return Choice(BY_NOTHING, metric, 0, nobody, tuple(reasons))


def _incomplete(values: pd.DataFrame, configurations: set[str], metric: str) -> list[str]:
    known = set(values.loc[values[f"{CROSS_VALIDATED}_{metric}"].notna(), CONFIGURATION])
    n = len(configurations - known)
    if not n:
        return []
    return [
        f"{n:,} of {len(configurations):,} configurations lack a classifier of some fold and are not ranked"
    ]


def cross_validated(
    fold_scores: pd.DataFrame, splits: pd.DataFrame, folds: Folds, options: EvaluationOptions
) -> tuple[pd.DataFrame, str]:
    """Each configuration's measures on clips that its training did not meet.

    The threshold of a fold is the one that serves the goal best on the other folds' scores. Counts are added up over
    folds before a rate is taken, and rankings are averaged over folds, since logits of different classifiers are not
    to be ranked together.

    Returns:
        One row a configuration: `configuration_hash` and `CV_COLUMNS`, missing where a fold has no scores; and why
        nothing could be measured, or an empty text.
    Source: Forman and Scholz (2010), Apples-to-apples in cross-validation studies, SIGKDD Explorations 12.
    """
    clips = folds.held_out(splits).sort_values("clip_id", ignore_index=True)
    lacking = [name for name in UNIT_COLUMNS[options.unit] if name not in clips or clips[name].isna().any()]
    hashes, matrix = _matrix(fold_scores, clips)
    empty = pd.DataFrame({CONFIGURATION: hashes}).reindex(columns=[CONFIGURATION, *CV_COLUMNS])
    if lacking:
        return empty, f"{' and '.join(lacking)} is unknown of training clips, which a {options.unit} needs"
    fold_of = folds.clips.set_index("clip_id").fold.loc[clips.clip_id].to_numpy()
    units, logits = [], []
    for name in folds.names:
        inside = fold_of == name
        unit, scored = to_units(clips[inside].reset_index(drop=True), matrix[:, inside], options.unit)
        units.append(unit)
        logits.append(scored)
    rows = [_measures(units, [part[at] for part in logits], options) for at in range(len(hashes))]
    return empty.assign(**pd.DataFrame(rows, columns=list(CV_COLUMNS))), ""


def _matrix(fold_scores: pd.DataFrame, clips: pd.DataFrame) -> tuple[list[str], FloatArray]:
    """Scores as (n_configurations, n_clips), NaN where there is none; configurations in the order of their hashes."""
    names = fold_scores[CONFIGURATION].astype("str")
    hashes = sorted(names.unique())
    matrix = np.full((len(hashes), len(clips)), np.nan)
    rows = pd.Index(hashes).get_indexer(names)
    columns = pd.Index(clips.clip_id).get_indexer(fold_scores.clip_id.astype("str"))
    known = columns >= 0
    matrix[rows[known], columns[known]] = fold_scores.logit.to_numpy(float)[known]
    return hashes, matrix


def _measures(
    units: Sequence[pd.DataFrame], logits: Sequence[FloatArray], options: EvaluationOptions
) -> dict[str, float]:
    """The measures of one configuration; all NaN where a unit has no score, rates where a fold has no threshold."""
    if not all(np.isfinite(part).all() for part in logits):
        return dict.fromkeys(CV_COLUMNS, float("nan"))
    truths = [part.is_positive.to_numpy(dtype=bool) for part in units]
    counted = dict.fromkeys(metrics.CELLS, 0.0)
    ranked: list[dict[str, float]] = []
    for at, (part, truth, own) in enumerate(zip(units, truths, logits, strict=True)):
        others, their_truth = (
            np.concatenate([*values[:at], *values[at + 1 :]]) for values in (logits, truths)
        )
        logit = choose(others, their_truth, options.goals[0]).logit
        found = metrics.metrics_at(own, truth, logit)
        counted = {cell: counted[cell] + found[cell] for cell in metrics.CELLS}
        recorders = part.recorder_id.to_numpy(dtype=object) if "recorder_id" in part else None
        ranked.append(metrics.measured(own, truth, logit, recorders))
    values = metrics.rates_of(**counted) | _means(ranked)
    return {f"{CROSS_VALIDATED}_{name}": values[name] for name in metrics.MEASURES}


def _means(ranked: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the folds in which a measure is defined; which those are follows from the clips alone."""
    values = {name: np.array([row[name] for row in ranked]) for name in AVERAGED}
    defined = {name: column[np.isfinite(column)] for name, column in values.items()}
    return {name: float(column.mean()) if column.size else float("nan") for name, column in defined.items()}
