"""Settle what a stage will run, before any long work starts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vernal import curation, mining, plans
from vernal.mining import MiningOptions
from vernal.sweeps import Spec


def plan_stage(
    spec: Spec, point_files: dict[str, Any], selection: str | list | int | None, mining_options: MiningOptions
) -> pd.DataFrame:
    """One row a point: its settings and hashes, whether it was edited, and whether it is to run now."""
    plan = plans.resolve_points(spec, point_files, known_subsets(mining_options))
    chosen = plans.select_points(plan, selection)
    return plan.assign(is_selected=plan.point.isin(chosen.point))


def known_subsets(options: MiningOptions) -> dict[str, list[str]]:
    """Names of the curated subsets that points may add, by the setting that names them."""
    best = [f"{mining.BEST_LOW_QUALITY}/{name}" for name in options.best_low_quality]
    hard = [f"{mining.HARD_NEGATIVES}/{name}" for name in options.hard_negatives]
    return {
        "positive_subsets": [*best, curation.REVIEWED_POSITIVES],
        "negative_subsets": [*hard, curation.REVIEWED_NEGATIVES],
    }
