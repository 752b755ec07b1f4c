"""Several targets side by side: each as it is, their means, one configuration for all or one each, their confusion.

Targets are detectors of their own, so nothing here changes a threshold or a score. Means are over targets with nights
enough for an interval; where none has, over all that are defined, without an interval, and every table says so. Draws
of nights are shared by all targets, so that what moves them together does not count twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from vernal.clips.problem_card import ProblemCard
from vernal.evaluation import bootstrap, metrics
from vernal.evaluation.coverage import SPLITS, VALIDATION
from vernal.evaluation.deployment import deployed_point
from vernal.evaluation.measuring import draw_metrics
from vernal.evaluation.metrics import CELLS, FloatArray
from vernal.evaluation.rounding import TableGroup, settled
from vernal.evaluation.stage_results import StageResults
from vernal.evaluation.target import target_verdict
from vernal.sweeps.settings_table import CONFIGURATION, settings_of

SHOWN = ("auroc", "average_precision", "f1", "precision", "recall", "fpr")
EACH, FOR_ALL = "one a target", "one for all"
NOBODY = "none of them"


@dataclass(frozen=True)
class OneTarget:
    """A target's results of a stage, with its scores of held-out clips and its splits."""

    results: StageResults
    scores: pd.DataFrame
    splits: pd.DataFrame

    @property
    def point(self) -> str:
        """The target's deployed point."""
        return self.results.deployed

    @cached_property
    def _by_point(self) -> dict[str, pd.DataFrame]:
        ordered = self.scores.sort_values("clip_id", kind="stable")
        return {str(name): rows for name, rows in ordered.groupby("point", observed=True, sort=False)}

    def scored(self, point: str, split: str) -> pd.DataFrame:
        """A point's scores on a split, by clip; points that are the same run have those of the first."""
        named = self.results.by_point
        same = named.index[named["config_hash"] == named.at[point, "config_hash"]]
        rows = next(self._by_point[name] for name in (point, *same) if name in self._by_point)
        return rows[rows.split == split].reset_index(drop=True)

    def point_of(self, configuration: str) -> str | None:
        """The point to use of one configuration; None where none has results."""
        points = self.results.points
        mine = points[points[CONFIGURATION] == configuration]
        return deployed_point(mine) if len(mine) else None


Targets = Mapping[str, OneTarget]


@dataclass(frozen=True)
class AcrossTargets(TableGroup):
    """What several targets are together; one row each of:

    Attributes:
        targets: a target, its deployed point with every measure and interval.
        means: a split, measure and mean (`macro`, `weighted` by positives, `micro` of pooled counts, `worst`).
        configurations: a configuration over all targets, in the order of their mean score.
        choices: one configuration a target, or one for all: what each gives.
        confusion: a split, a true class and a target: how many clips of the class the target flags.
    """

    targets: pd.DataFrame
    means: pd.DataFrame
    configurations: pd.DataFrame
    choices: pd.DataFrame
    confusion: pd.DataFrame


def across_targets(of: Targets, card: ProblemCard | None = None) -> AcrossTargets:
    """Every table of several targets; floats rounded, targets in the order given.

    Args:
        of: results by target, of the same stage; at least one.
        card: what the problem card asks.
    """
    configurations = configurations_table(of)
    found = {
        "targets": targets_table(of, card),
        "means": means_table(of),
        "configurations": configurations,
        "choices": choices_table(of, configurations),
        "confusion": confusion_table(of),
    }
    return AcrossTargets(**{name: settled(table.reset_index(drop=True)) for name, table in found.items()})


# Each target ----------------------------------------------------------------------------------------


def targets_table(of: Targets, card: ProblemCard | None = None) -> pd.DataFrame:
    """One row a target: its deployed point, clips, threshold, every measure with its interval, verdict and note."""
    splits = measured_splits(of)
    return pd.DataFrame([_row(name, one, splits, card) for name, one in of.items()])


