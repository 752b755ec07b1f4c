"""What a setting does: contrasts between its levels over paired points, with how sure one can be.

A pair is two runs that differ in one setting and share all others and the seed. Two sources of chance stand
behind a mean difference, and both enter: which nights were recorded (block bootstrap, the same draws for both
runs), and how training fell out (its spread over seeds). "No difference shown" is a result, and the minimum
detectable effect says what it is worth.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.hashing import digest
from vernal.evaluation import bootstrap
from vernal.evaluation.metrics import FloatArray
from vernal.sweeps.settings_table import NONE, SEED, axes_of, settings_of

COLUMNS = (
    "axis", "level_a", "level_b", "within", "n_pairs", "n_identical", "n_seeds", "effect", "low", "high", "p",
    "p_adjusted", "verdict", "minimum_detectable_effect", "noise_from", "nights_share", "seeds_share",
)  # fmt: skip
ANY = "any other"
HIGHER, LOWER, NO_DIFFERENCE, NOT_TESTED = "higher", "lower", "no difference shown", "not tested"
POWER = 0.8
MOST = 2 / 3
Pair = tuple[str, tuple[str, ...]]
WITHIN_LEVELS = 3


@dataclass(frozen=True)
class Contrast:
    """Level b of an axis less level a, over pairs.

    `weights` add up to 0: the effect is their sum of products with the runs' values. `by_seed` holds the same
    for each seed alone; `pairs` the run (or runs, for `any other`) of each side of each pair; `origin` the
    configuration and seed of each run.
    """

    axis: str
    level_a: str
    level_b: str
    within: str
    pairs: list[Pair]
    weights: dict[str, float]
    by_seed: dict[str, dict[str, float]] = field(repr=False)
    origin: dict[str, tuple[str, str]] = field(repr=False)


def contrasts(
    plan: pd.DataFrame,
    axes: Sequence[str] | None = None,
    all_pairs: bool = False,
    within_levels: int = WITHIN_LEVELS,
) -> list[Contrast]:
    """Every contrast of a stage's axes: over the whole stage, then within each level of each other short axis.

    Each level is set against the first of its axis, in the plan's order; with `all_pairs` each against each.
    Where the first level is `none`, one more contrast sets it against all others together (with and without).
    Pairs whose two runs are one and the same (equal config hash) are left out, and a pair that occurs twice
    counts once.

    Args:
        plan: points to compare: `point`, `config_hash`, settings.
        axes: the stage's axes; None: every setting that varies.
        within_levels: axes with more levels are not looked into: every further contrast makes all of them
            harder to show.
    """
    settings = settings_of(plan).assign(config_hash=plan["config_hash"].astype(str))
    if SEED not in settings:
        settings = settings.assign(**{SEED: NONE})
    varying = axes_of(plan, axes)
    found: list[Contrast] = []
    for axis in varying:
        found += _of_axis(settings, axis, "", all_pairs)
        for other in varying:
            levels = settings[other].drop_duplicates()
            if other == axis or len(levels) > within_levels:
                continue
            for level in levels:
                inside = settings[settings[other] == level]
                found += _of_axis(inside, axis, f"{other}={level}", all_pairs)
    return found


def _of_axis(settings: pd.DataFrame, axis: str, within: str, all_pairs: bool) -> Iterator[Contrast]:
    levels = settings[axis].drop_duplicates().tolist()
    others = [name for name in settings.columns if name not in (axis, "config_hash")]
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for row in settings.to_dict("records"):
        cells.setdefault(tuple(str(row[name]) for name in others), {})[row[axis]] = row["config_hash"]
    at_seed = others.index(SEED)
    sides = [(a, (b,)) for i, a in enumerate(levels) for b in levels[i + 1 :] if all_pairs or i == 0]
    if levels[0] == NONE and len(levels) > 2:
        sides.append((NONE, tuple(levels[1:])))
    for a, bs in sides:
        pairs: dict[Pair, str] = {}
        origin: dict[str, tuple[str, str]] = {}
        for key, run_at in cells.items():
            if not (a in run_at and all(b in run_at for b in bs)):
                continue
            seconds = tuple(dict.fromkeys(run_at[b] for b in bs if run_at[b] != run_at[a]))
            if seconds:
                pairs.setdefault((run_at[a], seconds), key[at_seed])
                cell = digest([text for at, text in enumerate(key) if at != at_seed])
                for level in (a, *bs):
                    origin.setdefault(run_at[level], (f"{cell} {level}", key[at_seed]))
        if pairs:
            yield _contrast(axis, a, bs[0] if len(bs) == 1 else ANY, within, pairs, origin)


def contrast_of(name: str, first: Mapping[str, str], second: Mapping[str, str]) -> Contrast | None:
    """The second of two configurations less the first, whatever they differ in, paired by seed.

    Args:
        name: stands as its axis and tells it from other contrasts.
        first, second: config hash of each seed's run.
    Returns:
        None where they have no seed in common.
    """
    pairs: dict[Pair, str] = {
        (first[seed], (second[seed],)): seed for seed in sorted(first) if seed in second
    }
    origin = {
        runs[seed]: (side, seed) for side, runs in (("a", first), ("b", second)) for seed in pairs.values()
    }
    return _contrast(name, "a", "b", "", pairs, origin) if pairs else None


def _contrast(
    axis: str,
    level_a: str,
    level_b: str,
    within: str,
    pairs: Mapping[Pair, str],
    origin: dict[str, tuple[str, str]],
) -> Contrast:
    """A contrast from its pairs, each with its seed."""
    by_seed = {
        seed: _weights([pair for pair, of in pairs.items() if of == seed])
        for seed in sorted(set(pairs.values()))
    }
    return Contrast(axis, level_a, level_b, within, list(pairs), _weights(list(pairs)), by_seed, origin)


def _weights(pairs: Sequence[Pair]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for first, seconds in pairs:
        weights[first] = weights.get(first, 0.0) - 1 / len(pairs)
        for second in seconds:
            weights[second] = weights.get(second, 0.0) + 1 / len(pairs) / len(seconds)
    return weights


def effects(
    found: Sequence[Contrast],
    values: Mapping[str, float],
    draws: Mapping[str, FloatArray],
    effective: float,
    level: float = 0.95,
) -> pd.DataFrame:
    """Size, interval and verdict of each contrast in one metric of one split.

    Args:
        found: from `contrasts`.
        values: the metric of each run, by config hash.
        draws: the same in every bootstrap draw, (n_draws,) by config hash.
        effective: effective number of nights the metric rests on; below 2 nothing is tested.
        level: of the intervals; verdicts are at `1 - level` after Holm's adjustment, over all contrasts of
            the whole stage as one family and all contrasts within levels as another.

    Returns:
        One row per contrast, columns `COLUMNS`. `p_adjusted` belongs to the verdict; `low` and `high` are
        unadjusted. The minimum detectable effect is what would be found with 80 % probability, at
        Bonferroni's level for the family; NaN where runs do not scatter at all. `noise_from` says where the
        spread of training came from: `seeds`; `settings` with a single seed (the spread of the effect over the
        other settings stands in for it); `none`. `nights_share` and `seeds_share` are the parts of the variance
        that come from the nights and from training, in [0, 1] and together 1; NaN where it is unknown or 0.
    """
    families = {"": 0, "within": 0}
    usable = [contrast for contrast in found if all(np.isfinite(values[run]) for run in contrast.weights)]
    for contrast in usable:
        families["within" if contrast.within else ""] += 1
    seeds = _seed_interactions(usable, values)
    rows = [
        _row(c, values, draws, effective, level, families["within" if c.within else ""], seeds)
        for c in usable
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for is_within in (False, True):
        family = table.index[(table["within"] != "") == is_within]
        table.loc[family, "p_adjusted"] = holm(table.loc[family, "p"].to_numpy(float))
    table["verdict"] = [
        _verdict(effect, p, level) for effect, p in table[["effect", "p_adjusted"]].itertuples(index=False)
    ]
    return table


def holm(p: FloatArray) -> FloatArray:
    """Holm's (1979) adjusted p-values; NaN stay NaN and do not count.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted


