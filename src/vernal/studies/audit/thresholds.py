"""Thresholds: at the end of their grid, or picked on the very clips that the result is claimed on."""

import numpy as np
import pandas as pd

from vernal.studies.audit.counts import PARTS, flags_all, printed_rows
from vernal.studies.audit.findings import NotChecked, Told, check, sentence
from vernal.studies.audit.options import AuditOptions
from vernal.studies.published.columns import Metric
from vernal.studies.published.experiments import Experiments

LEAST_ROWS = 4
TRAINING_SETS = ("train", "training", "val", "valid", "validation", "dev")


def threshold_metrics(experiments: Experiments) -> list[Metric]:
    """The columns of thresholds, in the file's order."""
    return [metric for metric in experiments.metrics if metric.name == "threshold"]


@check("saturated_thresholds", "Do best thresholds lie inside the grid they were sought on?")
def check_saturated(experiments: Experiments, options: AuditOptions) -> Told:
    """Best thresholds that lie at the end of the grid they were sought on."""
    columns = threshold_metrics(experiments)
    if not columns:
        raise NotChecked("No column of thresholds.")
    every = experiments.values[[metric.column for metric in columns]]
    grid = np.unique(every.to_numpy()[np.isfinite(every.to_numpy())])
    # One value is a threshold that was set, not sought; logits and other scales have ends that are not known.
    if len(grid) < 3 or grid[0] < 0 or grid[-1] > 1:
        raise NotChecked("The thresholds are not sought on a grid from 0 to 1.")
    step = float(np.diff(grid).min())
    for metric in columns:
        values = experiments.values[metric.column]
        is_high = values >= grid[-1] - 1e-9 if grid[-1] >= 0.9 else values.isna() & False
        is_low = _is_low(experiments, metric, values, grid, step)
        is_end = is_high | is_low
        n_known = int(values.notna().sum())
        if n_known < LEAST_ROWS or is_end.sum() <= options.majority * n_known:
            continue
        text = sentence(
            "findings.saturated",
            column=metric.column,
            n=is_end.sum(),
            n_known=n_known,
            n_low=is_low.sum(),
            n_high=is_high.sum(),
            top=grid[-1],
        )
        yield "warning", experiments.names[is_end], text


def _is_low(
    experiments: Experiments, metric: Metric, values: pd.Series, grid: np.ndarray, step: float
) -> pd.Series:
    """At the lowest threshold; or one above it where the lowest flags every clip, and so is no threshold."""
    if grid[0] > 0.1:
        return values.isna() & False
    lowest = values <= grid[0] + 1e-9
    parts = {name: experiments.of(metric.test_set, name, metric.point) for name in PARTS}
    is_all = pd.Series([flags_all(row) for row in printed_rows(experiments, parts)], index=values.index)
    if grid[0] <= 1e-9 and step <= 0.1 and (is_all | ~lowest).all():
        return values <= grid[0] + step + 1e-9
    return lowest


@check("threshold_picked_on_test", "Is one model used at one threshold on every set?")
def check_picked_on_test(experiments: Experiments, options: AuditOptions) -> Told:
    """One model, one threshold: where it differs between sets, each set chose its own."""
    columns = threshold_metrics(experiments)
    n_pairs = 0
    for point in dict.fromkeys(metric.point for metric in columns):
        here = [
            metric
            for metric in columns
            if metric.point == point and metric.test_set not in ("train", "training")
        ]
        if len(here) < 2:
            continue
        n_pairs += 1
        values = experiments.values[[metric.column for metric in here]]
        differs = (values.max(axis=1) - values.min(axis=1)) > 1e-9
        if not differs.any():
            continue
        sets = ", ".join(repr(metric.test_set) for metric in here)
        known = int((values.notna().sum(axis=1) > 1).sum())
        tests = [metric.test_set for metric in here if metric.test_set not in TRAINING_SETS]
        text = sentence(
            "findings.picked_on_test",
            n=differs.sum(),
            known=known,
            threshold="threshold" if not point else point + " threshold",
            sets=sets,
            whose="the test set" if len(tests) < 2 else "the test sets",
        )
        yield "error", experiments.names[differs], text
    if not n_pairs:
        raise NotChecked("Needs the threshold of one operating point on two sets.")