def measured_splits(of: Targets) -> list[str]:
    """Splits that some target was measured on, test splits first."""
    found = {split for one in of.values() for split in one.results.measured_splits}
    return [*(name for name in SPLITS if name in found and name != VALIDATION), *({VALIDATION} & found)]


def _row(name: str, one: OneTarget, splits: Sequence[str], card: ProblemCard | None) -> dict[str, object]:
    results, point = one.results, one.point
    row: dict[str, object] = {
        "target": name,
        "point": point,
        CONFIGURATION: str(results.by_point.at[point, CONFIGURATION]),
    }
    numbers = ["n_train_positive", "n_train_negative", "threshold_logit", "threshold_confidence"]
    for split in splits:
        numbers += [f"{split}_{part}" for part in ("n_positive", "n_negative", "n_nights")]
        for metric in SHOWN:
            ends = ("",) if split == VALIDATION else ("", "_low", "_high")
            numbers += [f"{split}_{metric}{end}" for end in ends]
    row |= {column: results.number(point, column) for column in numbers}
    verdict = target_verdict(card, results) if card is not None else None
    row |= {"verdict": verdict.status if verdict else "", "note": _note(results, point, splits)}
    return row


def _note(results: StageResults, point: str, splits: Sequence[str]) -> str:
    """What cannot be said of a target, and why."""
    said = [f"no threshold: {results.no_threshold}"] if results.no_threshold else []
    for split in splits:
        value, low = (results.number(point, f"{split}_auroc{end}") for end in ("", "_low"))
        if np.isnan(value):
            said.append(f"{split} lacks a class")
        elif np.isnan(low) and split != VALIDATION:
            said.append(f"too few nights on {split} for an interval")
    return "; ".join(said)


# Means ----------------------------------------------------------------------------------------------


def means_table(of: Targets) -> pd.DataFrame:
    """One row a test split (validation where there is none), measure and mean; see `AcrossTargets`.

    `n_targets` are in it, `left_out` names the others with the reason; the macro mean has an interval paired over
    nights, `worst` the interval of that target.
    """
    tests = [split for split in measured_splits(of) if split != VALIDATION]
    rows = [
        row for split in tests or measured_splits(of) for metric in SHOWN for row in _means(of, split, metric)
    ]
    columns = ["split", "metric", "average", "value", "low", "high", "n_targets", "target", "left_out"]
    return pd.DataFrame(rows, columns=columns)


def _means(of: Targets, split: str, metric: str) -> list[dict[str, object]]:
    values = {name: one.results.number(one.point, f"{split}_{metric}") for name, one in of.items()}
    lows = {name: one.results.number(one.point, f"{split}_{metric}_low") for name, one in of.items()}
    counted, left_out = _counted(values, lows)
    beside = {"split": split, "metric": metric, "n_targets": len(counted), "left_out": left_out}
    if not counted:
        return [beside | {"average": "macro"}]
    weights = np.array([of[name].results.number(of[name].point, f"{split}_n_positive") for name in counted])
    own = np.array([values[name] for name in counted])
    drawn = paired_draws(of, split, metric, {name: [of[name].point] for name in counted})
    low, high = drawn.interval(float(own.mean()), drawn.values)
    worst = counted[int(np.argmax(own) if metric == "fpr" else np.argmin(own))]
    high_of_worst = of[worst].results.number(of[worst].point, f"{split}_{metric}_high")
    rows = [
        {"average": "macro", "value": float(own.mean()), "low": low, "high": high},
        {"average": "weighted", "value": float((own * weights).sum() / weights.sum())},
        {
            "average": "worst",
            "value": values[worst],
            "low": lows[worst],
            "high": high_of_worst,
            "target": worst,
        },
    ]
    if metric in metrics.AT_THRESHOLD:
        rows.insert(2, {"average": "micro", "value": _micro(of, counted, split, metric)})
    return [beside | row for row in rows]


