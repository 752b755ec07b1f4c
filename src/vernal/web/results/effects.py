"""What each setting does, to look through: one metric and split at a time, over the stage or within levels."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from vernal.evaluation.stage_results import METRIC_NAMES, StageResults
from vernal.reports.figures import comparisons
from vernal.reports.figures.style import nothing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class EffectQuery:
    """Which comparisons to show; `axis` is empty for all settings, `within` shows those inside levels of others too."""

    split: str
    metric: str
    axis: str = ""
    within: bool = False


def effect_choices(results: StageResults) -> tuple[list[str], list[str], list[str]]:
    """Splits, metrics and settings that the effects table has; what decides the leaderboard first."""
    table = results.effects
    if table.empty:
        return [], [], []
    splits = _first(table["split"].unique(), results.primary_split)
    metrics = _first(table["metric"].unique(), results.primary_metric)
    return splits, metrics, [str(name) for name in table["axis"].unique()]


def _first(names: Iterable[str], wanted: str) -> list[str]:
    return sorted((str(name) for name in names), key=lambda name: name != wanted)


def effect_rows(results: StageResults, query: EffectQuery) -> pd.DataFrame:
    """The rows of `effects.csv` that a query means, in the file's order; `within` is empty text over the stage."""
    table = results.effects.assign(within=results.effects["within"].fillna("").astype(str))
    kept = (table["split"] == query.split) & (table["metric"] == query.metric)
    if query.axis:
        kept &= table["axis"] == query.axis
    if not query.within:
        kept &= table["within"] == ""
    return table[kept].reset_index(drop=True)


def draw_effects(results: StageResults, rows: pd.DataFrame, query: EffectQuery, title: str) -> "Figure":
    """Changes with their intervals, and beside them what would have been too small to be found."""
    whole = rows[rows["within"] == ""]
    if whole.empty:
        return nothing(title, "No two points differ in this setting alone.")
    return comparisons.contrasts(whole, [query.split], METRIC_NAMES.get(query.metric, query.metric), title)
