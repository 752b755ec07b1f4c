"""A first look at whether the problem can be solved: a quick model, on unseen sites and on outsiders' clips.

It stands in for the real thing only to show early whether the target is within reach. What is deployed is
judged by a stage, with its own model and its own report.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.clips.problem_card import ProblemCard, Verdict, verdict
from vernal.collection.block_bootstrap import block_interval
from vernal.collection.linear_model import METRICS, probabilities

CHECK_COLUMNS = (
    "tested_on", "metric", "value", "low", "high", "n_clips", "n_positive", "n_nights", "status", "sentence"
)  # fmt: skip
UNSEEN_SITES = "sites left out in turn"
OUTSIDERS = "adversarial test set, collected by outsiders"
_N_DRAWS = 300
_LEVEL = 0.95


def metric_of(card: ProblemCard) -> str | None:
    """The card's metric, where the quick check knows it; its own where nobody has agreed on one."""
    if card.performance is None:
        return next(iter(METRICS))
    name = card.performance.metric.strip().lower().replace(" ", "_")
    return name if name in METRICS else None


def check_first(
    x: NDArray,
    y: NDArray,
    places: pd.DataFrame,
    outside: tuple[NDArray, NDArray, NDArray],
    card: ProblemCard,
    seed: int,
) -> pd.DataFrame:
    """Measure the quick model on unseen sites and, on its own, on the outsiders' clips.

    Args:
        x: (n, n_dims) embeddings of the manifest's clips, reduced.
        y: (n,) bool.
        places: (n rows) `site` and `night`.
        outside: the same of the outsiders' clips: embeddings, labels, nights.
        card: the target to compare with.
        seed: of the bootstrap over nights.
    Returns:
        `CHECK_COLUMNS`, two rows.
    """
    metric = metric_of(card) or "average_precision"
    site = places.site.astype("str").fillna("not known").to_numpy()
    scores = np.full(len(y), np.nan)
    if len(np.unique(site)) > 1:
        for name in np.unique(site):
            scores[site == name] = probabilities(x[site != name], y[site != name], x[site == name])
    x_out, y_out, night_out = outside
    rows = [_row(UNSEEN_SITES, scores, y, places.night.to_numpy(), metric, card, seed)]
    scores_out = probabilities(x, y, x_out) if len(y) else np.full(len(x_out), np.nan)
    rows.append(_row(OUTSIDERS, scores_out, y_out, night_out, metric, card, seed))
    return pd.DataFrame(rows, columns=list(CHECK_COLUMNS))


def _row(
    tested_on: str, scores: NDArray, y: NDArray, nights: NDArray, metric: str, card: ProblemCard, seed: int
) -> dict:
    y = np.asarray(y, dtype=bool)

    def measure(rows: Any) -> float:
        has_both = y[rows].any() and not y[rows].all()
        return METRICS[metric](scores[rows], y[rows]) if has_both else np.nan

    value = low = high = np.nan
    if np.isfinite(scores).all() and y.any() and not y.all():
        value = measure(slice(None))
        low, high = block_interval(measure, nights, seed, f"first check {tested_on}", _N_DRAWS, _LEVEL)
    judged = verdict(card, value, low, high) if metric_of(card) else _other_metric(card)
    return {
        "tested_on": tested_on, "metric": metric, "value": value, "low": low, "high": high, "n_clips": len(y),
        "n_positive": int(y.sum()), "n_nights": len(set(nights)), "status": judged.status, "sentence": judged.sentence,
    }  # fmt: skip


def _other_metric(card: ProblemCard) -> Verdict:
    target, known = card.wanted, ", ".join(METRICS)
    return Verdict("not measured", f"The target ({target}) needs a stage; the quick check knows {known}.")