def _counted(values: Mapping[str, float], lows: Mapping[str, float]) -> tuple[list[str], str]:
    """Targets that a mean is over, and the others with the reason."""
    defined = [name for name, value in values.items() if np.isfinite(value)]
    enough = [name for name in defined if np.isfinite(lows[name])]
    counted = enough or defined
    reasons = {name: "undefined" if name not in defined else "too few nights" for name in values}
    return counted, "; ".join(f"{name} ({reasons[name]})" for name in values if name not in counted)


def _micro(of: Targets, counted: Sequence[str], split: str, metric: str) -> float:
    """A rate of the counts of all targets together, each at its own threshold."""
    cells = {
        cell: float(sum(of[name].results.number(of[name].point, f"{split}_{cell}") for name in counted))
        for cell in CELLS
    }
    return metrics.rates_of(**cells)[metric]


@dataclass(frozen=True)
class PairedDraws:
    """A measure's mean over targets (and their points) in every draw of nights, (n_draws,); `effective` nights."""

    values: FloatArray
    effective: float
    level: float

    def interval(self, estimate: float, draws: FloatArray) -> tuple[float, float]:
        """Interval of a share; NaN where some target has too few nights."""
        variance = bootstrap.sampling_variance(draws, self.effective)
        return bootstrap.interval(estimate, variance, self.effective - 1, self.level, self.effective)

    def difference(self, estimate: float, draws: FloatArray) -> tuple[float, float]:
        """Interval of a difference, Student's t; NaN where some target has too few nights."""
        from scipy import stats

        variance = bootstrap.sampling_variance(draws, self.effective)
        if not (np.isfinite(estimate) and np.isfinite(variance)):
            return float("nan"), float("nan")
        reach = float(stats.t.ppf(0.5 + self.level / 2, self.effective - 1) * np.sqrt(variance))
        return estimate - reach, estimate + reach


def paired_draws(of: Targets, split: str, metric: str, points: Mapping[str, Sequence[str]]) -> PairedDraws:
    """Draw nights once for all targets, and take a measure's mean over them in each draw.

    Args:
        points: the points of each target that the mean is over, each target weighing the same.
    """
    options = next(iter(of.values())).results.options
    units = {name: _units(of[name], split) for name in points}
    everything = (
        pd.concat(units.values()).drop_duplicates("clip_id").sort_values("clip_id", ignore_index=True)
    )
    blocks = bootstrap.blocks_of(everything)
    counts = bootstrap.draw_counts(options.seed, split, len(blocks.names), options.n_draws)
    code_of = pd.Series(blocks.code, index=everything.clip_id)
    means, effective = [], []
    for name, own in points.items():
        rows = units[name]
        nights = bootstrap.nights_of(rows, options.seed, split, 1)
        effective.append(nights.effective_for(metric))
        drawn = nights.__class__(
            bootstrap.Blocks(code_of.loc[rows.clip_id].to_numpy(), blocks.names, blocks.kind),
            counts, nights.n_blocks, nights.effective,
        )  # fmt: skip
        truth = rows.is_positive.to_numpy(dtype=bool)
        means.append(np.mean([_drawn(of[name], point, split, metric, truth, drawn) for point in own], axis=0))
    return PairedDraws(np.mean(means, axis=0), min(effective), options.level)


def _units(one: OneTarget, split: str) -> pd.DataFrame:
    rows = one.splits[one.splits.split == split]
    return rows.sort_values("clip_id", ignore_index=True)


def _drawn(
    one: OneTarget, point: str, split: str, metric: str, truth: np.ndarray, drawn: bootstrap.Nights
) -> FloatArray:
    logits = one.scored(point, split).logit.to_numpy(dtype=float)
    threshold = one.results.number(point, "threshold_logit")
    if metric in metrics.AT_THRESHOLD and not np.isnan(threshold):
        return bootstrap.rate_draws(logits, truth, drawn.blocks.code, drawn.counts, threshold)[metric]
    return draw_metrics(logits, truth, None, drawn, threshold)[metric]