def _verdict(effect: float, p_adjusted: float, level: float) -> str:
    if not np.isfinite(p_adjusted):
        return NOT_TESTED
    if p_adjusted >= 1 - level:
        return NO_DIFFERENCE
    return HIGHER if effect > 0 else LOWER


def _row(
    contrast: Contrast,
    values: Mapping[str, float],
    draws: Mapping[str, FloatArray],
    effective: float,
    level: float,
    family: int,
    seeds: Mapping[tuple[str, str], tuple[float, int]],
) -> dict[str, object]:
    differences = [_difference(pair, values) for pair in contrast.pairs]
    effect = sum(weight * values[run] for run, weight in contrast.weights.items())
    alone = _units(contrast)
    drawn = np.array([sum(weight * draws[run] for run, weight in part.items()) for part in alone])
    sampling = bootstrap.shared_variance(drawn, effective)
    training, training_df, noise_from = _training_variance(contrast, values, differences, seeds)
    variance = sampling + training
    df = bootstrap.joint_df([sampling, training], [effective - 1, training_df])
    return {
        "axis": contrast.axis,
        "level_a": contrast.level_a,
        "level_b": contrast.level_b,
        "within": contrast.within,
        "n_pairs": len(contrast.pairs),
        # A mean of equal numbers may differ from them by rounding.
        "n_identical": int(np.sum(np.abs(differences) < 1e-12)),
        "n_seeds": len(contrast.by_seed),
        "effect": effect,
        **_inference(effect, variance, df, level, family),
        "p_adjusted": float("nan"),
        "verdict": "",
        "noise_from": noise_from,
        "nights_share": sampling / variance if variance > 0 else float("nan"),
        "seeds_share": training / variance if variance > 0 else float("nan"),
    }


