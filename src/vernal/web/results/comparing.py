"""Two points side by side: what was set differently, and what came of it.

A difference is taken over the same clips and the same draws of nights for both points, so what moves both of them
cancels. Its interval is over nights alone: these two trained classifiers, not the settings behind them. What a
setting does is told by the effects, over many pairs and seeds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vernal.common.problems import InputError, suggest
from vernal.evaluation import bootstrap
from vernal.evaluation.coverage import join
from vernal.evaluation.measuring import draw_metrics
from vernal.evaluation.metrics import FloatArray, measured
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.stage_results import METRIC_NAMES, VALIDATION, StageResults, level_words
from vernal.sweeps.point_settings import SETTINGS, PointSettings
from vernal.sweeps.stage_folder import StageFolder

NO_INTERVAL, NO_DIFFERENCE, SAME = "no interval", "no difference shown", "the same"
HIGHER, LOWER = "B higher", "B lower"


@dataclass(frozen=True)
class SettingRow:
    """One setting of both points. `idle` says for which of them it changes nothing: `A`, `B`, `A, B` or empty."""

    name: str
    a: str
    b: str
    help: str
    idle: str

    @property
    def differs(self) -> bool:
        return self.a != self.b


@dataclass(frozen=True)
class MetricRow:
    """One metric of both points on one split: values with intervals, and B less A with its interval."""

    split: str
    metric: str
    a: tuple[float, float, float]
    b: tuple[float, float, float]
    difference: tuple[float, float, float]
    verdict: str

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.verdict in (HIGHER, LOWER)


@dataclass(frozen=True)
class ScoredPair:
    """The scores of two points on the same units: per split the units and (2, n) logits, A first."""

    points: tuple[str, str]
    units: Mapping[str, pd.DataFrame]
    logits: Mapping[str, FloatArray]


def check_point(results: StageResults, point: str) -> str:
    """The name of a point that was named in full or by its number, if it has a result.

    Raises:
        InputError: there is no such point, or it has no result.
    """
    known = results.plan["point"].astype(str).tolist()
    point = point.strip()
    if point.isdecimal() and 0 < int(point[:9]) <= len(known):
        point = known[int(point[:9]) - 1]
    if point not in known:
        raise InputError(f"{results.spec.stage} has no point {point!r}; {suggest(point, known)}")
    error = results.by_point.at[point, "error"] if "error" in results.by_point else None
    if isinstance(error, str):
        raise InputError(f"{point} has no result to show: {error}.")
    return point


def setting_rows(results: StageResults, a: str, b: str) -> list[SettingRow]:
    """Every setting of two points, in the order in which settings are documented."""
    plan = results.plan.set_index(results.plan["point"].astype(str)).to_dict("index")
    sides = [PointSettings.from_row(plan[point]) for point in (a, b)]
    rows = []
    for name, setting in SETTINGS.items():
        texts = [setting.as_text(getattr(settings, name)) for settings in sides]
        acts = setting.acts or (lambda settings: True)
        idle = [side for side, settings in zip("AB", sides, strict=True) if not acts(settings)]
        rows.append(SettingRow(name, texts[0], texts[1], setting.help, ", ".join(idle)))
    return rows


def is_same_run(results: StageResults, a: str, b: str) -> bool:
    """Whether two points are one and the same run under two names."""
    hashes = results.by_point["config_hash"]
    return bool(hashes[a] == hashes[b])


def read_pair(data_root: Path, results: StageResults, a: str, b: str, unit: str = "") -> ScoredPair:
    """The scores of two points, joined on the split table as the evaluation joins them.

    Args:
        unit: what one score stands for; empty: what the evaluation took.
    Raises:
        InputError: scores or split table are not there, or do not fit each other any more.
    """
    folder = StageFolder(data_root, results.spec.stage)
    again = f"Run the stage {folder.stage} again."
    for path in (folder.scores, folder.data.splits):
        if not path.is_file():
            where = path.relative_to(folder.data.root).as_posix()
            raise InputError(f"{where} is not there, so clips cannot be shown. {again}")
    try:
        scores = pd.read_parquet(folder.scores, filters=[("point", "in", [a, b])])
        splits = folder.read_table(folder.data.splits)
    except (OSError, ValueError) as error:
        raise InputError(f"The scores of {folder.stage} cannot be read ({error}). {again}") from error
    return join_pair(a, b, results.plan, scores, splits, unit or results.options.unit)


def join_pair(
    a: str, b: str, plan: pd.DataFrame, scores: pd.DataFrame, splits: pd.DataFrame, unit: str
) -> ScoredPair:
    """The scores of two points of a plan on the same units (see `vernal.evaluation.coverage.join`)."""
    rows, points = plan[plan["point"].isin([a, b])], scores["point"].isin([a, b])
    sheet = join(rows, scores[points], splits, unit)
    if not {a, b} <= set(sheet.run_of):
        raise InputError(f"The scores do not hold both {a} and {b}; score the stage again.")
    order = [sheet.run_of[a], sheet.run_of[b]]
    return ScoredPair((a, b), sheet.units, {name: logits[order] for name, logits in sheet.logits.items()})


def metric_rows(results: StageResults, pair: ScoredPair) -> list[MetricRow]:
    """Metrics of both points on every measured split, and the paired difference where nights allow one."""
    a, b = pair.points
    rows = []
    for split in results.measured_splits:
        units, logits = pair.units[split], pair.logits[split]
        thresholds = [results.number(point, "threshold_logit") for point in pair.points]
        found = differences(units, logits, thresholds, split, results.options)
        for metric in METRIC_NAMES:
            if f"{split}_{metric}" in results.points.columns and metric in found:
                of_a, of_b = (_with_interval(results, point, f"{split}_{metric}") for point in (a, b))
                rows.append(MetricRow(split, metric, of_a, of_b, found[metric], verdict(*found[metric])))
    return rows


def _with_interval(results: StageResults, point: str, column: str) -> tuple[float, float, float]:
    low, high = (results.number(point, f"{column}_{end}") for end in ("low", "high"))
    return results.number(point, column), low, high


def verdict(difference: float, low: float, high: float) -> str:
    """What an interval of `B - A` says.

    >>> verdict(0.1, 0.02, 0.18), verdict(0.1, -0.02, 0.22), verdict(0.1, float("nan"), float("nan"))
    ('B higher', 'no difference shown', 'no interval')
    """
    if difference == 0 and low == high == 0:
        return SAME
    if not (math.isfinite(low) and math.isfinite(high)):
        return NO_INTERVAL
    if low <= 0 <= high:
        return NO_DIFFERENCE
    return HIGHER if low > 0 else LOWER


def differences(
    units: pd.DataFrame, logits: FloatArray, thresholds: list[float], split: str, options: EvaluationOptions
) -> dict[str, tuple[float, float, float]]:
    """`B - A` of each metric with its interval over nights; no interval on validation or with too few nights.

    Args:
        units: one row a unit with `is_positive` and, where known, `recorder_id`, `date`, `group`.
        logits: (2, n).
        thresholds: logits from which A and B flag.
    """
    truth = units["is_positive"].to_numpy(dtype=bool)
    recorders = units["recorder_id"].to_numpy(dtype=object) if "recorder_id" in units else None
    values = [measured(row, truth, at, recorders) for row, at in zip(logits, thresholds, strict=True)]
    found = {metric: values[1][metric] - values[0][metric] for metric in values[0]}
    nan = float("nan")
    if split == VALIDATION or not len(units):
        # The thresholds were chosen there, so nothing is claimed about other nights.
        return {metric: (number, nan, nan) for metric, number in found.items()}
    nights = bootstrap.nights_of(units, options.seed, split, options.n_draws)
    draws = [
        draw_metrics(row, truth, recorders, nights, at) for row, at in zip(logits, thresholds, strict=True)
    ]
    return {
        metric: (
            number,
            *_interval(number, draws[1][metric] - draws[0][metric], nights, metric, options.level),
        )
        for metric, number in found.items()
    }


def _interval(
    difference: float, drawn: FloatArray, nights: bootstrap.Nights, metric: str, level: float
) -> tuple[float, float]:
    """Student's t over nights, cut at -1 and 1."""
    from scipy import stats

    effective = nights.effective_for(metric)
    variance = bootstrap.sampling_variance(drawn, effective)
    if not (math.isfinite(difference) and math.isfinite(variance)):
        return float("nan"), float("nan")
    reach = float(stats.t.ppf(0.5 + level / 2, effective - 1)) * math.sqrt(variance)
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def effect_of_difference(results: StageResults, rows: list[SettingRow]) -> pd.DataFrame:
    """What the stage's effects say about the one setting in which two points differ, seeds aside.

    Returns:
        Rows of `effects.csv` between these two levels over the whole stage; empty if they differ in none or several.
    """
    table = results.effects
    differing = [row for row in rows if row.differs and row.name != "seed"]
    if len(differing) != 1 or table.empty:
        return table.iloc[:0]
    name, levels = differing[0].name, {level_words(differing[0].a), level_words(differing[0].b)}
    compared = table[["level_a", "level_b"]].map(level_words).isin(levels).all(axis=1)
    is_whole = table["within"].fillna("").astype(str) == ""
    return table[compared & is_whole & (table["axis"] == name)].reset_index(drop=True)