# Configurations -------------------------------------------------------------------------------------


def configurations_table(of: Targets) -> pd.DataFrame:
    """One row a configuration: its score over targets, without a test split, and what the test says beside it.

    `mean_score` is over the targets that could score it, as their leaderboards do; configurations that every target
    scored come first. The mean on the test has an interval over nights that all targets share, and `difference` is to
    the first row, paired.
    """
    split, metric = _reported(of)
    scores = {name: one.results.leaderboard.set_index(CONFIGURATION)["score"] for name, one in of.items()}
    table = pd.DataFrame(scores).astype(float)
    plan = next(iter(of.values())).results.plan
    shown = settings_of(plan).assign(**{CONFIGURATION: plan[CONFIGURATION]}).drop_duplicates(CONFIGURATION)
    axes = next(iter(of.values())).results.axes
    order = [name for name in shown[CONFIGURATION] if name in table.index]
    table = table.loc[order]
    rows = pd.DataFrame(
        {
            CONFIGURATION: order,
            **{axis: shown.set_index(CONFIGURATION)[axis].loc[order].to_numpy() for axis in axes},
            "n_scored": table.notna().sum(axis=1).to_numpy(),
            "mean_score": table.mean(axis=1).to_numpy(),
            "worst_score": table.min(axis=1).to_numpy(),
            "worst_target": [_lowest(row) for _, row in table.iterrows()],
        }
    )
    rows = rows.sort_values(["n_scored", "mean_score"], ascending=False, kind="stable", ignore_index=True)
    rank = rows.mean_score.where(rows.n_scored == len(of)).rank(method="min", ascending=False)
    rows.insert(0, "rank", rank.astype("Int64"))
    return _with_test(of, rows, split, metric)


def _lowest(row: pd.Series) -> str:
    return str(row.idxmin()) if row.notna().any() else ""


def _reported(of: Targets) -> tuple[str, str]:
    """The split and measure that most targets report first."""
    pairs = [(one.results.primary_split, one.results.primary_metric) for one in of.values()]
    return max(dict.fromkeys(pairs), key=pairs.count)