def what_would_help(row: Mapping[Hashable, Any]) -> str:
    """What would make a contrast surer: more of what most of its variance comes from; empty where that is unknown.

    >>> what_would_help({"nights_share": 0.9}), what_would_help({"nights_share": 0.1})
    ('more nights', 'more seeds')
    >>> what_would_help({"nights_share": 0.5}), what_would_help({})
    ('more nights and seeds', '')
    """
    nights = row.get("nights_share", float("nan"))
    if not np.isfinite(nights):
        return ""
    if MOST > nights > 1 - MOST:
        return "more nights and seeds"
    return "more nights" if nights >= MOST else "more seeds"


def _inference(effect: float, variance: float, df: float, level: float, family: int) -> dict[str, float]:
    """Interval, p-value and minimum detectable effect by Student's t; NaN where the variance is not known."""
    from scipy import stats

    names = ("low", "high", "p", "minimum_detectable_effect")
    if not np.isfinite(variance):
        return dict.fromkeys(names, float("nan"))
    error = float(np.sqrt(variance))
    reach = float(stats.t.ppf(0.5 + level / 2, df)) * error
    if error > 0:
        p = float(2 * stats.t.sf(abs(effect) / error, df))
    else:
        p = 1.0 if effect == 0 else float("nan")
    asked = float(stats.t.ppf(1 - (1 - level) / 2 / max(family, 1), df) + stats.t.ppf(POWER, df))
    # Runs that agree to the last bit show no scatter, and so say nothing of what could have been found.
    least = asked * error if error > 0 else float("nan")
    return dict(zip(names, (effect - reach, effect + reach, p, least), strict=True))


def _units(contrast: Contrast) -> list[dict[str, float]]:
    """The effect in parts whose spread stands for training: each seed, or with one seed each pair."""
    if len(contrast.by_seed) > 1:
        return list(contrast.by_seed.values())
    return [_weights([pair]) for pair in contrast.pairs]


