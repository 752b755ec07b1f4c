"""Whole studies made up, with the truth known: nights, clips, and runs whose training falls out by chance.

A run scores a clip by what all runs hear (how hard the clip is, how noisy its night), by what its level of
the setting adds (a planted gain for positives, and nights it suits better or worse), and by its own luck in
training, part of which all runs of one seed and level share. With a gain of 0 both levels have the same
distribution, so the effect is exactly 0 for every metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.evaluation import bootstrap, effects, metrics

LOGIT = 1.0
CELL_GAIN = 0.3  # how much better the second cell's runs separate than the first's, and so on


@dataclass(frozen=True)
class Kind:
    """A kind of study. `gains` has one entry a level; the standard deviations are in logits."""

    n_nights: int = 25
    n_seeds: int = 3
    n_cells: int = 3
    gains: tuple[float, ...] = (0.0, 0.0)
    run_sd: float = 0.1
    shared_sd: float = 0.0
    clips_per_night: float = 25.0

    @property
    def plan(self) -> pd.DataFrame:
        rows = [
            {"seed": seed, "cell": cell, "level": level}
            for seed in range(self.n_seeds)
            for cell in range(self.n_cells)
            for level in range(len(self.gains))
        ]
        names = [f"{row['seed']}-{row['cell']}-{row['level']}" for row in rows]
        return pd.DataFrame(rows).assign(point=names, config_hash=names)


@dataclass(frozen=True)
class Study:
    """`truth` and `code` (n_clips,), `scores` (n_runs, n_clips) in the order of the plan."""

    truth: np.ndarray
    code: np.ndarray
    scores: np.ndarray


def simulate(kind: Kind, rng: np.random.Generator, n_nights: int | None = None) -> Study:
    """One study; nights differ in size, in prevalence and in how hard they are."""
    n_nights = n_nights or kind.n_nights
    plan, n_levels = kind.plan, len(kind.gains)
    sizes = np.maximum(4, rng.lognormal(np.log(kind.clips_per_night), 0.5, n_nights)).astype(int)
    code = np.repeat(np.arange(n_nights), sizes)
    truth = rng.random(code.size) < rng.beta(2, 2, n_nights)[code]
    heard = rng.normal(0, 0.8, code.size) + rng.normal(0, 0.4, n_nights)[code]
    suits = rng.normal(0, 0.25, (n_levels, n_nights))
    luck = rng.normal(0, kind.run_sd, (len(plan), 2))
    luck += rng.normal(0, kind.shared_sd, (kind.n_seeds, n_levels, 2))[plan["seed"], plan["level"]]
    gain = 1.8 + CELL_GAIN * plan["cell"].to_numpy() + np.asarray(kind.gains)[plan["level"]] + luck[:, 1]
    scores = heard + luck[:, :1] + suits[plan["level"]][:, code] + gain[:, None] * truth
    return Study(truth, code, scores + rng.normal(0, 0.5, scores.shape))


def true_values(kind: Kind, metric: str, n_studies: int = 25) -> np.ndarray:
    """The metric of each configuration (cell, level) over all nights and trainings there could be.

    The same random numbers serve both levels, so that their difference is far more exact than either value.
    """
    plan = kind.plan
    rng = np.random.default_rng(99)
    values = [
        [measure(study, metric, at) for at in range(len(plan))]
        for study in (simulate(kind, rng, 1500) for _ in range(n_studies))
    ]
    mean = pd.Series(np.mean(values, axis=0)).groupby([plan["cell"], plan["level"]]).mean()
    return mean.unstack().to_numpy()


def measure(study: Study, metric: str, at: int) -> float:
    if metric == "auroc":
        return metrics.auroc(study.scores[at], study.truth)
    return metrics.metrics_at(study.scores[at], study.truth, LOGIT)[metric]


def drawn(kind: Kind, study: Study, metric: str, seed: int, n_draws: int) -> tuple[dict, dict, float]:
    """Values and draws of every run by config hash, and the effective number of nights."""
    counts = bootstrap.draw_counts(seed, "test", kind.n_nights, n_draws)
    values, draws = {}, {}
    for at, name in enumerate(kind.plan["config_hash"]):
        values[name] = measure(study, metric, at)
        of = bootstrap.ranking_draws if metric == "auroc" else bootstrap.rate_draws
        more = () if metric == "auroc" else (LOGIT,)
        draws[name] = of(study.scores[at], study.truth, study.code, counts, *more)[metric]
    effective = min(
        bootstrap.effective_number(np.bincount(study.code, weights=side))
        for side in (study.truth, ~study.truth)
    )
    return values, draws, effective


def effects_of(
    kind: Kind, n_studies: int, metric: str = "f1", n_draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Main effects of `level` in many studies: the rows of `effects.effects`, with `study`."""
    found = [c for c in effects.contrasts(kind.plan, ["level"]) if not c.within]
    rng, tables = np.random.default_rng(seed), []
    for number in range(n_studies):
        values, draws, effective = drawn(kind, simulate(kind, rng), metric, number, n_draws)
        tables.append(effects.effects(found, values, draws, effective).assign(study=number))
    return pd.concat(tables, ignore_index=True)