def _with_test(of: Targets, rows: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    first: PairedDraws | None = None
    found: list[dict[str, object]] = []
    column = f"{split}_{metric}"
    for configuration in rows[CONFIGURATION]:
        points = {name: _points(one, configuration, column) for name, one in of.items()}
        points = {name: own for name, own in points.items() if own}
        if not points:
            found.append({"n_measured": 0})
            continue
        means = {
            name: float(np.mean([of[name].results.number(point, column) for point in own]))
            for name, own in points.items()
        }
        value = float(np.mean(list(means.values())))
        drawn = paired_draws(of, split, metric, points)
        low, high = drawn.interval(value, drawn.values) if split != VALIDATION else (np.nan, np.nan)
        worst = min(means, key=lambda name: means[name])
        row = {
            "n_measured": len(points),
            f"{column}_mean": value,
            f"{column}_low": low,
            f"{column}_high": high,
            f"{column}_worst": means[worst],
            f"{column}_worst_target": worst,
        }
        if first is None:
            first, first_value = drawn, value
        apart = value - first_value
        ends = first.difference(apart, drawn.values - first.values) if found else (np.nan, np.nan)
        found.append(
            row | dict(zip(("difference", "difference_low", "difference_high"), (apart, *ends), strict=True))
        )
    return pd.concat([rows, pd.DataFrame(found, index=rows.index)], axis=1)


def _points(one: OneTarget, configuration: str, column: str) -> list[str]:
    """Distinct runs of a configuration that have a value."""
    points = one.results.points
    mine = points[(points[CONFIGURATION] == configuration) & points["error"].isna()].drop_duplicates(
        "config_hash"
    )
    return [str(point) for point in mine.point if np.isfinite(one.results.number(str(point), column))]


def choices_table(of: Targets, configurations: pd.DataFrame) -> pd.DataFrame:
    """What comes of one configuration a target, each by its own leaderboard, and of the one that is best for all.

    Two rows: `choice`, `configuration_hash` (of one for all), mean score, and the mean and worst target on the test.
    """
    split, metric = _reported(of)
    column = f"{split}_{metric}"
    best = str(configurations[CONFIGURATION].iloc[0])
    chosen: dict[str, dict[str, str | None]] = {
        EACH: {name: one.point for name, one in of.items()},
        FOR_ALL: {name: one.point_of(best) for name, one in of.items()},
    }
    rows = []
    for choice, points in chosen.items():
        known = {name: point for name, point in points.items() if point is not None}
        scores = [_score(of[name], point) for name, point in known.items()]
        values = {name: of[name].results.number(point, column) for name, point in known.items()}
        values = {name: value for name, value in values.items() if np.isfinite(value)}
        row: dict[str, object] = {
            "choice": choice,
            CONFIGURATION: best if choice == FOR_ALL else "",
            "n_configurations": len(
                {str(of[n].results.by_point.at[p, CONFIGURATION]) for n, p in known.items()}
            ),
            "mean_score": float(np.mean(scores)) if scores else float("nan"),
        }
        if values:
            drawn = paired_draws(of, split, metric, {name: [known[name]] for name in values})
            mean, worst = float(np.mean(list(values.values()))), min(values, key=lambda name: values[name])
            low, high = drawn.interval(mean, drawn.values)
            row |= {f"{column}_mean": mean, f"{column}_low": low, f"{column}_high": high}
            row |= {f"{column}_worst": values[worst], f"{column}_worst_target": worst}
        rows.append(row)
    return pd.DataFrame(rows)


def _score(one: OneTarget, point: str) -> float:
    configuration = one.results.by_point.at[point, CONFIGURATION]
    board = one.results.leaderboard.set_index(CONFIGURATION)["score"]
    return float(board.get(configuration, np.nan))


# Confusion ------------------------------------------------------------------------------------------


def confusion_table(of: Targets) -> pd.DataFrame:
    """Who is taken for whom: clips of a class that a target flags though it is known to be absent; recall of its own.

    Returns:
        `split, true, target, n, n_flagged, share`, at each target's own threshold. `true` is a target, or
        `none of them` for clips where every target is absent. Clips of which the target is unknown are in no row;
        without a threshold a target flags nothing and its counts are missing.
    """
    rows = [row for split in measured_splits(of) for row in _confusion(of, split)]
    return pd.DataFrame(rows, columns=["split", "true", "target", "n", "n_flagged", "share"])


def _confusion(of: Targets, split: str) -> list[dict[str, object]]:
    scored = {
        name: one.scored(one.point, split) for name, one in of.items() if split in one.results.measured_splits
    }
    holders = {name: set(rows.clip_id[rows.is_positive].astype(str)) for name, rows in scored.items()}
    holders[NOBODY] = _of_nobody(scored)
    rows: list[dict[str, object]] = []
    for true, clips in holders.items():
        for name, own in scored.items():
            is_there = own.clip_id.astype(str).isin(clips) & (own.is_positive == (true == name))
            threshold = of[name].results.number(of[name].point, "threshold_logit")
            n = int(is_there.sum())
            flagged = (
                float((own.logit[is_there] >= threshold).sum()) if np.isfinite(threshold) else float("nan")
            )
            share = flagged / n if n else float("nan")
            rows.append(
                {"split": split, "true": true, "target": name, "n": n, "n_flagged": flagged, "share": share}
            )
    return rows


def _of_nobody(scored: Mapping[str, pd.DataFrame]) -> set[str]:
    """Clips where every target is known to be absent."""
    absent = [set(rows.clip_id[~rows.is_positive].astype(str)) for rows in scored.values()]
    return set.intersection(*absent) if absent else set()