def _difference(pair: Pair, values: Mapping[str, float]) -> float:
    first, seconds = pair
    return float(np.mean([values[run] for run in seconds])) - values[first]


def _training_variance(
    contrast: Contrast,
    values: Mapping[str, float],
    differences: Sequence[float],
    seeds: Mapping[tuple[str, str], tuple[float, int]],
) -> tuple[float, float, str]:
    """Variance of the effect over repeated training, its degrees of freedom, and where it was seen.

    A seed's draws are shared by its runs, so an effect may differ from seed to seed by more than single runs
    scatter: the error of an effect is its interaction with the seed, as in any design with blocks. With few
    seeds that can be small by luck; the scatter of single runs is its floor. Simulated, this keeps the false
    alarms at their rate, Holm's far tail included, whether runs of a seed hang together or not; pooling the
    two after a preliminary test does not.
    """
    if len(contrast.by_seed) < 2:
        if len(differences) < 3:
            return float("nan"), float("nan"), "none"
        return float(np.var(differences, ddof=1)) / len(differences), len(differences) - 1, "settings"
    n_seeds = len(contrast.by_seed)
    interaction, df = seeds.get((contrast.axis, contrast.within), (float("nan"), 0))
    if df > 0:
        n_second = max(len(seconds) for _, seconds in contrast.pairs)
        by_seed = interaction * (1 + 1 / n_second) / n_seeds
    else:
        by_seed, df = float(np.var(list(_alone(contrast, values).values()), ddof=1)) / n_seeds, n_seeds - 1
    by_run = _scatter(contrast, values) * sum(weight**2 for weight in contrast.weights.values())
    return max(by_seed, by_run), df, "seeds"


def _alone(contrast: Contrast, values: Mapping[str, float]) -> dict[str, float]:
    """The effect in each seed alone."""
    return {
        seed: sum(weight * values[run] for run, weight in part.items())
        for seed, part in contrast.by_seed.items()
    }


def _seed_interactions(
    found: Sequence[Contrast], values: Mapping[str, float]
) -> dict[tuple[str, str], tuple[float, int]]:
    """Mean square of axis by seed, of level means, and its degrees of freedom, by `(axis, within)`.

    All levels of an axis serve: with L levels and S seeds there are (L - 1)(S - 1) degrees of freedom. Axes
    whose contrasts do not share two seeds are left out.
    """
    against_first: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in found:
        listed = against_first.setdefault((contrast.axis, contrast.within), [])
        if contrast.level_b != ANY and (not listed or contrast.level_a == listed[0].level_a):
            listed.append(contrast)
    squares = {}
    for key, listed in against_first.items():
        alone = [_alone(contrast, values) for contrast in listed]
        shared = [seed for seed in alone[0] if all(seed in part for part in alone)] if alone else []
        if len(shared) < 2:
            continue
        # Level by seed, as differences from the first level: centring by seed takes that level out again.
        table = np.array([[0.0] * len(shared), *([part[seed] for seed in shared] for part in alone)])
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        df = (table.shape[0] - 1) * (len(shared) - 1)
        squares[key] = (float((rest**2).sum()) / df, df)
    return squares


def _scatter(contrast: Contrast, values: Mapping[str, float]) -> float:
    """Residual variance of the contrast's runs about configuration plus seed; 0 if nothing is left over."""
    runs = list(contrast.weights)
    columns = []
    for part in zip(*(contrast.origin[run] for run in runs), strict=True):
        codes, names = pd.factorize(np.asarray(part, dtype=object), sort=True)
        columns.append(np.eye(len(names))[codes])
    model = np.hstack(columns)
    observed = np.asarray([values[run] for run in runs], dtype=float)
    fitted, _, rank, _ = np.linalg.lstsq(model, observed, rcond=None)
    df = len(runs) - int(rank)
    residual = float(((observed - model @ fitted) ** 2).sum())
    # What is of the size of rounding is none: runs that agree exactly would otherwise seem to scatter.
    return residual / df if df > 0 and residual > 1e-24 * len(runs) else 0.0
