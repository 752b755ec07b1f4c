"""Settle what a stage will run, before any long work starts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vernal.clips.mining import MiningOptions
from vernal.sweeps import plans
from vernal.sweeps.setting_problems import subsets_made
from vernal.sweeps.spec import Spec


def plan_stage(
    spec: Spec, point_files: dict[str, Any], selection: Any, mining_options: MiningOptions
) -> pd.DataFrame:
    """One row per point: its settings and hashes, whether it was edited, and whether it is to run now."""
    plan = plans.resolve_points(
        spec, point_files, subsets_made(mining_options.best_low_quality, mining_options.hard_negatives)
    )
    chosen = plans.select_points(plan, selection)
    return plan.assign(is_selected=plan.point.isin(chosen.point))
