"""A study without faults, made from simulated scores; each test breaks it in one way."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from vernal.common.hashing import rng_for
from vernal.evaluation.metrics import auroc, average_precision, counts_at, f1, precision, recall
from vernal.studies.published.experiments import Experiments, understand

SETS = {"near": (260, 180), "far": (150, 230)}


def measured(purpose: str, strength: float, totals: tuple[int, int], threshold: float) -> dict[str, float]:
    """Metrics of one simulated detector at one threshold, rounded to three decimals as tables print them."""
    n_positive, n_negative = totals
    is_positive = np.repeat([True, False], totals)
    scores = rng_for(7, purpose).normal(is_positive * strength, 1.0)
    counts = counts_at(scores, is_positive, [threshold])
    accuracy = (counts.tp[0] + counts.tn[0]) / (n_positive + n_negative)
    values = {
        "best_f1.threshold": threshold,
        "best_f1.precision": precision(counts)[0],
        "best_f1.recall": recall(counts)[0],
        "best_f1.f1": f1(counts)[0],
        "best_f1.accuracy": accuracy,
        "auroc": auroc(scores, is_positive),
        "auprc": average_precision(scores, is_positive),
    }
    return {name: round(float(value), 3) for name, value in values.items()}


def make_study() -> pd.DataFrame:
    """3 seeds x 2 qualities x 2 dropouts x 2 sensitivities; the sensitivity moves nothing that is printed."""
    rows = []
    grid = product((1, 2, 3), ("['high']", "['high', 'low']"), (0.25, 0.5), (0.75, 1.25))
    for number, (seed, quality, dropout, sensitivity) in enumerate(grid, 1):
        row: dict[str, object] = {
            "run.name": f"alpha_{number:03d}",
            "run.seed": seed,
            "data.quality": quality,
            "training.dropout": dropout,
            "training.fmax": 15000,
            "analysis.fmax": 15000,
            "analysis.sensitivity": sensitivity,
            "training.focal": False,
            "training.focal-gamma": 2.0,
            "metadata.git_commit": "a1b2c3",
            "metadata.version": "1.0.0",
        }
        # One threshold a model, the same on every set, and found on a fine grid.
        threshold = round(0.3 + 0.013 * number, 3)
        for name, totals in SETS.items():
            model = f"{name} {seed} {quality} {dropout}"
            metrics = measured(model, 1.5 + dropout, totals, threshold)
            row |= {f"metrics.{name}.{metric}": value for metric, value in metrics.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def told(frame: pd.DataFrame) -> Experiments:
    """The table as if read from a file."""
    text = frame.astype(object).where(frame.notna(), "").map(str).astype("str")
    return understand(text)
